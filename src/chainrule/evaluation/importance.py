"""Which columns a model's predictions depend on, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from chainrule.evaluation.metrics import Metric
from chainrule.evaluation.model import Model
from chainrule.numerics import Array
from chainrule.tables import Column

_MOST_ROWS, _REPEATS, _MOST_COLUMNS = 5_000, 5, 100
_CURVE_ROWS, _GRID, _MOST_CATEGORIES, _MOST_CLASSES = 500, 24, 12, 4


@dataclass(frozen=True)
class Importance:
    """By how much the score falls when a column says nothing any more."""

    column: str
    fall: float
    """The mean over the repeats; below 0 where the score rose."""
    spread: float
    """The standard deviation over the repeats."""


@dataclass(frozen=True)
class Dependence:
    """The mean prediction for each value of one column, all others as they are."""

    column: str
    kind: str
    values: tuple[Any, ...]
    """Of the column: numbers, dates or text, None for what is missing."""
    curves: dict[str, tuple[float, ...]]
    """From a class, or the target, to the mean probability or number for each value."""
    counts: tuple[int, ...]
    """How many of the rows have a category; empty for numbers."""


def permutation(
    model: Model, metric: Metric, X: Array, truth: Array, seed: int
) -> tuple[list[Importance], int]:
    """Return how much the score falls with each column's values shuffled among the rows.

    Breiman 2001, Machine Learning 45, section 10; over at most 5,000 rows, five shuffles each,
    fewer where there are many columns. Of more than 100 columns, those with the largest weights
    into the network are tried.

    Parameters
    ----------
    model : Model
        The trained network.
    metric : Metric
        The score.
    X : array of shape (n, n_inputs)
        Inputs of held-out rows.
    truth : array of shape (n,)
        Their encoded targets; see `Metric.evaluate`.
    seed : int
        Of the shuffles.

    Returns
    -------
    list of Importance
        The most important first.
    int
        How many columns were left out.
    """
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(X), min(len(X), _MOST_ROWS), replace=False)
    X, truth = X[rows], truth[rows]
    places = _strongest(model, X)
    repeats = _REPEATS if len(places) <= 20 else 2 if len(places) <= 50 else 1
    score = metric.evaluate(truth, model.predict(X))
    found = []
    for name, which in places.items():
        kept, falls = X[:, which].copy(), []
        for _ in range(repeats):
            X[:, which] = kept[rng.permutation(len(X))]
            falls.append(metric.gain(score, metric.evaluate(truth, model.predict(X))))
        X[:, which] = kept
        if np.isfinite(falls).all():
            found.append(Importance(name, float(np.mean(falls)), float(np.std(falls))))
    found.sort(key=lambda importance: -importance.fall)
    return found, len(model.places) - len(places)


def _strongest(model: Model, X: Array) -> dict[str, Array]:
    """Return the places of the columns that can matter most."""
    if len(model.places) <= _MOST_COLUMNS:
        return model.places
    reach = np.linalg.norm(model.net.weights[0], axis=0) * X.std(axis=0)
    by_strength = sorted(model.places.items(), key=lambda entry: -reach[entry[1]].sum())
    return dict(by_strength[:_MOST_COLUMNS])


def partial_dependence(
    model: Model, X: Array, frame: pl.DataFrame, names: Sequence[str], seed: int
) -> list[Dependence]:
    """Return the mean prediction for values of some columns, over at most 500 rows.

    Friedman 2001, Annals of Statistics 29, section 8.2, at quantiles of a number or date, and at
    the most frequent categories. Of more than two classes, the four most frequent are shown; of
    two, the second.

    Parameters
    ----------
    model : Model
        The trained network.
    X : array of shape (n, n_inputs)
        Inputs of held-out rows.
    frame : polars.DataFrame of n rows
        The columns that they were made of.
    names : sequence of str
        The columns to vary.
    seed : int
        Of the choice of rows.
    """
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(X), min(len(X), _CURVE_ROWS), replace=False)
    X, found = X[rows], []
    columns = {column.name: column for column in model.preprocessing.columns}
    for name in names:
        values, counts = _grid(columns[name], frame[name])
        if len(values) < 2:
            continue
        inputs = model.encoded(columns[name], values)
        varied, means = X.copy(), []
        for row in inputs:
            varied[:, model.places[name]] = row
            means.append(model.predict(varied).mean(axis=0))
        found.append(
            Dependence(name, columns[name].kind, tuple(values.to_list()),
                       _curves(model, np.array(means)), counts)
        )  # fmt: skip
    return found


def _grid(column: Column, series: pl.Series) -> tuple[pl.Series, tuple[int, ...]]:
    """Return values of a column at which to predict, and how often categories come."""
    if column.kind == "category":
        counts = series.value_counts(sort=True).head(_MOST_CATEGORIES)
        return counts[:, 0], tuple(counts[:, 1].to_list())
    present = series.drop_nulls().sort()
    if not len(present):
        return present, ()
    at = np.linspace(0, len(present) - 1, _GRID).round().astype(int)
    return present[at].unique(maintain_order=True), ()


def _curves(model: Model, means: Array) -> dict[str, tuple[float, ...]]:
    target = model.preprocessing.target
    if not target.is_classification:
        return {target.name: tuple(means.tolist())}
    if len(target.classes) == 2:
        return {target.spelled[1]: tuple(means[:, 1].tolist())}
    likely = means.mean(axis=0).argsort()[::-1][:_MOST_CLASSES]
    return {target.spelled[c]: tuple(means[:, c].tolist()) for c in sorted(likely.tolist())}
