"""Files that a browser sends: read as data, and no more of it than this machine can hold."""

from __future__ import annotations

import io
import os
import tempfile
from typing import TYPE_CHECKING

from chainrule import loading, tables
from chainrule.errors import ChainruleError, InputError
from chainrule.network import Network

if TYPE_CHECKING:
    import polars

MOST_COLUMNS = 1000
_MOST_CELLS = 10_000_000  # what a CSV file of the largest upload may have at most


def table(content: bytes, name: str) -> polars.DataFrame:
    """Return the table of an uploaded file.

    Raises
    ------
    InputError, FileFormatError
        If it is none, is damaged, or unfolds to more than can be shown.
    """
    rows, columns = _size(content)
    if columns > MOST_COLUMNS or rows * columns > _MOST_CELLS:
        size = f"{columns:,} columns" + (f" and {rows:,} rows" if rows else "")
        raise InputError(
            f"{name} has {size}, but an uploaded table may have {MOST_COLUMNS:,} columns and "
            f"{_MOST_CELLS:,} values: leave some out, or name the file on the command line"
        )
    return tables.parse(content, name)


def _size(content: bytes) -> tuple[int, int]:
    """Return what a table says of its rows (0 where it does not) and columns, before it is read."""
    if content[:4] != b"PAR1":
        first = content.lstrip().partition(b"\n")[0]
        return 0, 1 + max(first.count(separator) for separator in (b",", b";", b"\t", b"|"))
    import polars as pl

    try:
        found = pl.scan_parquet(io.BytesIO(content))
        return found.select(pl.len()).collect().item(), len(found.collect_schema())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return 0, 0  # damaged, as reading it will say


def network(content: bytes, name: str) -> Network:
    """Return the network of an uploaded file.

    Raises
    ------
    InputError, FileFormatError
        If it is none, is damaged, or has functions of the user's own.
    """
    handle, path = tempfile.mkstemp(suffix=".safetensors")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        return loading.load(path)
    except ChainruleError as error:
        raise type(error)(str(error).replace(path, name)) from None
    finally:
        os.unlink(path)
