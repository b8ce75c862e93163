"""The column to be predicted: which task it is, its numbers for the network, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from chainrule.errors import InputError, listing, require_choice
from chainrule.numerics import Array
from chainrule.tables.columns import as_numbers

TASKS = ("classification", "regression")
# Whole numbers are taken for classes if they are few and each comes often.
_MOST_CLASSES, _ROWS_PER_CLASS = 20, 10


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Examples
    --------
    >>> Target("pet", "classification", "", classes=("cat", "dog")).encode(pl.Series(["dog"]))
    array([1])
    """

    name: str
    task: str
    """``"classification"`` or ``"regression"``."""
    reason: str
    """Why it is that task, for the user."""
    classes: tuple[Any, ...] = ()
    """Text, booleans or numbers, sorted; output i of the network is the probability of class i."""
    mean: float = 0.0
    scale: float = 1.0
    low: float | None = None
    high: float | None = None
    """The range of training, which predictions lie in."""

    @property
    def is_classification(self) -> bool:
        """Whether classes are predicted, not a number."""
        return self.task == "classification"

    @property
    def n_outputs(self) -> int:
        """The number of outputs of the network."""
        return len(self.classes) if self.is_classification else 1

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain lists, strings and numbers."""
        return asdict(self) | {"classes": list(self.classes)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Target:
        """Return the target that `to_json` described."""
        return cls(**record | {"classes": tuple(record["classes"])})

    def encode(self, series: pl.Series) -> Array:
        """Return class numbers, -1 for an unknown class, or standardised numbers.

        Parameters
        ----------
        series : polars.Series of length n
            Values of the target, none missing.

        Returns
        -------
        array of shape (n,), int64 or float64
        """
        if self.is_classification:
            number = {_spell(c): i for i, c in enumerate(self.classes)}
            return np.array([number.get(_spell(v), -1) for v in series.to_list()], np.int64)
        return (as_numbers(series, "number").to_numpy() - self.mean) / self.scale

    def decode(self, outputs: Array) -> pl.DataFrame:
        """Return the predictions for the network's outputs.

        Parameters
        ----------
        outputs : array of shape (n, n_outputs), or (n, 1) for two classes

        Returns
        -------
        polars.DataFrame
            The column ``prediction``; for classes also ``probability_<class>`` for each.
        """
        if not self.is_classification:
            return pl.DataFrame({"prediction": self.numbers(outputs)})
        outputs = self.probabilities(outputs)
        chosen = pl.Series(self.classes).gather(outputs.argmax(axis=1))
        probabilities = {
            f"probability_{_spell(c)}": outputs[:, i] for i, c in enumerate(self.classes)
        }
        return pl.DataFrame({"prediction": chosen, **probabilities})

    def probabilities(self, outputs: Array) -> Array:
        """Return a probability for each class, where two of them share an output."""
        return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs

    def numbers(self, outputs: Array) -> Array:
        """Return the predicted numbers in the target's unit, of shape (n,)."""
        numbers = outputs[:, 0].astype(np.float64) * self.scale + self.mean
        return numbers if self.low is None else np.clip(numbers, self.low, self.high)

    def scores(self, outputs: Array, encoded: Array, naive: Array) -> dict[str, float]:
        """Return how good predictions are, next to a prediction that ignores the inputs.

        Parameters
        ----------
        outputs : array of shape (n, n_outputs)
            Of the network.
        encoded : array of shape (n,)
            The truth, as from `encode`.
        naive : array of shape (n_train,)
            The encoded targets of training: what is predicted without a network is their most
            frequent class, or their mean.

        Returns
        -------
        dict
            ``accuracy`` and ``naive_accuracy``; or ``r2`` (absent where it is not defined),
            ``rmse`` and ``naive_rmse`` in the target's unit. Also ``rows``.
        """
        from sklearn.metrics import accuracy_score, r2_score, root_mean_squared_error

        found: dict[str, float] = {"rows": len(encoded)}
        if self.is_classification:
            most = np.full(len(encoded), np.bincount(naive).argmax())
            chosen = self.probabilities(outputs).argmax(axis=1)
            found["accuracy"] = float(accuracy_score(encoded, chosen))
            found["naive_accuracy"] = float(accuracy_score(encoded, most))
            return found
        predicted = (self.numbers(outputs) - self.mean) / self.scale
        if len(encoded) > 1 and np.ptp(encoded) > 0:
            found["r2"] = float(r2_score(encoded, predicted))
        mean = np.full(len(encoded), naive.mean())
        found["rmse"] = float(root_mean_squared_error(encoded, predicted)) * self.scale
        found["naive_rmse"] = float(root_mean_squared_error(encoded, mean)) * self.scale
        return found


