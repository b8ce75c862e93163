"""Training: from settings to trained parameters and a history."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any

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
    chosen, reason = engines.choose(engine)
    history = History(
        engine=chosen.name,
        engine_reason=reason,
        optimizer=settings.optimizer_name,
        batch_size=settings.batch_size,
        seed=settings.seed,
    )
    monitor = Monitor(
        architecture, parameters, history, chosen, validation, early_stopping, callbacks,
        settings.epochs,
    )  # fmt: skip
    with _threads(settings.n_threads):
        if isinstance(settings.optimizer, str):
            lbfgs.refuse_unused(settings, checkpoint)
            method = {"lbfgs": lbfgs.train, "lm": levenberg.train}[settings.optimizer]
            method(monitor, data, settings)
        else:
            loop.train(monitor, data, settings, checkpoint, resume)
    return history


def _threads(n_threads: int | None) -> contextlib.AbstractContextManager[Any]:
    """Limit the threads of NumPy's matrix products."""
    if n_threads is None:
        return contextlib.nullcontext()
    from threadpoolctl import threadpool_limits

    limits: contextlib.AbstractContextManager[Any] = threadpool_limits(n_threads)
    return limits
