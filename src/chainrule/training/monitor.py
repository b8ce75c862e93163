"""What happens between two epochs: recording, keeping the best weights, telling, stopping."""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from chainrule.architecture import Architecture
from chainrule.callbacks import Callback, EarlyStopping, Progress
from chainrule.engines import Data, Engine, EpochLoss
from chainrule.errors import DivergenceError
from chainrule.history import History
from chainrule.numerics import Array

_NOT_THE_USERS = ("chainrule", "sklearn")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, pointing at the line outside of this package that led here.

    The decorators of scikit-learn around the estimators' methods are no such line.
    """
    frame: FrameType | None = sys._getframe()
    level = 1
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_USERS:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


class Monitor:
    """Follows one run; a context in which Ctrl-C ends training and keeps the best weights.

    Parameters
    ----------
    architecture, parameters
        The network in training; `parameters` is changed when better ones are restored.
    history : History
        Recorded into.
    engine : Engine
        Computes the validation loss.
    validation : Data or None
        Not trained on.
    early_stopping : EarlyStopping or None
        Also a callback.
    callbacks : sequence of Callback
        Told in this order.
    epochs : int
        The number of epochs asked for.
    """

    def __init__(
        self,
        architecture: Architecture,
        parameters: Array,
        history: History,
        engine: Engine[Any],
        validation: Data | None,
        early_stopping: EarlyStopping | None,
        callbacks: Sequence[Callback],
        epochs: int,
    ) -> None:
        self.architecture, self.parameters, self.history = architecture, parameters, history
        self.engine, self.validation, self.early_stopping = engine, validation, early_stopping
        self.interrupted = False
        """Whether Ctrl-C ended it."""
        self.advice = "inputs and targets scaled to about 1"
        """What to try against divergence; a method with a learning rate says more."""
        self.callbacks = [*([early_stopping] if early_stopping else []), *callbacks]
        self.best = parameters.copy()
        """The parameters of the best epoch; until one is complete, those from before training."""
        self.progress = Progress(
            architecture, parameters, epochs, epoch=history.epochs, seconds=history.seconds
        )

    def __enter__(self) -> Monitor:
        self.begin()
        return self

    def begin(self) -> None:
        """Note the time, and tell the callbacks."""
        self.started = time.perf_counter()
        for callback in self.callbacks:
            callback.on_train_begin(self.progress)

    def epoch_done(self, losses: EpochLoss, learning_rate: float) -> bool:
        """Record an epoch; return whether training must end.

        Raises
        ------
        DivergenceError
            If a loss or a parameter is not finite; the best parameters are restored.
        """
        history, progress = self.history, self.progress
        loss, penalty = losses
        self.require_finite("loss", loss)
        if not np.isfinite(self.parameters).all():
            self.require_finite("weights", math.nan)
        if self.validation is not None:
            progress.val_loss = self.engine.loss(
                self.architecture, self.parameters, self.validation
            )
            self.require_finite("validation loss", progress.val_loss)
            history.val_loss.append(progress.val_loss)
        now = time.perf_counter()
        history.loss.append(loss)
        history.penalty.append(penalty)
        history.learning_rate.append(learning_rate)
        history.epoch_seconds.append(now - self.started)
        progress.seconds += now - self.started
        self.started = now
        monitored = history.monitored
        if not history.best_epoch or monitored[-1] < monitored[history.best_epoch - 1]:
            np.copyto(self.best, self.parameters)  # first: Ctrl-C may come after any line
            history.best_epoch = history.epochs
        progress.epoch, progress.loss, progress.penalty = history.epochs, loss, penalty
        progress.learning_rate = learning_rate
        for callback in self.callbacks:
            callback.on_epoch_end(progress)
        return bool(progress.stop_reason)

    def require_finite(self, what: str, value: float) -> None:
        """Restore the best parameters and raise DivergenceError if a loss is not finite."""
        if math.isfinite(value):
            return
        history = self.history
        np.copyto(self.parameters, self.best)
        kept = (
            f"those of epoch {history.best_epoch} ({history.monitored[history.best_epoch - 1]:.4g})"
            if history.best_epoch
            else "those from before training"
        )
        error = DivergenceError(
            f"training diverged in epoch {history.epochs + 1} of {self.progress.epochs}: the "
            f"{what} became {value}; the network has its best weights, {kept}. Try {self.advice}"
        )
        history.stop_reason = "diverged"
        error.history = history
        history.stop_reason = "diverged"
        raise error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        if interrupted:
            self._warn_of_interrupt()
        self.end(interrupted, failed=kind is not None)
        return interrupted

    def _warn_of_interrupt(self) -> None:
        history = self.history
        kept = "best weights so far" if history.best_epoch else "weights of its last step"
        warn(
            f"training was interrupted after {history.epochs} of {self.progress.epochs} "
            f"epochs; the network has the {kept}"
        )

    def end(self, interrupted: bool, failed: bool = False) -> None:
        """Note why training ended, restore the best parameters, and tell the callbacks."""
        history = self.history
        self.interrupted = interrupted
        if interrupted:
            history.stop_reason = "interrupted"
        elif not failed:
            history.stop_reason = self.progress.stop_reason or history.stop_reason or "epochs"
        restore = interrupted or any(
            isinstance(callback, EarlyStopping) and callback.restore_best
            for callback in self.callbacks
        )
        if history.best_epoch and restore:
            np.copyto(self.parameters, self.best)
        self.progress.ended = history.stop_reason
        for callback in self.callbacks:
            callback.on_train_end(self.progress)