def decide(series: pl.Series, task: str | None = None) -> Target:
    """Return the target for a column, the task chosen by its values.

    Parameters
    ----------
    series : polars.Series
        The values, none missing.
    task : {"classification", "regression"}, optional
        What the user wants it to be.

    Raises
    ------
    InputError
        If the column cannot be predicted, or not so.
    """
    name, n, n_different = series.name, len(series), series.n_unique()
    if task is not None:
        require_choice("task", task, TASKS)
    if series.dtype.is_temporal() or series.dtype.is_nested():
        raise InputError(
            f"the target {name!r} holds {series.dtype}, but numbers or classes can be predicted: "
            "make a number of it first"
        )
    if n_different == 1:
        raise InputError(
            f"the target {name!r} is {series[0]!r} in every row, so there is nothing to learn: "
            "choose another target, or add rows with other values"
        )
    is_number = series.dtype.is_numeric()
    if is_number:
        as_numbers(series, "number")
    if task == "regression" and not is_number:
        as_numbers(series, "number")
        series, is_number = series.cast(pl.Float64), True
    what = "text values" if not is_number else "numbers"
    asked = f"asked for; {name} has {n_different} different {what}"
    if task == "regression":
        return Target(name, "regression", asked)
    reason = asked if task else f"{name} has {n_different} different {what}"
    if task is None and is_number:
        whole = series.dtype.is_integer() or bool((series == series.round()).all())
        few = n_different <= max(2, min(_MOST_CLASSES, n // _ROWS_PER_CLASS))
        if not (whole and few):
            return Target(name, "regression", reason)
        reason = f"{name} has {n_different} different whole numbers in {n} rows"
    if n_different > n / 2 and n_different > 2:
        hint = ": choose a column of classes that come again"
        if not is_number:
            text = series.cast(pl.String)
            wrong = text.filter(text.cast(pl.Float64, strict=False).is_null())
            hint += f", or of numbers (it has {wrong[0]!r})"
        raise InputError(
            f"the target {name!r} has {n_different} different values in {n} rows, too many to be "
            f"classes{hint}"
        )
    return Target(name, "classification", reason, tuple(series.unique().sort().to_list()))


def confusions(
    truth: Array, predicted: Array, classes: Sequence[Any]
) -> list[tuple[str, str, int]]:
    """Return (true class, class it was mistaken for, how often), the most frequent first.

    Examples
    --------
    >>> confusions(np.array([0, 0, 1]), np.array([1, 1, 1]), ["cat", "dog"])
    [('cat', 'dog', 2)]
    """
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(truth, predicted, labels=range(len(classes)))
    np.fill_diagonal(counts, 0)
    pairs = sorted(np.argwhere(counts), key=lambda pair: -counts[tuple(pair)])
    return [(_spell(classes[i]), _spell(classes[j]), int(counts[i, j])) for i, j in pairs]


def describe(classes: Sequence[Any]) -> str:
    """Return the classes as a short list."""
    return listing([_spell(c) for c in classes])


def _spell(value: Any) -> str:
    """Return a class as text: one way for 1 and 1.0, which the files of a user may mix."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
