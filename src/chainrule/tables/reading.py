"""From a CSV or Parquet file to a data frame and back, with errors that say where."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import polars as pl

from chainrule import storage
from chainrule.errors import FileFormatError, InputError, listing

# What stands for a missing value in a CSV file, in small letters. "none" is not among them: it
# is a value of its own in too many tables.
_MISSING = ("", "na", "n/a", "nan", "null", "?")
_PARQUET = b"PAR1"
_SEPARATORS = ",;\t|"


def read(path: str | os.PathLike[str], text: Collection[str] = ()) -> pl.DataFrame:
    """Read a table.

    Parameters
    ----------
    path : str or path
        A Parquet file, known by its ending or its first bytes, or a CSV file in UTF-8 with the
        column names in its first line; the separator may be a comma, a semicolon, a tab or ``|``.
    text : collection of str, optional
        Columns of a CSV file to leave as text even if they look like numbers.

    Returns
    -------
    polars.DataFrame
        With numbers, booleans, dates (ISO 8601) and text; what is missing, NaN included, is null.

    Raises
    ------
    InputError
        If there is no such file, or it holds no table; the line is named where there is one.
    FileFormatError
        If a Parquet file is damaged.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a file: name a CSV or Parquet file")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except PermissionError:
        raise InputError(f"no permission to read {path}") from None
    return parse(content, str(path), text)


def parse(content: bytes, name: str, text: Collection[str] = ()) -> pl.DataFrame:
    """Return the table of a file's content; `name` is that of the file, for errors.

    Raises
    ------
    InputError, FileFormatError
        As `read`.
    """
    path = Path(name)
    if not content.strip():
        raise InputError(f"{path} is empty: a table with column names in its first line is needed")
    if content[:4] == _PARQUET or path.suffix.lower() in (".parquet", ".pq"):
        frame = _parquet(path, content)
    else:
        frame = _csv(path, content, text)
    if frame.height == 0:
        raise InputError(f"{path} has column names but no rows: add rows of values")
    return frame


def looks_like_values(names: Sequence[str]) -> bool:
    """Return whether column names are numbers, so that a file seems to lack its header.

    Examples
    --------
    >>> looks_like_values(["5.1", "3.5"]), looks_like_values(["width", "2"])
    (True, False)
    """
    return pl.Series(names).cast(pl.Float64, strict=False).null_count() == 0


def to_csv(frame: pl.DataFrame) -> str:
    """Return a data frame as the text of a CSV file."""
    return frame.write_csv()


def is_parquet(path: Path) -> bool:
    """Return whether a table of this name is written as Parquet, else it is CSV.

    Raises
    ------
    InputError
        If the ending is that of another format.
    """
    ending = path.suffix.lower()
    if ending in (".parquet", ".pq"):
        return True
    if ending in ("", ".csv", ".txt"):
        return False
    raise InputError(
        f"tables are written as .csv or .parquet, but {path.name} ends in {ending}: name another "
        "file with -o"
    )


