"""The networks of a run, and their training: side by side, with checkpoints, until time is up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import losses, training
from chainrule.callbacks import Callback, EarlyStopping, Progress
from chainrule.engines import Data
from chainrule.errors import DivergenceError, InputError
from chainrule.history import History
from chainrule.naming import parameter_of
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.optimizers import AdamW
from chainrule.runs.config import Config
from chainrule.tables import Target

_OF_CLASSES = ("cross_entropy", "binary_cross_entropy")
_OF_NUMBERS = (
    "squared_error", "absolute_error", "huber", "log_cosh", "quantile", "gaussian_nll", "poisson",
    "gamma",
)  # fmt: skip
POSITIVE = ("poisson", "gamma")
"""Losses whose outputs are exponentials, of targets that are only divided by their mean."""
_PROBED_ROWS, _PROBED_SHARE = 50_000, 0.9
TIME_LIMIT = "time limit"


@dataclass(frozen=True)
class Rows:
    """What networks train on, encoded."""

    X: Array
    """Inputs of shape (n, n_inputs), float32."""
    Y: Array
    """Encoded targets of shape (n,)."""
    parts: Sequence[tuple[Any, Any]]
    """For each network, the rows that it trains on and those that it watches."""

    def of(self, i: int) -> tuple[Data, tuple[Array, Array] | None]:
        """Return what network i trains on, and what it watches; slices are not copied."""
        trained, watched = self.parts[i]
        held = (self.X[watched], self.Y[watched]) if len(self.Y[watched]) else None
        return Data(self.X[trained], self.Y[trained]), held


def require_loss(name: str | None, target: Target) -> str:
    """Return the loss for a target.

    Raises
    ------
    InputError
        If it is none for this task, or the target has numbers that it does not take.
    """
    two = len(target.classes) == 2
    if target.is_classification:
        fitting = _OF_CLASSES if two else _OF_CLASSES[:1]
        if name not in (None, *fitting):
            raise InputError(
                f"--loss {name} is not for {len(target.classes)} classes: leave it out, for "
                f"{fitting[0]}"
            )
        return _OF_CLASSES[1] if two else _OF_CLASSES[0]
    name = name or _OF_NUMBERS[0]
    if kind_of_loss(name) not in _OF_NUMBERS:
        raise InputError(
            f"--loss {name} is not for a number: choose one of {', '.join(_OF_NUMBERS)}"
        )
    lowest = target.low if target.low is not None else 0.0
    if kind_of_loss(name) in POSITIVE and (lowest < 0 or (name == "gamma" and lowest == 0)):
        wanted = "numbers above 0" if name == "gamma" else "numbers of at least 0"
        raise InputError(
            f"--loss {name} takes {wanted}, but {target.name} has {lowest:g}: choose another"
        )
    return name


def kind_of_loss(name: str) -> str:
    """Return the loss without its parameter.

    >>> kind_of_loss("quantile(0.9)")
    'quantile'
    """
    found = parameter_of(name, ["quantile", "huber"])
    return found[0] if found else name


def networks(config: Config, target: Target, n_inputs: int) -> list[Network]:
    """Return the untrained networks of a run, which differ in their seeds."""
    name = require_loss(config.loss, target)
    loss = losses.get(name)
    n_outputs = 1 if name == "binary_cross_entropy" else target.n_outputs
    outputs = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}
    output = outputs.get(name, "exponential" if name in POSITIVE else "identity")
    sizes = [n_inputs, *config.hidden, n_outputs * loss.outputs_per_target]
    return [
        Network(sizes, config.activation, output, loss, seed=config.seed + i)
        for i in range(config.ensemble)
    ]


def batch_size_for(n: int) -> int:
    """Return the rows of a step, about 20 steps an epoch where that is 16 to 128 rows.

    >>> batch_size_for(150), batch_size_for(1_000_000)
    (16, 128)
    """
    return int(np.clip(2 ** round(np.log2(max(n, 1) / 20)), 16, 128))


def train(
    nets: Sequence[Network],
    rows: Rows,
    config: Config,
    *,
    callbacks: Sequence[Callback] = (),
    checkpoints: Path | None = None,
    resume: bool = False,
) -> list[History]:
    """Train the networks in place, side by side; each ends with its best weights.

    Parameters
    ----------
    nets : sequence of Network
        From `networks`.
    rows : Rows
        What they train on.
    config : Config
        How; with the batch size settled.
    callbacks : sequence of Callback, default ()
        Told of the first network.
    checkpoints : path, optional
        A folder for a checkpoint of each network.
    resume : bool, default False
        Whether to go on from these.

    Raises
    ------
    DivergenceError
        If a loss became infinite or NaN.
    InputError
        If a checkpoint is of another run, or cannot be written.
    """
    tasks = [
        _task(
            net, rows.of(i), config, [*_limits(config, i), *(callbacks if i == 0 else ())],
            None if checkpoints is None else checkpoints / f"network-{i}.safetensors", resume,
        )
        for i, net in enumerate(nets)
    ]  # fmt: skip
    histories, diverged = training.fit_many(tasks, None)
    for net, history in zip(nets, histories, strict=True):
        net.history = history
    for error in diverged.values():
        raise DivergenceError(
            f"{error} (--learning-rate {config.learning_rate / 10:g}, for example)"
        ) from error
    return histories


def _task(
    net: Network,
    data: tuple[Data, tuple[Array, Array] | None],
    config: Config,
    callbacks: Sequence[Callback],
    checkpoint: Path | None,
    resume: bool,
) -> training.Task:
    trained, watched = data
    samples, names = net._to_train_on(trained.X, trained.Y, None)
    optimizer: Any = config.optimizer
    if optimizer == "adamw":
        optimizer = AdamW(weight_decay=config.weight_decay)
    return net._task(
        samples, names, optimizer=optimizer, learning_rate=config.learning_rate,
        epochs=config.epochs, batch_size=config.batch_size or batch_size_for(len(samples)),
        shuffle=True, l2=0.0, l1=0.0, dropout=config.dropout if config.hidden else 0.0,
        gradient_clip=None, schedule="one_cycle", n_threads=None, validation_data=watched,
        early_stopping=EarlyStopping(config.patience), callbacks=callbacks, checkpoint=checkpoint,
        resume=resume,
    )  # fmt: skip


def epochs_within(config: Config, target: Target, rows: Rows, limit: float) -> int:
    """Return how many epochs fit into some seconds.

    The schedule of the learning rate needs to know its end beforehand, so the better of two
    epochs of at most 50,000 rows is timed, on networks that are thrown away.
    """
    n = len(rows.Y)
    few = slice(min(n, _PROBED_ROWS))
    probed = Rows(rows.X[few], rows.Y[few], [(slice(None), slice(0))] * config.ensemble)
    once = config.with_(epochs=2, time_limit=None, stop_after=())
    nets = networks(once, target, rows.X.shape[1])
    history = train(nets, probed, once)[0]  # side by side: the epochs of all have one length
    each = min(history.epoch_seconds, default=limit) * n / len(probed.Y)
    return max(1, min(config.epochs, int(limit * _PROBED_SHARE / each)))


def _limits(config: Config, i: int) -> list[Callback]:
    limits: list[Callback] = []
    if config.stop_after:
        limits.append(_StopAfter(config.stop_after[i]))
    if config.time_limit is not None:
        limits.append(_Deadline(config.time_limit))
    return limits


class _StopAfter(Callback):
    """Ends training at an epoch, as its time limit or Ctrl-C did in the run that is repeated."""

    only_looks = True

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_epoch_end(self, progress: Progress) -> None:
        """Stop at the epoch."""
        if progress.epoch >= self.epoch:
            progress.stop(TIME_LIMIT)


class _Deadline(Callback):
    """Ends training when its time is up."""

    only_looks = True

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_epoch_end(self, progress: Progress) -> None:
        """Stop where no time is left."""
        if progress.seconds >= self.seconds:
            progress.stop(TIME_LIMIT)
