"""Training: from settings to trained parameters and a history."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule import engines
from chainrule.architecture import Architecture
from chainrule.callbacks import Callback, EarlyStopping
from chainrule.engines import Data
from chainrule.history import History
from chainrule.numerics import Array
from chainrule.training import lbfgs, levenberg, loop
from chainrule.training.monitor import Monitor
from chainrule.training.settings import Settings, check, whole_number

__all__ = ["Settings", "Task", "check", "fit", "fit_many", "whole_number"]


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


def fit(task: Task) -> History:
    """Train a network and return its history; see `Network.fit`."""
    monitor, settings = _monitor(task), task.settings
    with engines.limited(settings.n_threads):
        if isinstance(settings.optimizer, str):
            lbfgs.refuse_unused(settings, task.checkpoint)
            method = {"lbfgs": lbfgs.train, "lm": levenberg.train}[settings.optimizer]
            method(monitor, task.data, settings)
        else:
            loop.train(_run(monitor, task))
    return monitor.history


def fit_many(tasks: Sequence[Task], n_threads: int | None) -> list[History]:
    """Train several networks and return their histories; see `chainrule.train_many`.

    Those of the native engine are trained side by side. Others, and the methods that see all
    data at once, take turns.
    """
    monitors = [_monitor(task) for task in tasks]
    together = [
        i
        for i, task in enumerate(tasks)
        if monitors[i].engine is engines.NATIVE and not isinstance(task.settings.optimizer, str)
    ]
    with engines.limited(n_threads):
        runs = [_run(monitors[i], tasks[i]) for i in together]
        for i, error in zip(together, loop.train_together(runs), strict=True):
            if error:
                warnings.warn(f"network {i} of {len(tasks)}: {error}", stacklevel=3)
        alone = sorted(set(range(len(tasks))) - set(together))
        histories = {i: monitors[i].history for i in together} | {i: fit(tasks[i]) for i in alone}
    return [histories[i] for i in range(len(tasks))]


def _run(monitor: Monitor, task: Task) -> loop.Run:
    return loop.Run(monitor, task.data, task.settings, task.checkpoint, task.resume)


def _monitor(task: Task) -> Monitor:
    """Return the monitor of a new run, on the engine that was chosen for it."""
    settings = task.settings
    chosen, reason = engines.choose(task.engine, task.architecture, settings.optimizer)
    if task.engine == "auto" and chosen is not engines.NATIVE:
        _warn_once(f"training on the NumPy engine, which is slower, because {reason}")
    history = History(
        engine=chosen.name,
        engine_reason=reason,
        optimizer=settings.optimizer_name,
        batch_size=settings.batch_size,
        seed=settings.seed,
    )
    return Monitor(
        task.architecture, task.parameters, history, chosen, task.validation,
        task.early_stopping, task.callbacks, settings.epochs,
    )  # fmt: skip


@functools.cache
def _warn_once(message: str) -> None:
    warnings.warn(message, stacklevel=5)  # the caller of Network.fit
