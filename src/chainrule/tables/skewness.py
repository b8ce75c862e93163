"""The target of a regression, scaled, and straightened where that helps."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.preprocessing import PowerTransformer, StandardScaler

from chainrule.numerics import Array

_SKEWED, _MOST_ROWS, _FOLDS, _GAIN = 1.0, 2000, 3, 0.02


class ScaledTarget(TransformerMixin, BaseEstimator):
    """Scales a target; what comes back lies in the range of training.

    Parameters
    ----------
    power : bool, default False
        Whether the target is straightened before (Yeo and Johnson 2000).

    Examples
    --------
    >>> scaled = ScaledTarget().fit([[0.0], [2.0]])
    >>> scaled.transform([[3.0]]).tolist(), scaled.inverse_transform([[2.0]]).tolist()
    ([[2.0]], [[2.0]])
    """

    def __init__(self, power: bool = False) -> None:
        self.power = power

    def fit(self, y: Any, _: Any = None) -> Self:
        """Find the scale of a target of shape (n, 1)."""
        self.scaler_ = (PowerTransformer() if self.power else StandardScaler()).fit(y)
        scaled = self.scaler_.transform(y)
        self.range_ = float(scaled.min()), float(scaled.max())
        return self

    def transform(self, y: Any) -> Array:
        """Return the scaled target."""
        return self.scaler_.transform(y)

    def inverse_transform(self, y: Any) -> Array:
        """Return the target for scaled numbers."""
        return self.scaler_.inverse_transform(np.clip(y, *self.range_))


def power_predicts_better(inputs: Array, y: Array, seed: int) -> bool:
    """Return whether a skewed target is predicted better if it is straightened.

    A ridge regression decides, by R^2 in the units of the target on rows it has not seen.

    Parameters
    ----------
    inputs : array of shape (n, n_inputs)
        For the network.
    y : array of shape (n,)
        The target.
    seed : int
        Of the folds.
    """
    spread = y.std()
    if len(y) < 10 * _FOLDS or spread == 0:
        return False
    if abs(np.mean(((y - y.mean()) / spread) ** 3)) < _SKEWED:
        return False
    rows = np.random.default_rng(seed).permutation(len(y))[:_MOST_ROWS]

    def score(power: bool) -> float:
        model = TransformedTargetRegressor(
            Ridge(), transformer=ScaledTarget(power), check_inverse=False
        )
        return float(cross_val_score(model, inputs[rows], y[rows], cv=KFold(_FOLDS)).mean())

    return score(power=True) > score(power=False) + _GAIN
