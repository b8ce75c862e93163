"""From data frames to files, whole or not at all, however many rows there are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
from polars.io.plugins import register_io_source

from chainrule import storage
from chainrule.errors import InputError

_ENDINGS = {
    "": "csv", ".csv": "csv", ".txt": "csv", ".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet",
    ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".arrow": "arrow", ".feather": "arrow",
    ".ipc": "arrow",
}  # fmt: skip
_SINKS: dict[str, Callable[[pl.LazyFrame, BinaryIO], Any]] = {
    "csv": lambda rows, file: rows.sink_csv(file),
    "tsv": lambda rows, file: rows.sink_csv(file, separator="\t"),
    "parquet": lambda rows, file: rows.sink_parquet(file),
    "jsonl": lambda rows, file: rows.sink_ndjson(file),
    "arrow": lambda rows, file: rows.sink_ipc(file),
}


def format_to_write(path: str | os.PathLike[str]) -> str:
    """Return the format in which a table of this name is written.

    Raises
    ------
    InputError
        If the ending is that of another format.

    Examples
    --------
    >>> format_to_write("predictions.pq"), format_to_write("/dev/stdout")
    ('parquet', 'csv')
    """
    ending = Path(path).suffix.lower()
    if ending not in _ENDINGS:
        raise InputError(
            "tables are written as .csv, .tsv, .parquet, .arrow or .jsonl, but "
            f"{Path(path).name} ends in {ending}: name another file with -o"
        )
    return _ENDINGS[ending]


def write(frame: pl.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table in the format of the name's ending.

    Raises
    ------
    InputError
        If the file cannot be written; what was there before is unchanged.
    """
    write_all([frame], path)


def write_all(frames: Iterable[pl.DataFrame], path: str | os.PathLike[str]) -> int:
    """Write the rows of one frame after the other, and return how many there were.

    Parameters
    ----------
    frames : iterable of polars.DataFrame
        At least one, all of the same columns; they are taken when it is time to write them.
    path : path
        The file.

    Raises
    ------
    InputError
        If the file cannot be written; what was there before is unchanged.
    """
    sink = _SINKS[format_to_write(path)]
    rows = iter(frames)
    first = next(rows)
    n_rows = 0

    def given(*_: Any) -> Iterator[pl.DataFrame]:
        nonlocal n_rows
        frame: pl.DataFrame | None = first
        while frame is not None:
            n_rows += frame.height
            yield frame
            frame = next(rows, None)

    with storage.atomically(path) as file:
        try:
            sink(register_io_source(given, schema=first.schema), file)
        except pl.exceptions.PolarsError as error:
            raise OSError(None, str(error).rsplit(": ", 1)[-1]) from None
    return n_rows


def to_csv(frame: pl.DataFrame, header: bool = True) -> str:
    """Return a data frame as the text of a CSV file."""
    return frame.write_csv(include_header=header)
