"""How good a saved model is on the rows of a table, beside a guess that looks at nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from chainrule.errors import InputError, closest
from chainrule.evaluation.metrics import METRICS, Metric
from chainrule.numerics import Array
from chainrule.tables import Table, Target
from chainrule.tables.predicting import PREDICTION, Predictor

_MOST_SHOWN_CLASSES = 10


@dataclass(frozen=True)
class Scores:
    """The scores of a model and of a naive guess on the same rows."""

    target: str
    task: str
    n_rows: int
    n_without_target: int
    model: dict[str, float]
    """By the names of the metrics; NaN where these rows do not define one."""
    naive: dict[str, float]
    """Of the shares of the classes in these rows, or of their mean."""
    classes: tuple[str, ...] = ()
    confusion: Array | None = None
    """Rows are the true classes, columns the predicted ones; the last row is of unknown classes."""

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain lists, strings and numbers; None is not defined."""
        found: dict[str, Any] = {
            "target": self.target, "task": self.task, "rows": self.n_rows,
            "rows_without_target": self.n_without_target,
            "scores": _finite(self.model), "naive_scores": _finite(self.naive),
        }  # fmt: skip
        if self.confusion is not None:
            found["classes"] = list(self.classes)
            found["confusion"] = self.confusion[: len(self.classes)].tolist()
            found["unknown_classes"] = int(self.confusion[-1].sum())
        return found

    def __str__(self) -> str:
        """Return a table of the scores, then who was taken for whom."""
        lines = [f"{'':<26}{'model':>12}{'naive guess':>14}"]
        for name, value in self.model.items():
            metric = METRICS[name]
            naive = metric.spell(self.naive[name])
            lines.append(f"{metric.spoken:<26}{metric.spell(value):>12}{naive:>14}")
        if self.confusion is not None:
            lines += ["", *self._confusion_lines()]
        return "\n".join(lines)

    def _confusion_lines(self) -> list[str]:
        assert self.confusion is not None
        n = len(self.classes)
        unknown = int(self.confusion[-1].sum())
        if n > _MOST_SHOWN_CLASSES:
            counts = self.confusion[:n].copy()
            np.fill_diagonal(counts, 0)
            worst = np.argsort(-counts, axis=None, kind="stable")[:_MOST_SHOWN_CLASSES]
            pairs = [divmod(int(place), n) for place in worst if counts.flat[place]]
            lines = ["most frequent mistakes"] + [
                f"  {self.classes[i]} taken for {self.classes[j]}: {counts[i, j]:,}"
                for i, j in pairs
            ]
        else:
            width = max(map(len, (*self.classes, f"{self.n_rows:,}"))) + 2
            head = "".join(f"{name:>{width}}" for name in self.classes)
            lines = [f"{'true, by rows':<{width + 4}}{head}   predicted, by columns"]
            for name, row in zip(self.classes, self.confusion, strict=False):
                lines.append(f"{name:<{width + 4}}" + "".join(f"{k:>{width},}" for k in row))
        if unknown:
            lines.append(f"{unknown:,} rows are of classes that training did not have")
        return lines


def evaluate(
    predictor: Predictor, table: Table, target: str | None, tell: Callable[[str], None]
) -> Scores:
    """Score a model on the rows of a table that have a target.

    Parameters
    ----------
    predictor : Predictor
        The model.
    table : Table
        With the columns of training, and the target.
    target : str or None
        The column that holds the truth; None for that of the training.
    tell : callable
        Is given sentences that the user should know.

    Raises
    ------
    InputError
        If the target is not there, not known, or missing in every row; or as `Predictor.frames`.
    FileFormatError
        As `Predictor.frames`.
    """
    known = None if predictor.preprocessing is None else predictor.preprocessing.target
    name = target or (known.name if known else None)
    if name is None:
        raise InputError(
            "this network was saved without a table, so that its target is not known: name the "
            "column with --target"
        )
    if name not in table.names:
        raise InputError(
            f"the table has no column {name!r} to compare with{closest(name, table.names)}: "
            "evaluating needs the truth; name its column with --target"
        )
    predicted = _predicted(predictor, table, tell, [name] if known is None else [])
    truth = table.read([name], wishes=_wishes(predictor, name))[0][name]
    there = truth.is_not_null()
    n_missing = truth.null_count()
    if n_missing == len(truth):
        raise InputError(f"the target {name!r} is missing in every row: fill it, or name another")
    target_of = known or _plain_target(name, predicted)
    encoded = _encoded(target_of, truth.filter(there))
    predicted = predicted[there.to_numpy()]
    classes = tuple(map(str, target_of.classes))
    metrics = [metric for metric in METRICS.values() if metric.task == target_of.task]
    guess = _guess(encoded, len(classes))
    return Scores(
        name, target_of.task, len(encoded), n_missing,
        _all(metrics, encoded, predicted), _all(metrics, encoded, guess), classes,
        _confusion(encoded, predicted) if classes else None,
    )  # fmt: skip


def _all(metrics: list[Metric], truth: Array, predicted: Array) -> dict[str, float]:
    return {metric.name: metric.evaluate(truth, predicted) for metric in metrics}


def _predicted(
    predictor: Predictor, table: Table, tell: Callable[[str], None], unused: list[str]
) -> Array:
    """Return probabilities of shape (n, n_classes), or numbers of shape (n,)."""
    parts = []
    for frame in predictor.frames(table, tell=tell, unused=unused):
        columns = [name for name in frame.columns if name.startswith("probability_")]
        if not columns and PREDICTION not in frame.columns:
            raise InputError(
                f"the network has {frame.width} outputs, but one column can be compared with one"
            )
        parts.append(frame.select(columns or [PREDICTION]).to_numpy())
    found = np.concatenate(parts)
    return found if found.shape[1] > 1 else found[:, 0]


def _wishes(predictor: Predictor, name: str) -> Any:
    from chainrule.tables import Wishes

    wishes = Wishes() if predictor.preprocessing is None else predictor.preprocessing.wishes
    return wishes.among([name])


def _plain_target(name: str, predicted: Array) -> Target:
    if predicted.ndim == 1:
        return Target(name, "regression", "")
    return Target(name, "classification", "", tuple(range(predicted.shape[1])))


def _encoded(target: Target, truth: pl.Series) -> Array:
    if target.is_classification:
        return target.encode(truth)
    from chainrule.tables.columns import as_numbers

    return as_numbers(truth, "number").to_numpy()


def _guess(truth: Array, n_classes: int) -> Array:
    """Return what is predicted without looking: the shares of these rows' classes, or the mean."""
    if not n_classes:
        return np.full(len(truth), truth.mean())
    counts = np.bincount(truth[truth >= 0], minlength=n_classes).astype(float)
    return np.tile(counts / max(counts.sum(), 1), (len(truth), 1))


def _confusion(truth: Array, probabilities: Array) -> Array:
    n = probabilities.shape[1]
    counts = np.zeros((n + 1, n), np.int64)  # the last row is of classes that are not known
    np.add.at(counts, (truth, probabilities.argmax(axis=1)), 1)
    return counts


def _finite(scores: dict[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in scores.items()}
