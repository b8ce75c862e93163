"""From text to what it spells: numbers, booleans, dates; the same for all blocks of a column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from chainrule.tables.reading import dates
from chainrule.tables.reading.csv import MISSING


def tidy(text: pl.Series) -> pl.Series:
    """Return text without blanks around it, and null for what stands for a missing value."""
    stripped = text.str.strip_chars()
    missing = stripped.str.to_lowercase().is_in(MISSING)
    return pl.select(pl.when(~missing).then(stripped).alias(text.name)).to_series()


@dataclass
class Words:
    """Keeps a column of text as text, block by block."""

    name: str
    parts: list[pl.Series] = field(default_factory=list)

    def add(self, text: pl.Series) -> None:
        """Take the next block of values, as they stand in the file."""
        self.parts.append(tidy(text))

    def series(self) -> pl.Series:
        """Return the whole column."""
        return pl.concat(self.parts) if self.parts else pl.Series(self.name, [], pl.String)


@dataclass
class Spelling:
    """Finds out what a column of text spells, block by block, and keeps it as that."""

    name: str
    decimal_commas: bool
    """Whether 1,5 may be one and a half: between commas, "1,234" is who knows."""
    kind: str | None = None
    """None as long as every value is missing."""
    parts: list[pl.Series] = field(default_factory=list)
    read_again: bool = False
    """Whether later blocks showed that earlier ones were taken for what the column is not."""

    @property
    def expected(self) -> pl.DataType | None:
        """The type of numbers that the next block probably has, if it does."""
        return _DTYPES[self.kind] if self.kind in ("integers", "floats") else None

    def add(self, text: pl.Series) -> None:
        """Take the next block of values: text as it stands in the file, or of the type expected."""
        if self.read_again:
            return
        if text.dtype != pl.String:
            self.parts.append(text)
            return
        if self.kind == "text":
            self.parts.append(tidy(text))
            return
        for kind in _AFTER[self.kind]:
            if kind == "decimal commas" and not self.decimal_commas:
                continue
            typed = _spells(kind, text)
            if typed is not None:
                if typed.null_count() < len(typed):
                    self.kind = kind
                self.parts.append(typed)
                return
        if self.kind is None:
            self.kind = "text"
            self.parts.append(tidy(text))
        else:
            self.read_again, self.parts = True, []

    def series(self) -> pl.Series:
        """Return the whole column."""
        dtype = _DTYPES[self.kind]
        parts = [part if part.dtype == dtype else part.cast(dtype) for part in self.parts]
        self.parts = []
        return pl.concat(parts).rename(self.name) if parts else pl.Series(self.name, [], dtype)


def spelled(text: pl.Series, decimal_commas: bool) -> pl.Series:
    """Return a column of text as what it spells, if every value that is there spells it."""
    whole = Spelling(text.name, decimal_commas)
    whole.add(text)
    return whole.series()


def as_dates(values: pl.Series) -> pl.Series:
    """Return a column as dates if it is text, and every value that is there is a date."""
    if values.dtype != pl.String or values.null_count() == len(values):
        return values
    for kind in ("dates", "datetimes"):
        if (found := _spells(kind, values)) is not None:
            return found
    return values


def as_numbers(text: pl.Series, decimal_commas: bool = False) -> pl.Series:
    """Return the numbers that text spells, null for what is none: words, and what is missing."""
    found = _cast(text, pl.Float64)
    if decimal_commas and found.null_count():
        found = found.fill_null(_cast(text.str.replace(",", ".", literal=True), pl.Float64))
    return found


def _cast(text: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    """Return numbers, null where there is none; blanks around them do not matter."""
    found = text.cast(dtype, strict=False)
    if found.null_count() > text.null_count():
        found = text.str.strip_chars().cast(dtype, strict=False)
    return found.fill_nan(None) if dtype == pl.Float64 else found


def _integers(text: pl.Series) -> pl.Series:
    return _cast(text, pl.Int64)


def _floats(text: pl.Series) -> pl.Series:
    return _cast(text, pl.Float64)


def _decimal_commas(text: pl.Series) -> pl.Series:
    number = r"^\s*[-+]?(\d+|\d*,\d+)([eE][-+]?\d+)?\s*$"
    with_points = pl.select(pl.when(text.str.contains(number)).then(text.str.replace(",", ".")))
    return _cast(with_points.to_series().rename(text.name), pl.Float64)


def _booleans(text: pl.Series) -> pl.Series:
    lower = text.str.strip_chars().str.to_lowercase()
    known = lower.is_in(["true", "false"])
    return pl.select(pl.when(known).then(lower == "true").alias(text.name)).to_series()


def _dates(text: pl.Series) -> pl.Series:
    """Read ISO 8601 alone: 01/02/2024 is one day here and another there."""
    return text.str.strip_chars().str.to_date("%Y-%m-%d", strict=False)


def _datetimes(text: pl.Series) -> pl.Series:
    return dates.iso(text.str.strip_chars())


_READERS: dict[str, Callable[[pl.Series], pl.Series]] = {
    "integers": _integers, "floats": _floats, "decimal commas": _decimal_commas,
    "booleans": _booleans, "dates": _dates, "datetimes": _datetimes,
}  # fmt: skip
_DTYPES: dict[str | None, pl.DataType] = {
    None: pl.String(), "text": pl.String(), "integers": pl.Int64(), "floats": pl.Float64(),
    "decimal commas": pl.Float64(), "booleans": pl.Boolean(), "dates": pl.Date(),
    "datetimes": pl.Datetime("us"),
}  # fmt: skip
# What a column may turn out to be: numbers that were whole so far, dates without times so far.
_AFTER: dict[str | None, tuple[str, ...]] = {
    None: tuple(_READERS),
    "integers": ("integers", "floats", "decimal commas"),
    "floats": ("floats",),
    "decimal commas": ("decimal commas",),
    "booleans": ("booleans",),
    "dates": ("dates", "datetimes"),
    "datetimes": ("datetimes",),
}


def _spells(kind: str, text: pl.Series) -> pl.Series | None:
    """Return the values of one kind, None if something is there that is of another."""
    found = _READERS[kind](text)
    lost = found.is_null() & text.is_not_null()
    if lost.any() and tidy(text.filter(lost)).null_count() < lost.sum():
        return None
    return found
