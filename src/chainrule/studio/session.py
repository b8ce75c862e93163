"""Training beside the page: a thread that makes steps, and snapshots that the page looks at."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from chainrule import batches, engines, optimizers, tracing
from chainrule.engines import Data, Epoch, EpochLoss, Regularization
from chainrule.engines.randomness import shuffled
from chainrule.errors import InputError
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.optimizers import Optimizer
from chainrule.studio import steps
from chainrule.studio.state import MOST_TAKEN

_MOST_LOSSES = 1000
_PUBLISH_EVERY = 0.03  # seconds
_LOOK_EVERY = 0.3  # seconds of training until it is looked again whether to go on


@dataclass(frozen=True)
class Settings:
    """How a session trains."""

    optimizer: str = "adam"
    learning_rate: float = 0.01
    batch_size: int = 32
    seed: int = 0


class Snapshot(NamedTuple):
    """Where training is; nothing in it changes any more."""

    steps: int
    """Of training."""
    taken: tuple[tuple[int, int], ...]
    """Steps taken by hand: after how many of training, and on which sample."""
    parameters: Array
    losses: tuple[float, ...]
    """C over every `stride`-th epoch."""
    test_losses: tuple[float, ...]
    stride: int
    running: bool
    speed: float
    """Steps per second, of late."""
    message: str
    """Why it cannot go on, or ``""``."""


class Session:
    """One network in training, by steps: an epoch's order follows from the seed.

    Weights after n steps are the same however the steps were asked for.

    Parameters
    ----------
    net : Network
        Where it starts; it is not changed.
    X, Y : arrays
        To train on.
    X_test, Y_test : arrays
        To watch.
    settings : Settings
        How.
    taken : sequence of pairs
        Steps to take by hand: after how many of training, and on which sample; in order.

    Raises
    ------
    InputError
        If data or settings do not fit the network.
    """

    def __init__(
        self,
        net: Network,
        X: Array,
        Y: Array,
        X_test: Array,
        Y_test: Array,
        settings: Settings,
        taken: Sequence[tuple[int, int]] = (),
    ) -> None:
        a = net.architecture
        optimizer = optimizers.get(settings.optimizer)
        assert isinstance(optimizer, Optimizer)
        self.architecture, self.settings, self._optimizer = a, settings, optimizer
        self._data, self._test = batches.data(a, X, Y), batches.data(a, X_test, Y_test)
        for data in (self._data, self._test):
            batches.require_targets_in_range(data.Y, a)
        self.batch_size = min(settings.batch_size, len(self._data))
        if optimizer.whole_batch:
            self.batch_size = len(self._data)
        self.steps_per_epoch = -(-len(self._data) // self.batch_size)
        self._parameters = net.parameters.copy()
        self._engine = engines.choose("auto", a, optimizer)[0]
        self._whole = self._trainer(self._data)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._steps, self._until = 0, 0.0
        self._pace = 0.0  # steps per second of the last few
        self._taken: list[tuple[int, int]] = []
        self._to_take = list(taken)
        self._losses: list[float] = []
        self._test_losses: list[float] = []
        self._stride, self._part, self._message = 1, 0.0, ""
        self._mark = (0.0, 0)
        self._speed, self._published = 0.0, 0.0
        self._snapshot = self._as_it_is(running=False)

    @property
    def snapshot(self) -> Snapshot:
        """The last that was published."""
        return self._snapshot

    def run(self, until: float = math.inf) -> None:
        """Go on, in a thread, until so many steps have been made; at once back."""
        with self._lock:
            self._until = until
            due = self._steps < until or self._to_take
            if self._thread is None and not self._message and due:
                self._mark = (time.perf_counter(), self._steps)
                self._snapshot = self._snapshot._replace(running=True)
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()

    def step(self) -> None:
        """Make one step of one batch."""
        self.run(self._steps + 1)

    def epoch(self) -> None:
        """Go on to the end of an epoch."""
        self.run((self._steps // self.steps_per_epoch + 1) * self.steps_per_epoch)

    def take(self, sample: int) -> None:
        """Make one step of plain gradient descent on one sample, now.

        Raises
        ------
        InputError
            If training goes on meanwhile, cannot go on, or a link could not hold one more.
        """
        with self._lock:
            if self._thread is not None:
                raise InputError("training goes on: a step can be taken when it is paused")
            if self._message:
                raise InputError(self._message)
            if len(self._taken) >= MOST_TAKEN:
                raise InputError(
                    f"{MOST_TAKEN} steps taken by hand are as many as a link can repeat: go on in "
                    "Train, or start anew"
                )
            self._take(self._steps, sample)
            self._publish(running=False)

    def _take(self, after: int, sample: int) -> None:
        rows = self._data.rows(np.array([sample % len(self._data)]))
        net = Network.of(self.architecture, self._parameters)
        pass_ = tracing.trace(net, rows.X, rows.Y)
        steps.downhill(net, pass_, self.settings.learning_rate)
        self._whole.reload()
        self._taken.append((after, sample))

    def pause(self) -> None:
        """Stop after the steps that are being made; at once back."""
        with self._lock:
            self._until = 0

    def rest(self) -> None:
        """Pause, but not on the way to a step that was asked for."""
        with self._lock:
            if math.isinf(self._until):
                self._until = 0

    def wait(self) -> Snapshot:
        """Wait until it has stopped by itself or been paused."""
        thread = self._thread
        if thread is not None:
            thread.join()
        return self._snapshot

    def _work(self) -> None:
        while True:
            with self._lock:
                while self._to_take and self._to_take[0][0] <= min(self._steps, self._until):
                    self._take(*self._to_take.pop(0))
                left = self._until - self._steps
                if left <= 0 or self._message:
                    self._publish(running=False)
                    self._thread = None
                    return
            try:
                self._advance(left)
            except Exception as error:  # nobody waits for this thread: the page has to say it
                self._message = f"training failed: {error}"
            now = time.perf_counter()
            if now - self._mark[0] > 0.5:
                self._speed = (self._steps - self._mark[1]) / (now - self._mark[0])
                self._mark = (now, self._steps)
            if now - self._published > _PUBLISH_EVERY:
                self._publish(running=True)

    def _advance(self, most: float) -> None:
        """Make some of the epoch's steps, all where there is no reason not to."""
        epoch, begun = divmod(self._steps, self.steps_per_epoch)
        if self._to_take:
            most = min(most, self._to_take[0][0] - self._steps)
        n = int(min(most, self.steps_per_epoch - begun, max(1, _LOOK_EVERY * self._pace)))
        rates = np.full(n, self.settings.learning_rate)
        job = Epoch(epoch, self._steps, self.batch_size, rates, True, self.settings.seed)
        if n == self.steps_per_epoch:
            found = self._train(self._whole, job)
            share = 1.0
        else:  # only these rows, in the epoch's order, with the same optimizer's state
            first = begun * self.batch_size
            order = shuffled(len(self._data), self.settings.seed, epoch)
            rows = order[first : first + n * self.batch_size]
            part = self._trainer(self._data.rows(rows))
            part.restore(self._whole.state())
            found = self._train(part, job._replace(shuffle=False))
            self._whole.restore(part.state())
            share = len(rows) / len(self._data)
        if not math.isfinite(found.loss):
            self._message = "the loss is no longer a finite number: take a smaller learning rate"
            return
        self._steps += n
        self._part += share * found.loss
        if begun + n == self.steps_per_epoch:
            self._record(epoch)

    def _train(self, trainer: engines.Trainer, job: Epoch) -> EpochLoss:
        started = time.perf_counter()
        (found,) = self._engine.train([(trainer, job)])
        self._pace = len(job.learning_rates) / (time.perf_counter() - started)
        return found

    def _record(self, epoch: int) -> None:
        loss, self._part = self._part, 0.0
        if (epoch + 1) % self._stride:
            return
        self._losses.append(loss)
        self._test_losses.append(self._engine.loss(self.architecture, self._parameters, self._test))
        if len(self._losses) >= _MOST_LOSSES:  # every second is enough, from now on too
            self._losses, self._test_losses = self._losses[1::2], self._test_losses[1::2]
            self._stride *= 2

    def _trainer(self, data: Data) -> engines.Trainer:
        return self._engine.trainer(
            self.architecture, self._parameters, self._optimizer, data, Regularization()
        )

    def _publish(self, running: bool) -> None:
        self._published = time.perf_counter()
        self._snapshot = self._as_it_is(running)

    def _as_it_is(self, running: bool) -> Snapshot:
        return Snapshot(
            self._steps, tuple(self._taken), self._parameters.copy(),
            tuple(self._losses), tuple(self._test_losses), self._stride, running,
            self._speed, self._message,
        )  # fmt: skip
