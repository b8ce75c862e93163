"""What a callback is, what it is told, and two of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, ClassVar

from chainrule.architecture import Architecture
from chainrule.errors import InputError
from chainrule.numerics import Array


@dataclass
class Progress:
    """Where training is: what every callback is handed."""

    architecture: Architecture
    parameters: Array
    """The current parameters, flat; a view, not a copy."""
    epochs: int
    """The number of epochs asked for."""
    epoch: int = 0
    """The number of epochs completed."""
    loss: float = math.nan
    penalty: float = 0.0
    """What l1 and l2 added to the loss."""
    val_loss: float | None = None
    learning_rate: float = math.nan
    seconds: float = 0.0
    """Wall time so far."""
    stop_reason: str = field(default="", repr=False)
    """Why training is to end, if a callback said so."""
    ended: str = ""
    """Why training has ended, once it has, as in `History.stop_reason`; empty after an error."""

    @property
    def monitored(self) -> float:
        """The validation loss where there is one, else the training loss."""
        return self.loss if self.val_loss is None else self.val_loss

    @property
    def weights(self) -> list[Array]:
        """The current weights of each layer; views."""
        return self.architecture.views(self.parameters)[0]

    @property
    def biases(self) -> list[Array | None]:
        """The current biases of each layer; views."""
        return self.architecture.views(self.parameters)[1]

    def stop(self, reason: str = "callback") -> None:
        """End training after this epoch."""
        self.stop_reason = reason


class Callback:
    """Base class: override what you want to be told of.

    Examples
    --------
    >>> class GoodEnough(Callback):
    ...     def on_epoch_end(self, progress):
    ...         if progress.loss < 0.01:
    ...             progress.stop("good enough")
    """

    only_looks: ClassVar[bool] = False
    """Whether it never changes the parameters, so that the engine need not read them again."""

    def on_train_begin(self, progress: Progress) -> None:
        """Be told that training starts."""

    def on_epoch_end(self, progress: Progress) -> None:
        """Be told that an epoch is complete."""

    def on_train_end(self, progress: Progress) -> None:
        """Be told that training has ended, for whatever reason."""


class _Function(Callback):
    def __init__(self, function: Callable[[Progress], Any]) -> None:
        self.function = function

    def on_epoch_end(self, progress: Progress) -> None:
        self.function(progress)


@dataclass
class EarlyStopping(Callback):
    """Stop when the monitored loss has not fallen for a number of epochs.

    The monitored loss is that of the validation data where there is any, else the training
    loss (Prechelt 1998, "Early stopping - but when?").

    Parameters
    ----------
    patience : int, default 10
        Training ends after this many epochs in a row without improvement.
    min_delta : float, default 0.0
        What counts as an improvement: a fall by more than this.
    restore_best : bool, default True
        Whether the weights of the best epoch are restored at the end.
    """

    only_looks = True

    patience: int = 10
    min_delta: float = 0.0
    restore_best: bool = True

    def __post_init__(self) -> None:
        """Start without a best loss."""
        whole = isinstance(self.patience, Integral) and not isinstance(self.patience, bool)
        if not (whole and self.patience >= 1):
            raise InputError(
                f"patience must be a whole number of epochs of at least 1, not {self.patience!r}"
            )
        if not (isinstance(self.min_delta, Real) and self.min_delta >= 0):
            raise InputError(f"min_delta must be at least 0, not {self.min_delta!r}")
        self.best: float = math.inf
        self.waited: int = 0

    def on_train_begin(self, progress: Progress) -> None:
        """Forget an earlier run."""
        if progress.epoch == 0:
            self.best, self.waited = math.inf, 0

    def on_epoch_end(self, progress: Progress) -> None:
        """Count the epochs without improvement."""
        if progress.monitored < self.best - self.min_delta:
            self.best, self.waited = progress.monitored, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            progress.stop("early stopping")

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must keep."""
        return {"best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state of a checkpoint."""
        self.best, self.waited = float(state["best"]), int(state["waited"])


class PrintProgress(Callback):
    """Print plain lines: the first and last epoch, and about twenty in between.

    Parameters
    ----------
    every : int, optional
        Print every this many epochs instead.
    """

    only_looks = True

    def __init__(self, every: int | None = None) -> None:
        self.every = every

    def on_epoch_end(self, progress: Progress) -> None:
        """Print a line when it is time for one."""
        every = self.every or max(1, progress.epochs // 20)
        last = progress.stop_reason or progress.epoch == progress.epochs
        if progress.epoch == 1 or progress.epoch % every == 0 or last:
            validation = "" if progress.val_loss is None else f"  val_loss {progress.val_loss:.5g}"
            print(
                f"epoch {progress.epoch}/{progress.epochs}  loss {progress.loss:.5g}{validation}"
                f"  {progress.seconds:.1f} s",
                flush=True,
            )


def get(callbacks: Any) -> list[Callback]:
    """Return a list of callbacks; a function is called with the `Progress` of each epoch.

    Raises
    ------
    InputError
        If something in it is neither.
    """
    if callbacks is None:
        return []
    if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
        callbacks = [callbacks]
    found: list[Callback] = []
    for callback in callbacks:
        if isinstance(callback, Callback):
            found.append(callback)
        elif callable(callback) and not isinstance(callback, type):
            found.append(_Function(callback))
        else:
            raise InputError(
                "callbacks must be instances of chainrule.Callback or functions that take the "
                f"progress, but got {callback!r}"
            )
    return found


def early_stopping(value: Any) -> EarlyStopping | None:
    """Return what ``early_stopping=`` stands for: None, True, a patience, or itself.

    Raises
    ------
    InputError
        If it is none of these.

    Examples
    --------
    >>> early_stopping(5)
    EarlyStopping(patience=5, min_delta=0.0, restore_best=True)
    """
    if value is None or value is False:
        return None
    if value is True:
        return EarlyStopping()
    if isinstance(value, Integral):
        return EarlyStopping(patience=int(value))
    if isinstance(value, EarlyStopping):
        return value
    raise InputError(
        "early_stopping must be None, True, a number of epochs or a chainrule.EarlyStopping, "
        f"but got {value!r}"
    )
