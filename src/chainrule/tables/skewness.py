"""The target of a regression, scaled, and straightened where that helps."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score

from chainrule.numerics import Array

_SKEWED, _MOST_ROWS, _FOLDS, _GAIN = 1.0, 2000, 3, 0.02


class ScaledTarget(TransformerMixin, BaseEstimator):
    """Scales a target; what comes back lies in the range of training.

    Parameters
    ----------
    straightened : bool, default False
        Whether z = asinh((y - q) / (median - q)) takes the place of y before it is scaled, with q
        the 5% quantile, or the 95% one where the long tail is below: linear where most targets
        are, a logarithm in the tail. A power of y (Yeo and Johnson 2000) would depend on where y
        lies, and can have an asymptote, near which a small error of z is a huge one of y.

    Examples
    --------
    >>> scaled = ScaledTarget().fit([[0.0], [2.0]])
    >>> scaled.transform([[3.0]]).tolist(), scaled.inverse_transform([[2.0]]).tolist()
    ([[2.0]], [[2.0]])
    """

    def __init__(self, straightened: bool = False) -> None:
        self.straightened = straightened

    def fit(self, y: Any, _: Any = None) -> Self:
        """Find the scale of a target of shape (n, 1)."""
        y = np.asarray(y, np.float64)
        self.range_ = float(y.min()), float(y.max())
        low, median, high = np.quantile(y, [0.05, 0.5, 0.95]).tolist()
        self.centre_ = low if high - median >= median - low else high
        self.spread_ = abs(median - self.centre_) or float(np.ptp(y)) / 2 or 1.0
        z = self._straight(y)
        self.mean_, self.scale_ = float(z.mean()), float(z.std()) or 1.0
        return self

    def _straight(self, y: Array) -> Array:
        z = (y - self.centre_) / self.spread_
        return np.arcsinh(z) if self.straightened else z

    def transform(self, y: Any) -> Array:
        """Return the scaled target."""
        return (self._straight(np.asarray(y, np.float64)) - self.mean_) / self.scale_

    def inverse_transform(self, y: Any) -> Array:
        """Return the target for scaled numbers, in float64."""
        z = np.asarray(y, np.float64)
        z = z.clip(*self.transform(self.range_)) * self.scale_ + self.mean_
        y = (np.sinh(z) if self.straightened else z) * self.spread_ + self.centre_
        return y.clip(*self.range_)


def straight_predicts_better(inputs: Array, y: Array, seed: int) -> bool:
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

    def score(straightened: bool) -> float:
        model = TransformedTargetRegressor(
            Ridge(), transformer=ScaledTarget(straightened), check_inverse=False
        )
        return float(cross_val_score(model, inputs[rows], y[rows], cv=KFold(_FOLDS)).mean())

    return score(straightened=True) > score(straightened=False) + _GAIN
