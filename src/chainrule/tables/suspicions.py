"""What looks wrong with a table before anything is learned from it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import polars as pl

from chainrule.errors import InputError
from chainrule.numerics import Array
from chainrule.tables.reading.dates import ISO, found_out
from chainrule.tables.targets import Target

_MOST_ROWS, _MOST_CELLS, _FEWEST_ROWS = 20_000, 20_000_000, 40
_BINS = 100
_NEARLY_PERFECT = 0.99
_WORDS = 0.1
"""The share of words that numbers may have among them and still look like numbers."""
_COUNTERS = re.compile(r"(?i)(^|[\W_])(id|idx|index|key|no|nr|num|number|row|uuid|guid)$")
_CAMEL = re.compile(r"[a-z](Id|ID|Key|Nr|No)$")


def suspicions(frame: pl.DataFrame, target: Target) -> list[str]:
    """Return a sentence, with a remedy, for each column that looks wrong.

    Numbers and dates that are read as text, numbers of rows, and columns that predict the target
    nearly perfectly alone, which are often known only after it.

    Parameters
    ----------
    frame : polars.DataFrame
        The table, with the target.
    target : Target
        What is predicted.

    Examples
    --------
    >>> frame = pl.DataFrame({"row": range(50), "y": [1, 5] * 25})
    >>> suspicions(frame, Target("y", "regression", ""))
    ['column row numbers the rows, which says nothing of new ones: --drop row']
    """
    known = frame.drop_nulls(target.name)
    judge = _Judge(known, target) if known.height >= _FEWEST_ROWS else None
    found: list[str] = []
    for series in frame.drop(target.name).iter_columns():
        found += _in_disguise(series)
        counter = _numbers_rows(series)
        if counter:
            found.append(counter)
        elif judge is not None and (leak := judge.leak(known[series.name])):
            found.append(leak)
    return found


def _in_disguise(series: pl.Series) -> Iterator[str]:
    if series.dtype != pl.String:
        return
    name, present = series.name, series.drop_nulls()
    numbers = present.cast(pl.Float64, strict=False)
    n_words = numbers.null_count()
    if len(present) and n_words <= _WORDS * len(present):
        if not n_words:
            yield f"column {name} is text that spells numbers: --numeric {name} reads them as such"
            return
        word = present.filter(numbers.is_null())[0]
        row = (series == word).arg_true()[0] + 1
        yield (
            f"column {name} is read as text because {n_words:,} of {len(present):,} values are no "
            f"numbers, the first is {word!r} in row {row:,}: --numeric {name} takes them as missing"
        )
        return
    if not present.head(20).str.contains(r"\d").all():
        return
    try:
        written = found_out(present.head(1000))
    except InputError as error:
        if "may be read as" in str(error):
            yield f"column {name} looks like dates, but {str(error).split(': ', 1)[1]}"
        return
    if written != ISO:
        yield f"column {name} holds dates written as {written}: --datetime {name} reads them so"


def _numbers_rows(series: pl.Series) -> str:
    """Say so if a column numbers the rows, or names them by numbers."""
    if not series.dtype.is_integer() or series.null_count() or len(series) < _FEWEST_ROWS:
        return ""
    name = series.name
    steps = series.cast(pl.Int64).diff().drop_nulls()
    counts = steps[0] in (1, -1) and bool((steps == steps[0]).all())
    if not counts and not (
        (_COUNTERS.search(name) or _CAMEL.search(name)) and series.n_unique() == len(series)
    ):
        return ""
    what = "numbers the rows" if counts else "is different in every row, as an identifier is"
    return f"column {name} {what}, which says nothing of new ones: --drop {name}"


class _Judge:
    """Finds out how well a column predicts the target alone, on rows it was not learned from."""

    def __init__(self, frame: pl.DataFrame, target: Target) -> None:
        n = min(frame.height, _MOST_ROWS, max(2_000, _MOST_CELLS // frame.width))
        rng = np.random.default_rng(0)
        self.rows = np.sort(rng.choice(frame.height, n, replace=False))
        self.learn = rng.permutation(n) < n // 2
        self.target = target
        y = frame[target.name][self.rows]
        if target.is_classification:
            _, self.codes = np.unique(y.cast(pl.String).to_numpy(), return_inverse=True)
            self.y = np.eye(int(self.codes.max()) + 1, dtype=np.float32)[self.codes]
        else:
            self.y = y.cast(pl.Float64).to_numpy()[:, None]

    def leak(self, series: pl.Series) -> str:
        """Say so if a column predicts the target nearly perfectly."""
        cells = self._cells(series[self.rows])
        if cells is None:
            return ""
        n_cells, learn, test = int(cells.max()) + 1, self.learn, ~self.learn
        counts = np.bincount(cells[learn], minlength=n_cells)
        sums = [np.bincount(cells[learn], y, n_cells) for y in self.y[learn].T]
        means = np.column_stack(sums) / np.maximum(counts, 1)[:, None]
        means[counts == 0] = self.y[learn].mean(axis=0)
        predicted, truth, name = means[cells[test]], self.y[test], series.name
        if self.target.is_classification:
            codes = self.codes[test]
            right = predicted.argmax(axis=1) == codes
            shares = [right[codes == code].mean() for code in np.unique(codes)]
            share = float(np.mean(shares)) if len(shares) > 1 else 0.0
            how = f"{share:.1%} right, each class counted alike"
        else:
            spread = ((truth - truth.mean()) ** 2).mean()
            share = 1 - float(((truth - predicted) ** 2).mean() / spread) if spread > 0 else 0.0
            how = f"R^2 {share:.3f}"
        if not share >= _NEARLY_PERFECT:
            return ""
        return (
            f"column {name} alone predicts {self.target.name} nearly perfectly ({how}): if it is "
            f"known only after {self.target.name}, --drop {name}"
        )

    def _cells(self, series: pl.Series) -> Array | None:
        """Return a small number for each row: its category, or where it is among the numbers."""
        if series.dtype.is_nested() or series.null_count() == len(series):
            return None
        if series.dtype in (pl.String, pl.Categorical, pl.Boolean):
            places = _places(series.cast(pl.String).fill_null(""))
            return None if places.max() > len(places) / 4 else places
        places = _places(series.to_physical().cast(pl.Float64))
        if places.max() <= _BINS:
            return places
        edges = np.unique(np.quantile(places, np.linspace(0, 1, _BINS + 1)[1:-1]))
        return np.asarray(np.searchsorted(edges, places, side="right"))


def _places(values: pl.Series) -> Array:
    """Return the places of values among those that are different, 0 for what is missing."""
    return values.rank("dense").fill_null(0).to_numpy().astype(np.int64)
