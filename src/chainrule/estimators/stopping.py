"""When scikit-learn's perceptrons stop, as a callback and a schedule of ours."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.callbacks import Callback, Progress
from chainrule.numerics import Array
from chainrule.schedules import Schedule

_SMALLEST_ADAPTIVE_RATE = 1e-6


class Convergence(Callback):
    """Ends training when scikit-learn does: after too many epochs without improvement.

    What must improve is the validation score where there is one, else the training loss. With
    an adaptive learning rate, a smaller one is tried before training ends.
    """

    def __init__(
        self, patience: float, tol: float, adaptive: bool, score: Callable[[], float] | None
    ) -> None:
        self.patience, self.tol, self.adaptive, self.score = patience, tol, adaptive, score
        self.best, self.waited = -math.inf, 0
        self.scale = 1.0
        """What the learning rate is multiplied with."""
        self.scores: list[float] = []
        self.best_parameters: Array | None = None

    def on_epoch_end(self, progress: Progress) -> None:
        """Count the epochs without improvement; act when there were too many."""
        value = -progress.loss
        if self.score is not None:
            value = self.score()
            self.scores.append(value)
        self.waited = self.waited + 1 if value < self.best + self.tol else 0
        if value > self.best:
            self.best = value
            self.best_parameters = progress.parameters.copy() if self.score else None
        if self.waited <= self.patience:
            return
        if self.adaptive and progress.learning_rate > _SMALLEST_ADAPTIVE_RATE:
            self.scale, self.waited = self.scale / 5, 0
        else:
            progress.stop("converged")

    def on_train_end(self, progress: Progress) -> None:
        """Restore the parameters of the best validation score."""
        if self.best_parameters is not None:
            np.copyto(progress.parameters, self.best_parameters)


@dataclass
class Scaled(Schedule):
    """A schedule by a function, which, other than an object, a run does not copy."""

    scale: Callable[[int], float]
    """From the number of completed epochs to the factor."""

    def factor(self, progress: float, epochs: int) -> float:
        """Return the factor of this epoch."""
        return self.scale(int(progress))
