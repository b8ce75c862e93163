"""When scikit-learn's perceptrons stop, and what they record on the way, as a callback."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from chainrule.callbacks import Callback, Progress
from chainrule.numerics import Array
from chainrule.schedules import Schedule

_SMALLEST_ADAPTIVE_RATE = 1e-6


@dataclass
class Convergence(Callback):
    """Ends training when scikit-learn does: after too many epochs without improvement.

    What must improve is the validation score with early stopping, else the training loss. With
    an adaptive learning rate, a smaller one is tried before training ends. One of these follows
    one network for its whole life: a warm start and `partial_fit` go on from what it knows.
    """

    only_looks = True

    name: str = ""
    """What the network is called in what is printed, where there are several."""
    losses: list[float] = field(default_factory=list)
    """The objective of each epoch, as `report` states it."""
    scores: list[float] = field(default_factory=list)
    """The validation score of each epoch, where there is one."""
    best_loss: float = math.inf
    best_score: float = -math.inf
    waited: int = 0
    """Epochs in a row without an improvement."""
    scale: float = 1.0
    """What an adaptive learning rate is multiplied with."""

    def begin(
        self,
        patience: float,
        tol: float,
        report: Callable[[Progress], float],
        score: Callable[[Progress], float] | None = None,
        early_stopping: bool = False,
        restore_best: bool = True,
        adaptive: bool = False,
        verbose: bool = False,
    ) -> None:
        """Set what a call to ``fit`` wants; `patience` and `tol` are scikit-learn's."""
        self.patience, self.tol, self.report, self.score = patience, tol, report, score
        self.early_stopping, self.restore_best = early_stopping, restore_best
        self.adaptive, self.verbose = adaptive, verbose
        self.best_parameters: Array | None = None
        self.asked_to_stop = False

    def __getstate__(self) -> dict[str, object]:
        # what belongs to one call has no place in a pickle
        kept = ("name", "losses", "scores", "best_loss", "best_score", "waited", "scale")
        return {name: getattr(self, name) for name in kept}

    def on_epoch_end(self, progress: Progress) -> None:
        """Record the epoch; act when there were too many without improvement."""
        loss = self.report(progress)
        self.losses.append(loss)
        self._print(f"Iteration {progress.epoch}, loss = {loss:.8f}")
        if self.score:
            self.scores.append(self.score(progress))
            self._print(f"Validation score: {self.scores[-1]:f}")
        if self.early_stopping:
            worse = self.scores[-1] < self.best_score + self.tol
        else:
            worse = loss > self.best_loss - self.tol
        self.waited = self.waited + 1 if worse else 0
        self.best_loss = min(self.best_loss, loss)
        if self.score and self.scores[-1] > self.best_score:
            self.best_score = self.scores[-1]
            if self.early_stopping and self.restore_best:
                self.best_parameters = progress.parameters.copy()
        if self.waited > self.patience:
            self._act(progress)

    def _act(self, progress: Progress) -> None:
        what = "Validation score" if self.early_stopping else "Training loss"
        message = f"{what} has not improved by tol={self.tol:g} for {self.patience} epochs: "
        if self.adaptive and progress.learning_rate > _SMALLEST_ADAPTIVE_RATE:
            self.scale, self.waited = self.scale / 5, 0
            self._print(f"{message}learning rate set to {progress.learning_rate / 5:g}")
        else:
            self._print(message + "stopping")
            progress.stop("converged")

    def on_train_end(self, progress: Progress) -> None:
        """Restore the parameters of the best validation score; let go of what it looked at."""
        if self.best_parameters is not None:
            np.copyto(progress.parameters, self.best_parameters)
        self.asked_to_stop = bool(progress.stop_reason)
        self.best_parameters = self.score = None

    def _print(self, message: str) -> None:
        if self.verbose:
            print(self.name + message, flush=True)


@dataclass
class Scaled(Schedule):
    """A schedule by a function, which, other than an object, a run does not copy."""

    changes_within_epochs = False

    scale: Callable[[int], float]
    """From the number of completed epochs to the factor."""

    def factor(self, progress: float, epochs: int) -> float:
        """Return the factor of this epoch."""
        del epochs
        return self.scale(int(progress))


def inverse_scaling(power: float, seen: int, n: int, goes_on: bool) -> Scaled:
    """Return scikit-learn's ``"invscaling"``: 1 / (t + 1)^power after t samples.

    Parameters
    ----------
    power : float
        `power_t`.
    seen : int
        Samples visited before.
    n : int
        Samples in an epoch.
    goes_on : bool
        Whether the first epoch goes on where the last call ended; else its factor is 1.
    """

    def factor(epoch: int) -> float:
        return 1.0 if epoch == 0 and not goes_on else float((seen + epoch * n + 1) ** -power)

    return Scaled(factor)


def adaptive(convergence: Convergence) -> Scaled:
    """Return scikit-learn's ``"adaptive"``: a fifth whenever training would end."""
    return Scaled(lambda epoch: convergence.scale)