def write(frame: pl.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table, whole or not at all: Parquet if the name ends so, else CSV.

    Raises
    ------
    InputError
        If the file cannot be written; what was there before is unchanged.
    """
    if is_parquet(Path(path)):
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        storage.write_atomically(path, buffer.getvalue())
    else:
        storage.write_atomically(path, to_csv(frame).encode())


def _parquet(path: Path, content: bytes) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    # polars panics, which is no PolarsError, on some damaged files
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise FileFormatError(
            f"{path} is not a whole Parquet file ({reason}): it may be truncated; copy or export "
            "it again"
        ) from None
    return frame.with_columns(
        pl.col(pl.Categorical, pl.Enum).cast(pl.String),
        pl.col(pl.Decimal).cast(pl.Float64),
        pl.col(pl.Float32, pl.Float64).fill_nan(None),
    )


def _csv(path: Path, content: bytes, text: Collection[str]) -> pl.DataFrame:
    decoded = _decode(path, content)
    first = next((line for line in decoded.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=first.count)
    names, n_blank = _check_rows(path, decoded, separator)
    if n_blank:
        # Blank lines are no rows, but polars would read them as missing values.
        buffer = io.StringIO()
        kept = filter(None, csv.reader(io.StringIO(decoded, newline=""), delimiter=separator))
        csv.writer(buffer, delimiter=separator).writerows(kept)
        decoded = buffer.getvalue()
    try:
        frame = pl.read_csv(decoded.encode(), separator=separator, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as CSV: {reason}") from None
    frame.columns = names
    stripped = frame.select(pl.all().str.strip_chars())
    present = stripped.select(pl.when(~pl.all().str.to_lowercase().is_in(_MISSING)).then(pl.all()))
    return present.select(
        column if column.name in text else _typed(column, separator)
        for column in present.iter_columns()
    )


def _decode(path: Path, content: bytes) -> str:
    if content[:2] == b"PK" or b"\0" in content[:1024]:
        raise InputError(
            f"{path} is not text in UTF-8: export the table as a CSV file in UTF-8 (an Excel "
            "file: save it as 'CSV UTF-8') or as Parquet"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path} is not UTF-8: line {line} has the byte 0x{content[error.start]:02x}, so it is "
            f"probably Latin-1; convert it: iconv -f latin1 -t utf-8 {path} > utf8.csv"
        ) from None


def _check_rows(path: Path, decoded: str, separator: str) -> tuple[list[str], int]:
    """Return the column names and the number of blank lines; every row has as many fields."""
    reader = csv.reader(io.StringIO(decoded, newline=""), delimiter=separator)
    names: list[str] = []
    n_blank = 0
    try:
        for row in reader:
            if not row:
                n_blank += 1
            elif not names:
                names = [name.strip() for name in row]
            elif len(row) != len(names):
                s = "s" if len(row) > 1 else ""
                raise InputError(
                    f"line {reader.line_num} of {path} has {len(row)} field{s}, but the first line "
                    f"has {len(names)}: correct that line (a {separator!r} inside a value needs "
                    "quotes around it)"
                )
    except csv.Error as error:
        raise InputError(
            f"line {reader.line_num} of {path} cannot be read as CSV ({error}): look there for a "
            "quote that is not closed"
        ) from None
    _require_names(path, names)
    return names, n_blank


def _require_names(path: Path, names: Sequence[str]) -> None:
    if "" in names:
        raise InputError(
            f"column {names.index('') + 1} of {path} has no name in the first line: give each "
            "column one"
        )
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice and not looks_like_values(names):
        raise InputError(
            f"{path} has more than one column {listing(twice)}: give each its own name"
        )
    if twice:
        raise InputError(
            f"the first line of {path} is numbers ({listing(names)}), but column names are "
            "needed: add a line with names above it"
        )


def _typed(text: pl.Series, separator: str) -> pl.Series:
    """Return a column of text as what it spells, if every value that is there spells it."""
    attempts: tuple[Callable[[pl.Series], pl.Series], ...] = (
        lambda s: s.cast(pl.Int64, strict=False),
        lambda s: s.cast(pl.Float64, strict=False),
        # between other separators, 1,5 is one and a half; between commas, "1,234" is who knows
        *(() if separator == "," else (_decimal_commas,)),
        _booleans,
        _dates,
    )
    for attempt in attempts:
        typed = attempt(text)
        if typed.null_count() == text.null_count():
            return typed
    return text


def _decimal_commas(text: pl.Series) -> pl.Series:
    """Read 1,5 as one and a half."""
    if not text.drop_nulls().str.contains(r"^[-+]?(\d+|\d*,\d+)([eE][-+]?\d+)?$").all():
        return text.clear(len(text))
    return text.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)


def _booleans(text: pl.Series) -> pl.Series:
    lower = text.str.to_lowercase()
    known = lower.is_in(["true", "false"])
    return pl.select(pl.when(known).then(lower == "true").alias(text.name)).to_series()


def _dates(text: pl.Series) -> pl.Series:
    """Read ISO 8601 alone: 01/02/2024 is one day here and another there."""
    if not text.str.contains(r"^\d{4}-\d\d-\d\d").all():
        return text.clear(len(text))
    dates = text.str.to_date(strict=False)
    if dates.null_count() == text.null_count():
        return dates
    try:
        return text.str.to_datetime(strict=False)
    except pl.exceptions.PolarsError:
        return text.clear(len(text))
