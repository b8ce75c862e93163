"""What predicts without a network: a naive guess, a linear model, gradient boosting."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.numerics import Array

MOST_ROWS = 200_000
"""Of more, a sample of so many teaches the linear model and gradient boosting."""
NAIVE, LINEAR, BOOSTING = "naive guess", "linear model", "gradient boosting"


@dataclass(frozen=True)
class Baseline:
    """One other model's predictions of the held-out rows."""

    name: str
    what: str
    """Which it is, in a few words."""
    predicted: Array
    """Probabilities of shape (n, n_classes), or numbers of shape (n,)."""
    n_rows: int
    """How many rows it learned from."""
    seconds: float


def naive(Y: Array, n_classes: int, n: int) -> Baseline:
    """Return what is predicted without looking: the shares of the classes, or the mean.

    Parameters
    ----------
    Y : array of shape (n_train,)
        Class numbers, or numbers.
    n_classes : int
        0 for numbers.
    n : int
        How many rows are predicted.
    """
    if n_classes:
        shares = np.bincount(Y, minlength=n_classes) / len(Y)
        return Baseline(NAIVE, "the most frequent class", np.tile(shares, (n, 1)), len(Y), 0.0)
    return Baseline(NAIVE, "the mean", np.full(n, Y.mean()), len(Y), 0.0)


def learned(
    X: Array, Y: Array, X_test: Array, which: Array, n_classes: int, seed: int
) -> Iterator[Baseline]:
    """Train scikit-learn's models with their defaults, one after the other.

    Parameters
    ----------
    X : array of shape (n, n_inputs)
        Scaled numbers, one-hot categories and whatever else.
    Y : array of shape (n,)
        Class numbers, or numbers.
    X_test : array of shape (n_test, n_inputs)
        The rows to predict.
    which : array of int
        The inputs to use.
    n_classes : int
        0 for numbers.
    seed : int
        Of the sample of rows, where there are too many, and of the models.
    """
    seed %= 2**32
    if len(X) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(X), MOST_ROWS, replace=False))
        X, Y = X[rows], Y[rows]
    X, X_test = X[:, which], X_test[:, which]
    for name, what, model in _models(n_classes, seed):
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of convergence: it is what its defaults give
            model.fit(X, Y)
        predicted = _probabilities(model, X_test, n_classes) if n_classes else model.predict(X_test)
        yield Baseline(name, what, predicted, len(X), time.perf_counter() - started)


def _models(n_classes: int, seed: int) -> Iterator[tuple[str, str, Any]]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    if n_classes:
        yield LINEAR, "scikit-learn's LogisticRegression", LogisticRegression(max_iter=300)
        yield BOOSTING, "scikit-learn's HistGradientBoostingClassifier", (
            HistGradientBoostingClassifier(random_state=seed)
        )  # fmt: skip
    else:
        yield LINEAR, "scikit-learn's Ridge", Ridge()
        yield BOOSTING, "scikit-learn's HistGradientBoostingRegressor", (
            HistGradientBoostingRegressor(random_state=seed)
        )  # fmt: skip


def _probabilities(model: Any, X: Array, n_classes: int) -> Array:
    """Return the probabilities, zero for classes that a sample of rows did not have."""
    found = np.zeros((len(X), n_classes))
    found[:, model.classes_] = model.predict_proba(X)
    return found
