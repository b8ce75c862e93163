"""Formats whose columns have types: Parquet, Arrow, JSON lines, Excel."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from chainrule.errors import FileFormatError, InputError, MissingExtraError
from chainrule.tables.reading.lines import text_blocks
from chainrule.tables.reading.places import Place

_VALUES_AT_ONCE = 1 << 21
# polars panics, which is no PolarsError, on some damaged files
_DAMAGED = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


def settled_types(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with numbers, text, booleans and dates, in which NaN is null."""
    return frame.with_columns(
        pl.col(pl.Categorical, pl.Enum).cast(pl.String),
        pl.col(pl.Decimal).cast(pl.Float64),
        pl.selectors.float().fill_nan(None),
        pl.selectors.datetime(time_zone="*").dt.convert_time_zone("UTC").dt.replace_time_zone(None),
    )


@dataclass(frozen=True)
class Parquet:
    """A Parquet file, of which only the columns and rows asked for are read."""

    place: Place
    names: tuple[str, ...]

    @classmethod
    def open(cls, place: Place) -> Parquet:
        """Read the description of the columns.

        Raises
        ------
        FileFormatError
            If the file is damaged.
        """
        with _Damage(place, "Parquet"):
            place.file.seek(0)
            return cls(place, tuple(pl.read_parquet_schema(place.file)))

    def scan(self, columns: Sequence[str]) -> pl.LazyFrame:
        """Return the plan that reads some columns."""
        self.place.file.seek(0)
        return pl.scan_parquet(self.place.file, glob=False).select(columns)

    def frames(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield some of the columns, a block of rows at a time.

        Raises
        ------
        FileFormatError
            If the file is damaged, or changes meanwhile.
        """
        # polars' own batches read ahead, of a large file more than of a small one
        step = max(1024, _VALUES_AT_ONCE // len(columns))
        with _Damage(self.place, "Parquet"):
            n = self.scan(columns).select(pl.len()).collect().item()
        for start in range(0, n, step):
            with _Damage(self.place, "Parquet"):
                frame = self.scan(columns).slice(start, step).collect()
            yield settled_types(frame)
        self.place.require_unchanged()


@dataclass(frozen=True)
class InMemory:
    """A table that is read as a whole."""

    place: Place
    frame: pl.DataFrame

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.frame.columns)

    @classmethod
    def arrow(cls, place: Place) -> InMemory:
        """Read an Arrow (Feather) file, or a stream.

        Raises
        ------
        FileFormatError
            If it is damaged.
        """
        # into memory: of a file that is mapped and cut off meanwhile, the process would die
        with _Damage(place, "Arrow"):
            is_file = place.first_bytes.startswith(b"ARROW1")
            place.file.seek(0)
            content = io.BytesIO(place.file.read())
            return cls(place, (pl.read_ipc if is_file else pl.read_ipc_stream)(content))

    @classmethod
    def json(cls, place: Place) -> InMemory:
        """Read one JSON array of objects.

        Raises
        ------
        InputError
            If it is none.
        """
        try:
            return cls(place, pl.read_json(b"".join(text_blocks(place)), infer_schema_length=None))
        except pl.exceptions.PolarsError as error:
            raise InputError(f"{place.name} cannot be read as JSON: {_first(error)}") from None

    @classmethod
    def excel(cls, place: Place) -> InMemory:
        """Read the first sheet of an Excel file.

        Raises
        ------
        MissingExtraError
            If what reads such files is not installed.
        InputError
            If it is none, or its first row has a gap.
        """
        try:
            import fastexcel
        except ModuleNotFoundError:
            raise MissingExtraError("fastexcel", "excel", "reading Excel files") from None
        try:
            place.file.seek(0)
            book = fastexcel.read_excel(place.file.read())
            sheet = book.load_sheet(0, schema_sample_rows=None)
            frame = sheet.to_polars()
        except fastexcel.FastExcelError as error:
            raise FileFormatError(
                f"{place.name} cannot be read as an Excel file: {_first(error)}"
            ) from None
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))  # rows below the table
        return cls(place, frame.rename(str.strip))

    def frames(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield some of the columns, a block of rows at a time."""
        step = max(1024, _VALUES_AT_ONCE // len(columns))
        for frame in self.frame.select(columns).iter_slices(step):
            yield settled_types(frame)


@dataclass(frozen=True)
class JsonLines:
    """A file with a JSON object in each line."""

    place: Place
    names: tuple[str, ...]

    @classmethod
    def open(cls, place: Place) -> JsonLines:
        """Find the names, in all lines.

        Raises
        ------
        InputError
            If a line is no JSON object.
        """
        names: dict[str, None] = {}
        for frame in cls(place, ()).all_frames():
            names |= dict.fromkeys(frame.columns)
        if not names:
            raise InputError(f"{place.name} is empty: a JSON object in each line is needed")
        return cls(place, tuple(names))

    def frames(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield some of the columns, a block of rows at a time; null where a line lacks a name."""
        for frame in self.all_frames():
            there = [name for name in columns if name in frame.columns]
            gaps = {name: pl.lit(None) for name in columns if name not in there}
            yield settled_types(frame.select(there).with_columns(**gaps).select(columns))
        self.place.require_unchanged()

    def all_frames(self) -> Iterator[pl.DataFrame]:
        """Yield all columns that a block of lines has."""
        rest, n_lines = b"", 0
        for more in text_blocks(self.place):
            buffer = rest + more
            cut = buffer.rfind(b"\n") + 1
            block, rest = buffer[:cut], buffer[cut:]
            if block.strip():
                yield self._frame(block, n_lines)
            n_lines += block.count(b"\n")
        if rest.strip():
            yield self._frame(rest, n_lines)

    def _frame(self, block: bytes, n_lines: int) -> pl.DataFrame:
        try:
            return pl.read_ndjson(block, infer_schema_length=None)
        except pl.exceptions.PolarsError as error:
            for i, line in enumerate(block.split(b"\n"), n_lines + 1):
                if reason := _no_object(line):
                    raise InputError(
                        f"line {i} of {self.place.name} is no JSON object ({reason}): correct it"
                    ) from None
            raise InputError(
                f"{self.place.name} cannot be read as JSON lines: {_first(error)}"
            ) from None


def _no_object(line: bytes) -> str:
    """Return why a line that is not blank is no JSON object."""
    try:
        if line.strip() and not isinstance(json.loads(line), dict):
            return "it has no braces around it"
    except ValueError as error:
        return str(error)
    return ""


class _Damage:
    """Turns what polars says of a damaged file into a sentence."""

    def __init__(self, place: Place, kind: str) -> None:
        self.place, self.kind = place, kind

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, _DAMAGED):
            return
        self.place.require_unchanged()
        raise FileFormatError(
            f"{self.place.name} is not a whole {self.kind} file ({_first(error)}): it may be "
            "truncated; copy or export it again"
        ) from None


def _first(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


@dataclass
class Typed:
    """Keeps a column that has a type, block by block; of other types, what holds both."""

    name: str
    parts: list[pl.Series] = field(default_factory=list)

    def add(self, values: pl.Series) -> None:
        """Take the next block of values."""
        self.parts.append(values)

    def series(self) -> pl.Series:
        """Return the whole column."""
        if not self.parts:
            return pl.Series(self.name, [])
        dtype = functools.reduce(_both, (part.dtype for part in self.parts))
        return pl.concat([part.cast(dtype) for part in self.parts])


def _both(a: pl.DataType, b: pl.DataType) -> pl.DataType:
    if a == b or b == pl.Null:
        return a
    if a == pl.Null:
        return b
    if (a.is_numeric() or a == pl.Boolean) and (b.is_numeric() or b == pl.Boolean):
        return pl.Float64() if a.is_float() or b.is_float() else pl.Int64()
    if a.is_temporal() and b.is_temporal() and pl.Time not in (a, b) and pl.Duration not in (a, b):
        return pl.Datetime("us")
    return pl.String()
