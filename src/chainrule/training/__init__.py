"""Training: from settings to trained parameters and a history."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule import engines
from chainrule.architecture import Architecture
from chainrule.callbacks import Callback, EarlyStopping
from chainrule.engines import Data, Engine
from chainrule.errors import DivergenceError, InputError
from chainrule.history import History
from chainrule.numerics import Array
from chainrule.optimizers import FullBatch
from chainrule.training import lbfgs, levenberg, loop
from chainrule.training.loop import OptimizerState
from chainrule.training.monitor import Monitor, warn
from chainrule.training.settings import Settings, check, whole_number

__all__ = [
    "OptimizerState",
    "Settings",
    "Task",
    "check",
    "choose_engine",
    "fit",
    "fit_many",
    "warn",
    "whole_number",
]


@dataclass(frozen=True)
class Task:
    """One network to train, everything checked; see `Network.fit`."""

    architecture: Architecture
    parameters: Array
    """Trained in place."""
    data: Data
    settings: Settings
    validation: Data | None
    early_stopping: EarlyStopping | None
    callbacks: Sequence[Callback]
    engine: str
    checkpoint: str | os.PathLike[str] | None
    resume: bool
    start: OptimizerState | None = None
    """What the optimizer goes on from; replaced by its state at the end."""


def fit(task: Task) -> History:
    """Train a network and return its history; see `Network.fit`."""
    monitor = _monitor(task)
    with engines.limited(task.settings.n_threads):
        _train(monitor, task, _run(monitor, task))
    return monitor.history


def fit_many(
    tasks: Sequence[Task], n_threads: int | None
) -> tuple[list[History], dict[int, DivergenceError]]:
    """Train several networks; see `chainrule.train_many`.

    Those of the native engine are trained side by side. Others, and the methods that see all
    data at once, take turns.

    Returns
    -------
    histories : list of History
        One for each.
    errors : dict
        Of those that diverged, by their places in `tasks`.
    """
    monitors = [_monitor(task) for task in tasks]

    diverged: dict[int, DivergenceError] = {}

    with engines.limited(n_threads):
        runs = [_run(monitor, task) for monitor, task in zip(monitors, tasks, strict=True)]
        together = {
            i: run for i, run in enumerate(runs) if run and monitors[i].engine is engines.NATIVE
        }
        errors = loop.train_together(list(together.values()))
        for i, error in zip(together, errors, strict=True):
            if error:
                diverged[i] = error
        for i in sorted(set(range(len(tasks))) - set(together)):
            if any(monitor.interrupted for monitor in monitors):
                monitors[i].history.stop_reason = "interrupted"
                continue
            try:
                _train(monitors[i], tasks[i], runs[i])
            except DivergenceError as error:
                diverged[i] = error
    return [monitor.history for monitor in monitors], dict(sorted(diverged.items()))


def _run(monitor: Monitor, task: Task) -> loop.Run | None:
    """Return the run through the epochs; None for a method that sees all data at once."""
    if isinstance(task.settings.optimizer, FullBatch):
        return None
    return loop.Run(monitor, task.data, task.settings, task.checkpoint, task.resume, task.start)


def _train(monitor: Monitor, task: Task, run: loop.Run | None) -> None:
    if run:
        loop.train(run)
    else:
        method = {"lbfgs": lbfgs.train, "lm": levenberg.train}[task.settings.optimizer.name]
        method(monitor, task.data, task.settings)


def choose_engine(task: Task) -> tuple[Engine[Any], str]:
    """Return the engine for a task, and why it is not the native one.

    Raises
    ------
    InputError
        If the engine or the method is not for this network or these settings.
    """
    settings = task.settings
    watched = task.validation
    data = task.data if watched is None or watched.dY is None else watched
    chosen, reason = engines.choose(task.engine, task.architecture, settings.optimizer, data)
    if isinstance(settings.optimizer, FullBatch):
        lbfgs.refuse_unused(settings, task.checkpoint, task.start)
        if settings.optimizer.name == "lm":
            levenberg.refuse_unsuited(task.architecture, settings)
    elif task.start is not None and task.checkpoint is not None:
        raise InputError(
            "a checkpoint has the state of the optimizer, which start has as well: pass one of them"
        )
    return chosen, reason


def _monitor(task: Task) -> Monitor:
    """Return the monitor of a new run, on the engine that was chosen for it."""
    settings = task.settings
    chosen, reason = choose_engine(task)
    if task.engine == "auto" and chosen is not engines.NATIVE:
        _warn_once(f"training on the NumPy engine, which is slower, because {reason}")
    history = History(
        engine=chosen.name,
        engine_reason=reason,
        optimizer=settings.optimizer.name,
        batch_size=settings.batch_size,
        seed=settings.seed,
        base_learning_rate=settings.learning_rate,
        l2=settings.regularization.l2,
        l1=settings.regularization.l1,
        dropout=settings.regularization.dropout,
    )
    return Monitor(
        task.architecture, task.parameters, history, chosen, task.validation,
        task.early_stopping, task.callbacks, settings.epochs,
    )  # fmt: skip


@functools.cache
def _warn_once(message: str) -> None:
    warn(message)
