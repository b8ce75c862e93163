"""From files to data frames: what the columns are is found out in all rows, or said by the user.

`places` opens files, `lines` unpacks text, `csv` and `columnar` know formats, `spelling` and
`dates` what text stands for, `wishes` what the user says of it; `table` puts them together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence

import polars as pl

from chainrule.errors import FileFormatError, InputError, closest, listing, require_choice
from chainrule.tables.reading import places
from chainrule.tables.reading.columnar import InMemory, JsonLines, Parquet
from chainrule.tables.reading.csv import Csv, looks_like_values
from chainrule.tables.reading.lines import text_blocks
from chainrule.tables.reading.places import Place
from chainrule.tables.reading.spelling import as_numbers
from chainrule.tables.reading.table import Part, Table
from chainrule.tables.reading.wishes import Wishes, names_in

__all__ = [
    "FORMATS", "Files", "Table", "Wishes", "as_numbers", "looks_like_values", "names_in",
    "open_table", "parse", "read",
]  # fmt: skip

FORMATS = ("csv", "tsv", "parquet", "arrow", "jsonl", "json", "excel")
_ENDINGS = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet", ".pq": "parquet",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".json": "json", ".xlsx": "excel", ".xls": "excel", ".xlsm": "excel", ".xlsb": "excel",
    ".ods": "excel",
}  # fmt: skip
_OTHER_NAMES = {"feather": "arrow", "ipc": "arrow", "ndjson": "jsonl", "xlsx": "excel"}
_MAGIC = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow"}
_ZIP, _OLD_OFFICE = b"PK\3\4", b"\xd0\xcf\x11\xe0"


Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def open_table(files: Files, kind: str | None = None) -> Table:
    """Open the files of a table, and read the names of its columns.

    Parameters
    ----------
    files : path, or sequence of paths
        CSV in UTF-8 or UTF-16 (the separator may be a comma, a semicolon, a tab or ``|``), Parquet,
        Arrow (Feather), JSON lines, Excel; text may be compressed by gzip or zstd. Patterns such as
        ``data/*.csv`` name several, ``-`` standard input.
    kind : str, optional
        The format, one of `FORMATS`; by default it is known by the first bytes, else by the ending.

    Raises
    ------
    InputError
        If there is no such file, or it holds no table, or the files have different columns.
    FileFormatError
        If a Parquet or Arrow file is damaged.
    MissingExtraError
        If what reads Excel files is not installed.
    """
    if kind is not None:
        kind = _OTHER_NAMES.get(kind.lower(), kind.lower())
        require_choice("the format", kind, FORMATS)
    parts = [_open(place, kind) for place in places.find(files)]
    first, names = parts[0], parts[0].names
    for part in parts[1:]:
        if set(part.names) != set(names):
            _refuse_other_columns(first, part)
    kinds = {type(part) for part in parts}
    if len(kinds) > 1:
        raise InputError(
            f"{first.place.name} and {_other(parts).place.name} are of different formats: convert "
            "them to one"
        )
    s = "" if len(parts) == 1 else f" and {len(parts) - 1} more"
    return Table(tuple(parts), first.place.name + s)


def read(files: Files, text: Collection[str] = ()) -> pl.DataFrame:
    """Read a table; see `open_table` and `Table.read`."""
    return open_table(files).read(text=text)[0]


def parse(content: str | bytes, name: str, text: Collection[str] = ()) -> pl.DataFrame:
    """Return the table of a file's content; `name` is what errors call it."""
    place = places.of_content(name, content.encode() if isinstance(content, str) else content)
    return Table((_open(place, None),), name).read(text=text)[0]


def _open(place: Place, kind: str | None) -> Part:
    match kind or _format_of(place):
        case "parquet":
            return Parquet.open(place)
        case "arrow":
            return InMemory.arrow(place)
        case "excel":
            return InMemory.excel(place)
        case "jsonl":
            return JsonLines.open(place)
        case "json":
            return InMemory.json(place)
        case "tsv":
            return Csv.open(place, "\t")
    return Csv.open(place)


def _format_of(place: Place) -> str:
    head = place.first_bytes
    for start, found in _MAGIC.items():
        if head.startswith(start):
            return found
    by_name = _ENDINGS.get(place.ending)
    if head[:4] in (_ZIP, _OLD_OFFICE):
        if by_name == "excel" or b"xl/" in head:
            return "excel"
        raise InputError(
            f"{place.name} is a zip archive or an office document: unpack it, or save the table as "
            "CSV in UTF-8 or as Parquet"
        )
    if by_name in ("parquet", "arrow", "excel"):
        if not head:
            raise InputError(f"{place.name} is empty: a table with columns and rows is needed")
        raise FileFormatError(
            f"{place.name} does not begin as a whole {by_name.capitalize()} file does: it may be "
            "truncated, or of another format; copy or export it again, or name the format with "
            "--format"
        )
    if by_name in ("jsonl", "json", None):
        start = next((b for block in text_blocks(place) if (b := block.lstrip())), b"")
        if start[:1] == b"{":
            return "jsonl"
        if re.match(rb"\[\s*[{\]]", start):
            return "json"
        if by_name in ("json", "jsonl") and start:
            raise InputError(
                f"{place.name} does not begin with {{ as a JSON object does: name its format with "
                "--format"
            )
    return "csv"


def _refuse_other_columns(first: Part, other: Part) -> None:
    missing = [repr(name) for name in first.names if name not in other.names]
    more = [repr(name) for name in other.names if name not in first.names]
    said = " and ".join(
        f"{verb} {listing(names)}"
        for verb, names in (("lacks", missing), ("has also", more))
        if names
    )
    hint = closest(missing[0], more) if missing and more else ""
    raise InputError(
        f"{other.place.name} has not the columns of {first.place.name}: it {said}{hint}; the files "
        "of one table need the same columns"
    )


def _other(parts: Sequence[Part]) -> Part:
    return next(part for part in parts if type(part) is not type(parts[0]))
