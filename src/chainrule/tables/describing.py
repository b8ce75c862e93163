"""A fitted preprocessing as plain data, for a model's file."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from chainrule.numerics import Array
from chainrule.tables.columns import Column
from chainrule.tables.encoding import BEND_WEIGHT


def describe_columns(pipeline: Pipeline) -> tuple[Column, ...]:
    """Return what each column became, so that `Column.encode` gives what the pipeline does.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, with the steps ``columns`` and ``encode``: that of a `TableClassifier` or
        `TableRegressor`.
    """
    kinds = pipeline["columns"].kinds_
    found: dict[str, dict[str, Any]] = {}
    for part, transformer, names in pipeline["encode"].transformers_:
        if part != "remainder":
            found |= _PARTS[part](transformer, names, found)
    return tuple(Column(name, kinds[name], **found[name]) for name in kinds)


def _scaled(transformer: Pipeline, names: list[str], _: Any) -> dict[str, dict[str, Any]]:
    imputer, scaler = (step for _, step in transformer.steps)
    found: dict[str, dict[str, Any]] = {}
    with_indicator = imputer.indicator_.features_.tolist()
    for i, name in enumerate(names):
        which = [i]
        if i in with_indicator:
            which.append(len(names) + with_indicator.index(i))
        found[name] = {
            "median": float(imputer.statistics_[i]),
            "centers": _numbers(scaler.center_[which]),
            "scales": _numbers(scaler.scale_[which]),
            "indicator": len(which) == 2,
        }
    return found


def _bends(transformer: Pipeline, names: list[str], found: Any) -> dict[str, dict[str, Any]]:
    knots = transformer[-1].knots_
    return {
        name: {**found[name], "knots": _numbers(knots[i]), "bend_weight": BEND_WEIGHT}
        for i, name in enumerate(names)
    }


def _cycles(transformer: Pipeline, names: list[str], found: Any) -> dict[str, dict[str, Any]]:
    cycles = transformer[-1].cycles_
    return {name: {**found[name], "cycles": cycles[i]} for i, name in enumerate(names)}


def _one_hot(transformer: Any, names: list[str], _: Any) -> dict[str, dict[str, Any]]:
    categories = transformer.categories_
    return {name: {"categories": tuple(categories[i])} for i, name in enumerate(names)}


def _by_target(transformer: Pipeline, names: list[str], _: Any) -> dict[str, dict[str, Any]]:
    encoder, scaler = (step for _, step in transformer.steps)
    n = len(encoder.encodings_) // len(names)
    unknown = encoder.target_mean_ if n > 1 else [encoder.target_mean_]
    found = {}
    for i, name in enumerate(names):
        own = slice(i * n, (i + 1) * n)
        found[name] = {
            "categories": tuple(encoder.categories_[i]),
            "statistics": tuple(_numbers(one) for one in encoder.encodings_[own]),
            "unknown": _numbers(unknown),
            "centers": _numbers(scaler.center_[own]),
            "scales": _numbers(scaler.scale_[own]),
        }
    return found


def _numbers(values: Array | list[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


_PARTS = {
    "scaled": _scaled,
    "bends": _bends,
    "cycles": _cycles,
    "one_hot": _one_hot,
    "by_target": _by_target,
}
