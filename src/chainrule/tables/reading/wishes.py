"""What the user says of columns, where the values alone would be taken for something else."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from chainrule.errors import InputError, closest, listing
from chainrule.tables.reading import dates
from chainrule.tables.reading.spelling import as_numbers, tidy


@dataclass(frozen=True)
class Wishes:
    """Which columns are what, for certain.

    Examples
    --------
    >>> Wishes(numeric=("age",), drop=("id",)).of("age")
    'numeric'
    """

    numeric: tuple[str, ...] = ()
    """Numbers; words in them are missing values."""
    categorical: tuple[str, ...] = ()
    """Categories, even of numbers, or of text that is different in nearly every row."""
    datetime: Mapping[str, str] = field(default_factory=dict)
    """Dates, with how they are written; ``""`` is to be found out."""
    drop: tuple[str, ...] = ()
    """Not to be used."""

    def of(self, name: str) -> str | None:
        """Return what the user says of a column; None if nothing."""
        for kind in ("numeric", "categorical", "datetime", "drop"):
            if name in getattr(self, kind):
                return kind
        return None

    def require_known(self, names: Iterable[str]) -> None:
        """Refuse names that the table has not, and those that are to be two things.

        Raises
        ------
        InputError
            Naming the option and the name most like it.
        """
        names, seen = list(names), dict[str, str]()
        for kind in ("numeric", "categorical", "datetime", "drop"):
            for name in getattr(self, kind):
                if name not in names:
                    raise InputError(
                        f"--{kind} {name}: there is no such column{closest(name, names)} (columns: "
                        f"{listing(names, most=12)})"
                    )
                if name in seen and seen[name] != kind:
                    raise InputError(
                        f"column {name!r} cannot be both --{seen[name]} and --{kind}: leave one out"
                    )
                seen[name] = kind

    def among(self, names: Iterable[str]) -> Wishes:
        """Return what is said of columns of these names."""
        names = set(names)
        return Wishes(
            tuple(name for name in self.numeric if name in names),
            tuple(name for name in self.categorical if name in names),
            {name: written for name, written in self.datetime.items() if name in names},
            tuple(name for name in self.drop if name in names),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what a model must know to read its tables, as plain lists and strings."""
        return {
            "numeric": list(self.numeric),
            "categorical": list(self.categorical),
            "datetime": dict(self.datetime),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Wishes:
        """Return what `to_json` described."""
        return cls(
            tuple(record.get("numeric", ())),
            tuple(record.get("categorical", ())),
            dict(record.get("datetime", {})),
        )


def names_in(text: str | None) -> tuple[str, ...]:
    """Return the names of a list with commas; quotes hold a name with a comma together.

    Examples
    --------
    >>> names_in('age, "height, cm"')
    ('age', 'height, cm')
    """
    if not text:
        return ()
    row = next(csv.reader([text], skipinitialspace=True))
    return tuple(name.strip() for name in row if name.strip())


@dataclass
class Numeric:
    """Reads a column that is to be numbers, block by block, and remembers what is none."""

    name: str
    decimal_commas: bool = False
    parts: list[pl.Series] = field(default_factory=list)
    n_rows: int = 0
    n_words: int = 0
    example: tuple[str, int] = ("", 0)
    """The first word and its row, counted from 1."""

    def add(self, values: pl.Series) -> None:
        """Take the next block of values, as they stand in the file."""
        self.parts.append(self.read(values))

    def read(self, values: pl.Series) -> pl.Series:
        """Return the numbers of the next block, null where there is none.

        Raises
        ------
        InputError
            If the column holds dates or lists.
        """
        if values.dtype.is_temporal() or values.dtype.is_nested():
            raise InputError(f"--numeric {self.name}: the column holds {values.dtype}, not numbers")
        if values.dtype != pl.String:
            return values.cast(pl.Float64)
        found = as_numbers(values, self.decimal_commas)
        if found.null_count() > values.null_count():
            words = tidy(values).is_not_null() & found.is_null()
            if n := int(words.sum()):
                row = words.arg_true()[0]
                self.example = (
                    self.example if self.n_words else (values[row], self.n_rows + row + 1)
                )
                self.n_words += n
        self.n_rows += len(values)
        return found

    def series(self) -> pl.Series:
        """Return the whole column."""
        return pl.concat(self.parts) if self.parts else pl.Series(self.name, [], pl.Float64)

    @property
    def note(self) -> str:
        """What the user should know: which words became missing values; or ``""``."""
        if not self.n_words:
            return ""
        word, row = self.example
        return (
            f"{self.n_words:,} of {self.n_rows:,} values of {self.name} are no numbers, the first "
            f"is {word.strip()!r} in row {row:,}: taken as missing"
        )


def as_categories(values: pl.Series) -> pl.Series:
    """Return a column as text that is certainly categories, whatever it looks like."""
    if values.dtype == pl.String:
        text = tidy(values)
    elif values.dtype.is_float() and (values.drop_nulls() == values.drop_nulls().round()).all():
        text = values.cast(pl.Int64, strict=False).cast(pl.String)  # 1 and 1.0 are one category
    else:
        text = values.cast(pl.String)
    return text.cast(pl.Categorical)


def as_datetimes(values: pl.Series, written: str, n_rows_before: int = 0) -> tuple[pl.Series, str]:
    """Return a column of dates, and how they are written; see `dates.read`."""
    text = tidy(values) if values.dtype == pl.String else values
    written = written or dates.found_out(text)
    return dates.read(text, written, n_rows_before), written
