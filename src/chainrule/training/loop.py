"""The loop over epochs, for optimizers that make many steps an epoch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from chainrule.engines import Data, Epoch, EpochLoss
from chainrule.errors import DivergenceError, InputError
from chainrule.numerics import Array
from chainrule.optimizers import Optimizer
from chainrule.training.checkpoint import Checkpoint
from chainrule.training.monitor import Monitor, warn
from chainrule.training.settings import Settings


@dataclass
class OptimizerState:
    """What an optimizer carries from one run to the next, in which it is replaced.

    It is that of the last step, also where the network gets the weights of an earlier, better
    epoch back; but empty where training diverged. An epoch that was cut short counts as if all of
    its steps had been made.
    """

    arrays: dict[str, Array] = field(default_factory=dict)
    """The arrays of its state, flat, by name."""
    steps: int = 0
    """How many steps it has made."""
    optimizer: str = ""
    """The name of the optimizer that it is of."""


class Run:
    """One network on its way through the epochs.

    Parameters
    ----------
    monitor : Monitor
        Has the parameters, which are trained in place.
    data : Data
        To train on.
    settings : Settings
        How.
    checkpoint : str or path, optional
        The file to which everything needed to continue is written.
    resume : bool, default False
        Whether to go on from that file.
    start : OptimizerState, optional
        What the optimizer starts from, and is left at the end, with its state then.

    Raises
    ------
    InputError
        If the checkpoint to resume is of another run, or the state of another optimizer or network.
    """

    def __init__(
        self,
        monitor: Monitor,
        data: Data,
        settings: Settings,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        start: OptimizerState | None = None,
    ) -> None:
        self.monitor, self.settings, self.start = monitor, settings, start
        self.n_steps = -(-len(data) // settings.batch_size)
        optimizer = settings.optimizer
        assert isinstance(optimizer, Optimizer)
        self.trainer = monitor.engine.trainer(
            monitor.architecture, monitor.parameters, optimizer, data, settings.regularization
        )
        monitor.advice = (
            f"a smaller learning_rate (it was {settings.learning_rate:g}), gradient_clip=1.0, or "
            "inputs and targets scaled to about 1"
        )
        self.saved = None
        if checkpoint is not None:
            self.saved = Checkpoint(checkpoint, settings, monitor, self.trainer, data)
            if resume:
                self.saved.resume()
        self.steps = monitor.history.epochs * self.n_steps
        """How many steps the optimizer has made."""
        if start is not None:
            self._take_up(start)
        self.finished = bool(monitor.progress.stop_reason) or self._all_epochs()

    def _take_up(self, start: OptimizerState) -> None:
        self.steps += start.steps
        if not (start.steps or start.arrays):
            return
        optimizer, parameters = self.settings.optimizer, self.monitor.parameters
        assert isinstance(optimizer, Optimizer)
        wanted = {  # an entry for each parameter, or for none
            name: parameters.shape if array.size == 0 else array.shape
            for name, array in optimizer.init(parameters[:0]).items()
        }
        given = {name: array.shape for name, array in start.arrays.items()}
        if start.optimizer != optimizer.name or given != wanted:
            raise InputError(
                f"{optimizer.name} of this network has a state of arrays {wanted}, but start has "
                f"{given} of {start.optimizer or 'no optimizer'}: pass the state of the same "
                "optimizer and network, or a new OptimizerState()"
            )
        self.trainer.restore(start.arrays)

    def keep_state(self, diverged: bool = False) -> None:
        """Leave the state of the optimizer to a later run, if one was given to start from.

        One that diverged is forgotten: it would lead the best parameters astray again.
        """
        if self.start is None:
            return
        start, name = self.start, self.settings.optimizer.name
        if diverged:
            start.arrays, start.steps, start.optimizer = {}, 0, ""
        else:
            start.arrays, start.steps, start.optimizer = self.trainer.state(), self.steps, name

    def _all_epochs(self) -> bool:
        return self.monitor.history.epochs >= self.settings.epochs

    def next_epoch(self) -> Epoch:
        """Return the epoch to make now."""
        settings, number = self.settings, self.monitor.history.epochs
        steps_before, self.steps = self.steps, self.steps + self.n_steps
        return Epoch(
            number=number,
            steps_before=steps_before,
            batch_size=settings.batch_size,
            learning_rates=settings.learning_rate * self._factors(number),
            shuffle=settings.shuffle,
            seed=settings.seed,
        )

    def _factors(self, number: int) -> Array:
        schedule, epochs = self.settings.schedule, self.settings.epochs
        if not schedule.changes_within_epochs:
            return np.full(self.n_steps, schedule.factor(number, epochs))
        steps = range(self.n_steps)
        return np.array([schedule.factor(number + s / self.n_steps, epochs) for s in steps])

    def epoch_done(self, epoch: Epoch, losses: EpochLoss) -> None:
        """Record its loss and penalty, and decide whether it was the last.

        Raises
        ------
        DivergenceError
            If it is infinite or NaN; the parameters are then the best so far.
        """
        stop = self.monitor.epoch_done(losses, float(epoch.learning_rates[-1]))
        self.settings.schedule.observe(self.monitor.history.monitored[-1])
        self.finished = stop or self._all_epochs()
        if self.saved:
            self.saved.save(last=self.finished)
        self.reload()

    def reload(self) -> None:
        """Take up the parameters after callbacks, which may have changed them."""
        if not (self.finished or all(callback.only_looks for callback in self.monitor.callbacks)):
            self.trainer.reload()


def train(run: Run) -> None:
    """Train one network.

    Raises
    ------
    DivergenceError
        If the loss became infinite or NaN; the parameters are then the best so far.
    """
    diverged = False
    try:
        with run.monitor:
            run.reload()
            while not run.finished:
                epoch = run.next_epoch()
                (losses,) = run.monitor.engine.train([(run.trainer, epoch)])
                run.epoch_done(epoch, losses)
    except DivergenceError:
        diverged = True
        raise
    finally:
        run.keep_state(diverged)


def train_together(runs: Sequence[Run]) -> list[DivergenceError | None]:
    """Train several networks of one engine, each epoch of all of them in one call.

    A network that diverges ends alone, with its best weights so far; its error is returned.
    Ctrl-C ends all of them. Whatever happens, the callbacks of all are told of the end.
    """
    errors: dict[int, DivergenceError] = {}
    begun: list[Run] = []
    interrupted, failed = False, True
    try:
        for run in runs:
            run.monitor.begin()
            begun.append(run)
            run.reload()
        while going := [i for i, run in enumerate(runs) if not run.finished]:
            epochs = {i: runs[i].next_epoch() for i in going}
            jobs = [(runs[i].trainer, epoch) for i, epoch in epochs.items()]
            trained = runs[0].monitor.engine.train(jobs)
            for i, losses in zip(going, trained, strict=True):
                try:
                    runs[i].epoch_done(epochs[i], losses)
                except DivergenceError as error:
                    errors[i], runs[i].finished = error, True
        failed = False
    except KeyboardInterrupt:
        if len(begun) < len(runs):
            raise  # as from `train`: there is nothing to keep yet
        interrupted, failed = True, False
        warn("training was interrupted; the networks have their best weights so far")
    finally:
        with contextlib.ExitStack() as ends:  # goes on to the others where one raises
            for i, run in enumerate(runs):
                ends.callback(run.keep_state, i in errors)
            for i, run in reversed(list(enumerate(begun))):
                stopped = interrupted and not run.finished
                ends.callback(run.monitor.end, stopped, failed or i in errors)
    return [errors.get(i) for i in range(len(runs))]
