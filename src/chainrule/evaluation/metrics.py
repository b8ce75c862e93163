"""The scores that a table's model is judged by, and how certain they are."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.errors import InputError, require_choice
from chainrule.numerics import Array

_RESAMPLES, _MOST_ROWS = 200, 10_000
_LEVELS = (0.025, 0.975)


class Score(NamedTuple):
    """A score with the interval that holds 95% of its bootstrap replicates."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Metric:
    """One way to score predictions on rows that were not trained on."""

    name: str
    spoken: str
    """As it stands in a sentence."""
    task: str
    function: Callable[[Array, Array], float]
    """From the truth and the predictions; see `evaluate`."""
    greater_is_better: bool = True
    is_share: bool = False
    """Whether it is shown in percent."""
    in_unit: bool = False
    """Whether it is in the unit of the target."""

    def evaluate(self, truth: Array, predicted: Array) -> float:
        """Return the score; NaN where these rows do not define it.

        Parameters
        ----------
        truth : array of shape (n,)
            Class numbers, -1 for a class that training did not have; or numbers.
        predicted : array of shape (n, n_classes), or (n,)
            Probabilities; or numbers.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of undefined cases, which are NaN here
            try:
                return float(self.function(truth, predicted))
            except ValueError:
                return math.nan

    def gain(self, score: float, other: float) -> float:
        """Return by how much the first is better than the second."""
        return score - other if self.greater_is_better else other - score

    def spell_difference(self, value: float) -> str:
        """Return how far two scores are apart, as text."""
        text = self.spell(abs(value))
        return text.replace("%", " points")

    def spell(self, value: float) -> str:
        """Return the value as text.

        >>> find("accuracy", "classification").spell(0.9731), find("rmse", "regression").spell(3e5)
        ('97.3%', '300,000')
        """
        if not math.isfinite(value):
            return "not defined"
        if self.is_share:
            return f"{value:.1%}"
        if self.name == "r2":
            return f"{value:.3f}"
        return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"


def bootstrap(
    metric: Metric, truth: Array, predicted: Array, other: Array | None = None, seed: int = 0
) -> Score:
    """Return a score, or by how much it is better than that of other predictions of the same rows.

    The interval is the percentile bootstrap's over rows (Efron and Tibshirani 1993, section 13.3),
    for accuracy alone that of Wilson 1927 (J. Am. Stat. Assoc. 22, 209-212), which holds where all
    rows are right. Of more than 10,000 rows so many are drawn, and the interval is narrowed by the
    square root of their share: what is uncertain then is small.

    Parameters
    ----------
    metric : Metric
        What is evaluated.
    truth, predicted : arrays of n rows
        See `Metric.evaluate`.
    other : array of the shape of `predicted`, optional
        What to compare with; positive differences are in favour of `predicted`.
    seed : int, default 0
        Of the draws.
    """
    rng = np.random.default_rng(seed)

    def once(rows: Any) -> float:
        value = metric.evaluate(truth[rows], predicted[rows])
        return value if other is None else metric.gain(
            value, metric.evaluate(truth[rows], other[rows])
        )  # fmt: skip

    n = len(truth)
    value = once(slice(None))
    if other is None and metric.name == "accuracy":
        return _wilson(value, n)
    few = min(n, _MOST_ROWS)
    drawn = np.array([once(rng.integers(n, size=few)) for _ in range(_RESAMPLES)])
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < _RESAMPLES / 2:
        return Score(value, math.nan, math.nan)
    low, high = np.quantile(drawn, _LEVELS)
    narrowed = math.sqrt(few / n)
    middle = float(np.mean(drawn))
    return Score(
        value, value + (low - middle) * narrowed if few < n else float(low),
        value + (high - middle) * narrowed if few < n else float(high),
    )  # fmt: skip


def _wilson(share: float, n: int) -> Score:
    z = 1.959964  # of the standard normal distribution, 95% lie within it
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Score(share, max(0.0, middle - half), min(1.0, middle + half))


def find(name: str | None, task: str) -> Metric:
    """Return a metric by its name; without one, accuracy or the root mean squared error.

    Raises
    ------
    InputError
        If there is none of this name, or it is for the other task.
    """
    if name is None:
        return METRICS["accuracy" if task == "classification" else "rmse"]
    metric = METRICS[require_choice("--metric", name, METRICS)]
    if metric.task != task:
        fitting = ", ".join(m.name for m in METRICS.values() if m.task == task)
        raise InputError(
            f"--metric {name} is for {metric.task}, but this is a {task}: choose one of {fitting}"
        )
    return metric


def _chosen(probabilities: Array) -> Array:
    return probabilities.argmax(axis=1)


def _accuracy(truth: Array, probabilities: Array) -> float:
    return float(np.mean(truth == _chosen(probabilities)))


def _balanced_accuracy(truth: Array, probabilities: Array) -> float:
    from sklearn.metrics import balanced_accuracy_score

    return float(balanced_accuracy_score(truth, _chosen(probabilities)))


def _f1(truth: Array, probabilities: Array) -> float:
    from sklearn.metrics import f1_score

    labels = np.unique(truth)
    return float(
        f1_score(truth, _chosen(probabilities), labels=labels, average="macro", zero_division=0)
    )


def _log_loss(truth: Array, probabilities: Array) -> float:
    known = truth >= 0  # a class that was never seen has no probability
    given = probabilities[known, truth[known]].astype(np.float64)
    return float(-np.log(given.clip(1e-15)).mean()) if known.any() else math.nan


def _roc_auc(truth: Array, probabilities: Array) -> float:
    from sklearn.metrics import roc_auc_score

    if probabilities.shape[1] == 2:
        return float(roc_auc_score(truth == 1, probabilities[:, 1]))
    present = np.unique(truth[truth >= 0])
    if len(present) < 2:
        return math.nan
    each = [roc_auc_score(truth == c, probabilities[:, c]) for c in present]
    return float(np.mean(each))


def _rmse(truth: Array, numbers: Array) -> float:
    return float(np.sqrt(np.mean((truth - numbers) ** 2)))


def _mae(truth: Array, numbers: Array) -> float:
    return float(np.abs(truth - numbers).mean())


def _median_error(truth: Array, numbers: Array) -> float:
    return float(np.median(np.abs(truth - numbers)))


def _r2(truth: Array, numbers: Array) -> float:
    spread = np.mean((truth - truth.mean()) ** 2)
    return float(1 - np.mean((truth - numbers) ** 2) / spread) if spread > 0 else math.nan


_CLASSES, _NUMBERS = "classification", "regression"
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", _CLASSES, _accuracy, is_share=True),
        Metric("balanced_accuracy", "balanced accuracy", _CLASSES, _balanced_accuracy,
               is_share=True),
        Metric("f1", "mean F1 of the classes", _CLASSES, _f1, is_share=True),
        Metric("roc_auc", "area under the ROC curve", _CLASSES, _roc_auc, is_share=True),
        Metric("log_loss", "log loss", _CLASSES, _log_loss, greater_is_better=False),
        Metric("rmse", "root mean squared error", _NUMBERS, _rmse, greater_is_better=False,
               in_unit=True),
        Metric("mae", "mean absolute error", _NUMBERS, _mae, greater_is_better=False, in_unit=True),
        Metric("median_error", "median absolute error", _NUMBERS, _median_error,
               greater_is_better=False, in_unit=True),
        Metric("r2", "R²", _NUMBERS, _r2),
    )
}  # fmt: skip
"""By name."""
