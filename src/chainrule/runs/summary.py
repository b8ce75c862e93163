"""What stands in each column of a table, in short."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

MOST_ROWS = 20_000
"""Of more, so many tell how values are distributed."""
_BARS, _MOST_NAMED = 16, 4


@dataclass(frozen=True)
class Summary:
    """One column of the table."""

    name: str
    kind: str
    """As it is used: number, date, category, target; or ``""`` where it is left out."""
    why: str
    """Why it is left out, else ``""``."""
    missing: float
    """The share of rows without a value."""
    n_different: int
    """Among the rows looked at."""
    words: str
    """The range of numbers, or the most frequent categories."""
    bars: tuple[int, ...]
    """How often values are in each sixteenth of the range, or the most frequent categories come."""


def summarize(series: pl.Series, kind: str, why: str = "", seed: int = 0) -> Summary:
    """Return what stands in a column, by at most 20,000 of its values.

    Examples
    --------
    >>> summarize(pl.Series("age", [20, 30, None]), "number").words
    '20 to 30, median 25'
    """
    missing = series.null_count() / max(len(series), 1)
    present = series.drop_nulls()
    if len(present) > MOST_ROWS:
        rows = np.random.default_rng(seed).choice(len(present), MOST_ROWS, replace=False)
        present = present[np.sort(rows)]
    nested = series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object)
    if nested or not len(present):
        return Summary(series.name, kind, why, missing, 0, str(series.dtype), ())
    words, bars = _numbers(present) if _has_range(present.dtype) else _categories(present)
    return Summary(series.name, kind, why, missing, present.n_unique(), words, bars)


def _has_range(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype in (pl.Date, pl.Datetime)


def _numbers(present: pl.Series) -> tuple[str, tuple[int, ...]]:
    low, middle, high = present.min(), present.median(), present.max()
    if present.dtype.is_temporal():
        middle = present.sort()[len(present) // 2]
    values = present.to_physical().cast(pl.Float64).to_numpy()
    values = values[np.isfinite(values)]
    with np.errstate(all="ignore"):
        wide = len(values) and np.isfinite(np.ptp(values))
    bars: list[int] = np.histogram(values, _BARS)[0].tolist() if wide else []
    return f"{_spell(low)} to {_spell(high)}, median {_spell(middle)}", tuple(bars)


def _categories(present: pl.Series) -> tuple[str, tuple[int, ...]]:
    counts = present.cast(pl.String).value_counts(sort=True)
    counts = counts.sort([counts.columns[1], counts.columns[0]], descending=[True, False])
    named = counts.head(_MOST_NAMED)
    words = ", ".join(
        f"{_short(name)} ({n / len(present):.0%})" for name, n in named.iter_rows()
    ) + (", ..." if counts.height > _MOST_NAMED else "")
    return words, tuple(counts.head(_BARS)[:, 1].to_list())


def _spell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.4g}"


def _short(text: str, most: int = 24) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
