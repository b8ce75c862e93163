"""The columns of a table and the network's inputs that stand for them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from chainrule.errors import InputError
from chainrule.numerics import Array

# A category is an input; the rarer ones of a column with more of them share "all zeros".
_MOST_CATEGORIES = 100
# Text of which nearly every value is different names the row and says nothing of others.
_IDENTIFIER_SHARE, _IDENTIFIER_ROWS = 0.9, 10
_MICROSECONDS_PER_DAY = 86_400e6


@dataclass(frozen=True)
class Column:
    """What one column became in training; enough to do the same to new rows.

    Examples
    --------
    >>> Column("age", "number", median=30.0, mean=32.0, scale=5.0, indicator=True).inputs
    ['age (scaled)', 'age is missing']
    >>> Column("city", "category", categories=("Oslo", "Rome")).inputs
    ['city = Oslo', 'city = Rome']
    """

    name: str
    kind: str
    """``"number"`` (booleans too), ``"date"`` (in days since 1970) or ``"category"``."""
    median: float = 0.0
    """Fills what is missing in a number or date."""
    mean: float = 0.0
    scale: float = 1.0
    indicator: bool = False
    """Whether what is missing has an input of its own: where training had some."""
    categories: tuple[str, ...] = ()
    others: bool = False
    """Whether training had rarer categories, which are all zeros."""

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs; none is that of the column, whose values they are not."""
        if self.kind == "category":
            named = [f"{self.name} = {category}" for category in self.categories]
        else:
            named = [f"{self.name} (scaled)"]
        return [*named, f"{self.name} is missing"] if self.indicator else named

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain lists, strings and numbers."""
        return asdict(self) | {"categories": list(self.categories)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Column:
        """Return the column that `to_json` described."""
        return cls(**record | {"categories": tuple(record["categories"])})

    def encode(self, series: pl.Series) -> tuple[Array, str]:
        """Return the inputs for these values.

        Parameters
        ----------
        series : polars.Series of length n
            The column in a new table.

        Returns
        -------
        array of shape (n, len(inputs)), float64
            Numbers standardised, categories one-hot.
        str
            What a user should know: unseen categories, unexpected missing values; or ``""``.

        Raises
        ------
        InputError
            If the values are of another kind than in training.
        """
        missing = series.is_null().to_numpy()
        n_unexpected = 0 if self.indicator else int(missing.sum())
        if self.kind == "category":
            values = series.cast(pl.String)
            encoded = np.stack(
                [(values == category).fill_null(False).to_numpy() for category in self.categories],
                axis=1,
            ).astype(np.float64)
            unseen = values.filter(~values.is_in(self.categories) & values.is_not_null())
            note = ""
            if len(unseen) and not self.others:
                note = (
                    f"{len(unseen)} of {len(series)} values of {self.name} in categories that "
                    f"training did not have, such as {unseen[0]!r}"
                )
            elif n_unexpected:
                note = self._unexpected(n_unexpected)
        else:
            numbers = as_numbers(series, self.kind).fill_null(self.median).to_numpy()
            encoded = (numbers[:, None] - self.mean) / self.scale
            fits = pl.Series(np.abs(encoded[:, 0]) < np.finfo(np.float32).max)
            _require(fits, series, "numbers of a like size as in training")
            note = (
                self._unexpected(n_unexpected) + ": filled with the median" if n_unexpected else ""
            )
        if self.indicator:
            encoded = np.column_stack([encoded, missing])
        return encoded, note

    def _unexpected(self, n: int) -> str:
        return f"{n} value{'s' if n > 1 else ''} of {self.name} missing, none in training"


def learn(series: pl.Series) -> Column | str:
    """Return what a column of the training rows becomes, or why it is left out.

    Parameters
    ----------
    series : polars.Series
        The values.

    Raises
    ------
    InputError
        If there are infinite values, or the numbers are too large.
    """
    name, n_present = series.name, len(series) - series.null_count()
    n_different = series.drop_nulls().n_unique() if not series.dtype.is_nested() else 0
    has_missing = series.null_count() > 0
    if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object, pl.Time, pl.Duration):
        return f"it holds {series.dtype}, which is no number, date or text"
    if n_present == 0:
        return "it has no values"
    if n_different == 1 and not has_missing:
        return f"it is always {series[0]}"
    if series.dtype == pl.String:
        if n_present >= _IDENTIFIER_ROWS and n_different > _IDENTIFIER_SHARE * n_present:
            dates = "; dates must be like 2024-01-31" if _any_digits(series) else ""
            return f"it is text with {n_different} different values in {n_present} rows{dates}"
        counts = series.drop_nulls().value_counts().sort(["count", name], descending=[True, False])
        kept = counts[name].head(_MOST_CATEGORIES).sort().to_list()
        return Column(
            name,
            "category",
            indicator=has_missing,
            categories=tuple(kept),
            others=n_different > len(kept),
        )
    kind = "date" if series.dtype.is_temporal() else "number"
    numbers = as_numbers(series, kind).drop_nulls().to_numpy()
    median = float(np.median(numbers))
    with np.errstate(over="ignore", invalid="ignore"):
        filled = np.append(numbers, np.full(series.null_count(), median))
        mean, scale = float(filled.mean()), float(filled.std())
    if not math.isfinite(mean + scale):
        raise InputError(
            f"the numbers of column {name!r} are too large ({np.abs(numbers).max():g}): divide "
            "them, or take their logarithm"
        )
    return Column(name, kind, median, mean, scale or 1.0, has_missing)


def kind_of(series: pl.Series) -> tuple[str, str]:
    """Return what a column is, or ``""`` and why it is left out.

    Parameters
    ----------
    series : polars.Series
        The values.

    Examples
    --------
    >>> kind_of(pl.Series([1.5, None])), kind_of(pl.Series([1, 1]))
    (('number', ''), ('', 'it is always 1'))
    """
    n_present = len(series) - series.null_count()
    if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object, pl.Time, pl.Duration):
        return "", f"it holds {series.dtype}, which is no number, date or text"
    if n_present == 0:
        return "", "it has no values"
    n_different = series.drop_nulls().n_unique()
    if n_different == 1 and n_present == len(series):
        return "", f"it is always {series[0]}"
    if series.dtype.is_temporal():
        return "date", ""
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        return "number", ""
    if n_present >= _IDENTIFIER_ROWS and n_different > _IDENTIFIER_SHARE * n_present:
        dates = "; dates must be like 2024-01-31" if _any_digits(series.cast(pl.String)) else ""
        return "", f"it is text with {n_different} different values in {n_present} rows{dates}"
    return "category", ""


def as_numbers(series: pl.Series, kind: str) -> pl.Series:
    """Return a column as float64, dates as days since 1970; null where it is null.

    Raises
    ------
    InputError
        If a value is no finite number, or no date; the row is named.
    """
    wanted = "dates, such as 2024-01-31" if kind == "date" else "numbers"
    if (kind == "date") is not series.dtype.is_temporal() and series.null_count() < len(series):
        text = series.cast(pl.String, strict=False)
        numbers = text.cast(pl.Float64, strict=False) if kind == "number" else text.clear(len(text))
        _require(numbers.is_not_null() | text.is_null(), text, wanted)
    elif kind == "date" and series.dtype.is_temporal():
        numbers = series.dt.timestamp("us").cast(pl.Float64) / _MICROSECONDS_PER_DAY
    else:
        numbers = series.cast(pl.Float64, strict=False)
        _require(numbers.is_not_null() | series.is_null(), series, wanted)
    _require(numbers.is_finite() | numbers.is_null(), series, "finite numbers")
    return numbers


def _require(fine: pl.Series, series: pl.Series, wanted: str) -> None:
    if not fine.all():
        row = (~fine).arg_true()[0]
        raise InputError(
            f"column {series.name!r} must hold {wanted}, but row {row + 1} has {series[row]!r}: "
            "correct it, or leave it empty"
        )


def _any_digits(series: pl.Series) -> bool:
    return bool(series.drop_nulls().str.contains(r"^\d+[-/.]\d+[-/.]\d+").any())
