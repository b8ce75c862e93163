"""One or several files of the same columns, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from chainrule.errors import InputError, listing
from chainrule.tables.reading.columnar import InMemory, JsonLines, Parquet, Typed
from chainrule.tables.reading.csv import Csv
from chainrule.tables.reading.spelling import Spelling, Words, as_dates, as_numbers, spelled, tidy
from chainrule.tables.reading.wishes import Numeric, Wishes, as_categories, as_datetimes

Part = Csv | Parquet | JsonLines | InMemory
_NO_WISHES = Wishes()


@dataclass(frozen=True)
class Table:
    r"""A table in files.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from chainrule.tables.reading import open_table
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "t.csv"
    >>> _ = path.write_text("age,city\n31,Oslo\n40,Rome\n")
    >>> table = open_table(path)
    >>> table.names, table.read(["age"])[0].rows()
    (('age', 'city'), [(31,), (40,)])
    """

    parts: tuple[Part, ...]
    name: str
    """The files, for messages."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.parts[0].names

    @property
    def notes(self) -> list[str]:
        """What the user should know of the files."""
        unnamed = [i for part in self.parts if isinstance(part, Csv) for i in part.unnamed]
        called = [f"'column {i}'" for i in dict.fromkeys(unnamed)]
        return [f"a column has no name in the first line: it is called {listing(called)}"][
            : len(called)
        ]

    def read(
        self,
        columns: Sequence[str] | None = None,
        text: Collection[str] = (),
        wishes: Wishes = _NO_WISHES,
        tell: Callable[[str], None] = lambda note: None,
    ) -> tuple[pl.DataFrame, Wishes]:
        """Read the table, or some columns of it; of others, as little as the format allows.

        Parameters
        ----------
        columns : sequence of str, optional
            All by default, but for those that the user wants dropped.
        text : collection of str, optional
            Columns to leave as text even if they look like numbers.
        wishes : Wishes, optional
            What the user says of the columns.
        tell : callable, optional
            Is given sentences that the user should know.

        Returns
        -------
        polars.DataFrame
            With numbers, booleans, dates (ISO 8601, unless told) and text; what is missing, NaN
            included, is null. What the user calls a category is of the type Categorical.
        Wishes
            With how dates are written, where that had to be found out.

        Raises
        ------
        InputError
            If it holds no rows, or something is wrong with it; the line is named where there is
            one.
        FileFormatError
            If a file is damaged, or changes meanwhile.
        """
        wishes.require_known(self.names)
        names = [name for name in columns or self.names if name not in wishes.drop]
        if not names:
            raise InputError("every column is dropped: leave some of them in")
        as_text = {*text, *wishes.categorical, *wishes.datetime}
        found = self._collect(names, as_text, wishes)
        again = [c.name for c in found.values() if isinstance(c, Spelling) and c.read_again]
        if again:  # what was numbers for long has turned out to be text
            found |= self._collect(again, {*again}, wishes)
        for column in found.values():
            if isinstance(column, Numeric) and column.note:
                tell(column.note)
        frame = pl.DataFrame([found.pop(name).series() for name in names])
        if frame.height == 0:
            raise InputError(f"{self.name} has column names but no rows: add rows of values")
        written = dict(wishes.datetime)
        for name in names:
            kind = wishes.of(name)
            if kind == "datetime":
                series, written[name] = as_datetimes(frame[name], written[name])
                frame = frame.with_columns(series)
            elif kind == "categorical":
                frame = frame.with_columns(as_categories(frame[name]))
            elif name not in as_text and not isinstance(self.parts[0], Csv):
                frame = frame.with_columns(as_dates(frame[name]))  # JSON has none of its own
        return frame, replace(wishes, datetime=written)

    def batches(
        self,
        kinds: Mapping[str, str],
        wishes: Wishes = _NO_WISHES,
        keep: Sequence[str] = (),
        tell: Callable[[str], None] = lambda note: None,
    ) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Yield the columns that a model uses, and those to hand on, a block of rows at a time.

        Each block is read as the kinds say, whatever other blocks hold; what is not of its kind
        stays text, for those who encode it to refuse.

        Parameters
        ----------
        kinds : mapping
            From the names of columns to ``"number"``, ``"date"`` or ``"category"``.
        wishes : Wishes, optional
            With which the model's table was read.
        keep : sequence of str, optional
            Columns that are handed on as they are: text of a CSV file, with what is missing null.
        tell : callable, optional
            Is given sentences that the user should know, at the end.

        Raises
        ------
        InputError
            If there is no row, or as `read`.
        FileFormatError
            As `read`.
        """
        numeric = {name: Numeric(name) for name in wishes.numeric}
        floats = pl.Float64()
        types: dict[str, pl.DataType] = {
            name: floats
            for name, kind in kinds.items()
            if kind == "number" and name not in (*wishes.numeric, *keep)
        }
        n_rows = 0
        for frame, commas in self._frames(list(dict.fromkeys((*kinds, *keep))), types):
            columns = []
            for name, kind in kinds.items():
                series = frame[name]
                if name in numeric:
                    numeric[name].decimal_commas = commas
                    columns.append(numeric[name].read(series))
                elif wishes.datetime.get(name):
                    columns.append(as_datetimes(series, wishes.datetime[name], n_rows)[0])
                elif series.dtype == pl.String:
                    columns.append(_as_kind(series, kind, commas))
                else:
                    columns.append(series)
            kept = frame.select(keep)
            if isinstance(self.parts[0], Csv):
                kept = kept.select(tidy(series) for series in kept.iter_columns())
            n_rows += frame.height
            yield pl.DataFrame(columns), kept
        if not n_rows:
            raise InputError(f"{self.name} has column names but no rows: add rows of values")
        for column in numeric.values():
            if column.note:
                tell(column.note)

    def _collect(
        self, names: list[str], as_text: Collection[str], wishes: Wishes
    ) -> dict[str, Words | Spelling | Numeric | Typed]:
        found: dict[str, Words | Spelling | Numeric | Typed] = {}
        types: dict[str, pl.DataType] = {}
        is_text = isinstance(self.parts[0], Csv)
        for frame, commas in self._frames(names, types):
            for series in frame.iter_columns():
                name = series.name
                if name not in found and name in wishes.numeric:
                    found[name] = Numeric(name, commas)
                elif name not in found and not is_text:
                    found[name] = Typed(name)
                elif name not in found:
                    found[name] = Words(name) if name in as_text else Spelling(name, commas)
                column = found[name]
                column.add(series)
                if isinstance(column, Spelling):
                    if column.expected:
                        types[name] = column.expected
                    else:
                        types.pop(name, None)
        return found or {name: Typed(name) for name in names}

    def _frames(
        self, names: list[str], types: Mapping[str, pl.DataType]
    ) -> Iterator[tuple[pl.DataFrame, bool]]:
        """Yield blocks of rows, and whether a comma in a number may be a decimal one."""
        for part in self.parts:
            if isinstance(part, Csv):
                for frame in part.frames(names, types):
                    yield frame, part.separator != ","
            else:
                for frame in part.frames(names):
                    yield frame, False


def _as_kind(text: pl.Series, kind: str, decimal_commas: bool) -> pl.Series:
    """Return a column of text as what it is wanted to be, or as text if it is something else."""
    if kind == "number":
        numbers = as_numbers(text, decimal_commas)
        words = tidy(text.filter(numbers.is_null()))
        return spelled(text, decimal_commas) if words.null_count() < len(words) else numbers
    if kind == "date":
        return spelled(text, decimal_commas=False)
    return tidy(text)
