"""The columns of a table and the network's inputs that stand for them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from chainrule.errors import InputError
from chainrule.numerics import Array
from chainrule.tables.shapes import used

LARGEST = 1e150
"""Numbers beyond it have squares that overflow."""
# Text of which nearly every value is different names the row and says nothing of others.
_IDENTIFIER_SHARE, _IDENTIFIER_ROWS = 0.9, 10
_MICROSECONDS_PER_DAY = 86_400e6
YEAR, WEEK, DAY = 365.2425, 7.0, 1.0


@dataclass(frozen=True)
class Column:
    """What one column became in training, as plain data: enough to do the same to new rows.

    Examples
    --------
    >>> Column("age", "number", indicator=True, knots=(20.0, 30.0, 70.0)).inputs
    ['age (scaled)', 'age is missing', 'age near 20', 'age near 30', 'age near 70']
    >>> Column("city", "category", categories=("Oslo", None)).inputs
    ['city = Oslo', 'city is missing']
    """

    name: str
    kind: str
    """``"number"`` (booleans too), ``"date"`` (in days since 1970) or ``"category"``."""
    median: float = 0.0
    """Fills what is missing in a number or date."""
    centers: tuple[float, ...] = (0.0,)
    scales: tuple[float, ...] = (1.0,)
    """Of the number and of its indicator; or of the statistics of the target."""
    indicator: bool = False
    """Whether what is missing has an input of its own: where training had some."""
    knots: tuple[float, ...] = ()
    bend_weight: float = 1.0
    categories: tuple[str | None, ...] = ()
    """None is what is missing."""
    statistics: tuple[tuple[float, ...], ...] = ()
    """Of the target, for each category; none if each category is an input."""
    unknown: tuple[float, ...] = ()
    """The statistics for a category that training did not have."""

    cycles: tuple[tuple[float, int], ...] = ()
    """Of a date: periods in days, and how often the input goes around in each."""

    @property
    def names(self) -> list[list[str]]:
        """The names of the inputs in the blocks of `encode`."""
        missing = f"{self.name} is missing"
        if self.kind == "category" and self.statistics:
            n = len(self.statistics)
            which = [""] if n == 1 else [f" {i}" for i in range(n)]
            return [[], [], [], [], [], [f"{self.name} (target{i})" for i in which]]
        if self.kind == "category":
            named = [missing if c is None else f"{self.name} = {c}" for c in self.categories]
            return [[], [], [], [], named, []]
        near = [f"{self.name} near {knot:g}" for knot in used(np.array(self.knots))]
        turns = [name for one in self.cycles for name in cycle_names(self.name, *one)]
        return [[f"{self.name} (scaled)"], [missing] * self.indicator, near, turns, [], []]

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs; none is that of the column, whose values they are not."""
        return [name for block in self.names for name in block]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain lists, strings and numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Column:
        """Return the column that `to_json` described."""
        found: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list | tuple) else value
            for name, value in record.items()
        }
        for name in ("statistics", "cycles"):
            found[name] = tuple(tuple(one) for one in record.get(name, ()))
        return cls(**found)

    def encode(self, series: pl.Series) -> tuple[list[Array], str]:
        """Return the inputs for these values.

        Parameters
        ----------
        series : polars.Series of length n
            The column in a new table.

        Returns
        -------
        list of six arrays with n rows, float32
            The scaled number, its indicator, its bends, the cycles of a date; the categories, the
            statistics. A network's inputs are the first blocks of all columns, then the second, and
            so on.
        str
            What a user should know: unseen categories, unexpected missing values; or ``""``.

        Raises
        ------
        InputError
            If the values are of another kind than in training.
        """
        from chainrule.tables.inputs import encode

        inputs, notes = encode([self], series.to_frame(self.name))
        ends = np.cumsum([len(names) for names in self.names])
        return np.split(inputs, ends[:-1], axis=1), "".join(notes)


def cycle_names(name: str, period: float, harmonic: int) -> list[str]:
    """Return the names of the two inputs that say where in a cycle a date is.

    Examples
    --------
    >>> cycle_names("sold", 7.0, 2)
    ['sold (sin, week / 2)', 'sold (cos, week / 2)']
    """
    spoken = {YEAR: "year", WEEK: "week", DAY: "day"}.get(period, f"{period:g} days")
    part = f"{spoken} / {harmonic}" if harmonic > 1 else spoken
    return [f"{name} (sin, {part})", f"{name} (cos, {part})"]


def kind_of(series: pl.Series) -> tuple[str, str]:
    """Return what a column is, or ``""`` and why it is left out.

    Parameters
    ----------
    series : polars.Series
        The values; of the type Categorical where the user calls them categories.

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
    if series.dtype == pl.Categorical or n_present < _IDENTIFIER_ROWS:
        return "category", ""
    if n_different > _IDENTIFIER_SHARE * n_present:
        return "", f"it is text with {n_different} different values in {n_present} rows" + (
            _remedy(series.drop_nulls())
        )
    return "category", ""


def _remedy(text: pl.Series) -> str:
    """Return what may be done with text that is different in nearly every row."""
    if text.str.contains(r"^\d+[-/.]\d+[-/.]\d+").any():
        return f"; --datetime {text.name} if these are dates"
    if text.str.count_matches(r"\s+").mean() >= 2:  # type: ignore[operator]
        return (
            "; make columns of what matters in it, such as its length, or whether a word is in it"
        )
    return f"; --categorical {text.name} if these are categories all the same"


def settled(series: pl.Series, kind: str, n_rows_before: int = 0) -> pl.Series:
    """Return a column as text, or as float64 that is not too large to compute with.

    Raises
    ------
    InputError
        If it holds something else; the row is named.
    """
    if kind == "category":
        if series.dtype.is_float() and (series.drop_nulls() == series.drop_nulls().round()).all():
            series = series.cast(pl.Int64, strict=False)  # 1 and 1.0 are one category
        return series.cast(pl.String)
    numbers = as_numbers(series, kind, n_rows_before)
    largest = numbers.abs().max()
    if largest is not None and largest >= LARGEST:  # type: ignore[operator]
        row = (numbers.abs() >= LARGEST).arg_true()[0]
        raise InputError(
            f"the numbers of column {series.name!r} are too large ({numbers[row]:g} in row "
            f"{n_rows_before + row + 1}): divide them, or take their logarithm"
        )
    return numbers


def as_numbers(series: pl.Series, kind: str, n_rows_before: int = 0) -> pl.Series:
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
        _require(numbers.is_not_null() | text.is_null(), text, wanted, n_rows_before)
    elif kind == "date" and series.dtype.is_temporal():
        numbers = series.dt.timestamp("us").cast(pl.Float64) / _MICROSECONDS_PER_DAY
    else:
        numbers = series.cast(pl.Float64, strict=False)
        if numbers.null_count() > series.null_count():
            _require(numbers.is_not_null() | series.is_null(), series, wanted, n_rows_before)
    if not numbers.is_finite().all():  # null counts as neither
        _require(numbers.is_finite() | numbers.is_null(), series, "finite numbers", n_rows_before)
    return numbers


def _require(fine: pl.Series, series: pl.Series, wanted: str, n_rows_before: int) -> None:
    if not fine.all():
        row = (~fine).arg_true()[0]
        raise InputError(
            f"column {series.name!r} must hold {wanted}, but row {n_rows_before + row + 1} has "
            f"{series[row]!r}: correct it, or leave it empty"
        )
