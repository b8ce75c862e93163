"""Training: from settings to trained parameters and a history."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Sequence

from chainrule import engines
from chainrule.architecture import Architecture
from chainrule.callbacks import Callback, EarlyStopping
from chainrule.engines import Data
from chainrule.history import History
from chainrule.numerics import Array
from chainrule.training import lbfgs, levenberg, loop
from chainrule.training.monitor import Monitor
from chainrule.training.settings import Settings, check, whole_number

__all__ = ["Settings", "check", "fit", "whole_number"]


def fit(
    architecture: Architecture,
    parameters: Array,
    data: Data,
    settings: Settings,
    *,
    validation: Data | None,
    early_stopping: EarlyStopping | None,
    callbacks: Sequence[Callback],
    engine: str,
    checkpoint: str | os.PathLike[str] | None,
    resume: bool,
) -> History:
    """Train `parameters` in place and return the history; see `Network.fit`."""
    monitor = _monitor(
        architecture, parameters, settings, engine, validation, early_stopping, callbacks
    )
    with engines.limited(settings.n_threads):
        if isinstance(settings.optimizer, str):
            lbfgs.refuse_unused(settings, checkpoint)
            method = {"lbfgs": lbfgs.train, "lm": levenberg.train}[settings.optimizer]
            method(monitor, data, settings)
        else:
            loop.train(loop.Run(monitor, data, settings, checkpoint, resume))
    return monitor.history


def _monitor(
    architecture: Architecture,
    parameters: Array,
    settings: Settings,
    engine: str,
    validation: Data | None,
    early_stopping: EarlyStopping | None,
    callbacks: Sequence[Callback],
) -> Monitor:
    """Return the monitor of a new run, on the engine that was chosen for it."""
    chosen, reason = engines.choose(engine, architecture, settings.optimizer)
    if engine == "auto" and chosen.name != "native":
        _warn_once(f"training on the NumPy engine, which is slower, because {reason}")
    history = History(
        engine=chosen.name,
        engine_reason=reason,
        optimizer=settings.optimizer_name,
        batch_size=settings.batch_size,
        seed=settings.seed,
    )
    return Monitor(
        architecture, parameters, history, chosen, validation, early_stopping, callbacks,
        settings.epochs,
    )  # fmt: skip


@functools.cache
def _warn_once(message: str) -> None:
    warnings.warn(message, stacklevel=5)  # the caller of Network.fit
