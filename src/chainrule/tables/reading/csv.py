"""A CSV file as frames of text, a block of its lines at a time."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from chainrule.errors import InputError, listing
from chainrule.tables.reading.lines import require_utf8, text_blocks
from chainrule.tables.reading.places import Place

# What stands for a missing value in a CSV file, in small letters. "none" is not among them: it
# is a value of its own in too many tables.
MISSING = ("", "na", "n/a", "nan", "null", "?")
# The usual ways to write them: polars tells capitals from small letters.
_SPELLED_MISSING = {f(word) for word in MISSING for f in (str, str.upper, str.title)} | {"NaN"}
_SEPARATORS = ",;\t|"
_LONGEST_ROW = 16 << 20
_QUOTE, _NEWLINE = b'"', b"\n"


@dataclass(frozen=True)
class Csv:
    """A CSV file whose header has been read."""

    place: Place
    names: tuple[str, ...]
    separator: str
    unnamed: tuple[int, ...]
    """The columns that had no name, counted from 1, and are called after their number."""

    @classmethod
    def open(cls, place: Place, separator: str | None = None) -> Csv:
        """Read the header.

        Parameters
        ----------
        place : Place
            The file.
        separator : str, optional
            Found in the first line by default.

        Raises
        ------
        InputError
            If there is none, or two columns have one name.
        """
        block, _ = next(_blocks_of_rows(place, separator), (b"", 0))
        if not block:
            raise InputError(
                f"{place.name} is empty: a table with column names in its first line is needed"
            )
        if separator is None:
            bare = re.sub(rb'"[^"]*"', b"", block.lstrip().split(_NEWLINE, 1)[0]).decode()
            separator = max(_SEPARATORS, key=bare.count)
        names = [name.strip() for name in _header(block, separator)[0]]
        unnamed = [i for i, name in enumerate(names, 1) if not name]
        names = [name or f"column {i}" for i, name in enumerate(names, 1)]
        _require_different(place, names)
        return cls(place, tuple(names), separator, tuple(unnamed))

    def frames(
        self, columns: Sequence[str], types: Mapping[str, pl.DataType] | None = None
    ) -> Iterator[pl.DataFrame]:
        """Yield some of the columns, a block of rows at a time, as text as it stands in the file.

        Parameters
        ----------
        columns : sequence of str
            Their names.
        types : mapping, optional
            Types that columns probably have, which may change while the blocks come: a block has
            either these types, and null for `MISSING`, or text throughout.

        Raises
        ------
        InputError
            If a row has more or fewer fields than the header, or a quote is not closed.
        """
        header = True
        for block, n_lines in _blocks_of_rows(self.place, self.separator):
            if header:
                header = False
                _, n_bytes, n_more = _header(block, self.separator)
                block, n_lines = block[n_bytes:], n_lines + n_more
            if not block.strip():
                continue
            frame = None
            if self._is_regular(block):
                if types:
                    frame = self._frame(block, columns, types)
                if frame is None:
                    frame = self._frame(block, columns, {})
            yield self._frame_exactly(block, n_lines, columns) if frame is None else frame
        self.place.require_unchanged()

    def scan(self, block: bytes, columns: Sequence[str], types: Mapping[str, Any]) -> pl.LazyFrame:
        """Return the plan that reads some columns of a block of rows."""
        # by numbers, because names may be anything
        wanted = {str(self.names.index(name)): name for name in columns}
        schema = {str(i): types.get(name, pl.String) for i, name in enumerate(self.names)}
        scan = pl.scan_csv(
            block, has_header=False, schema=schema, separator=self.separator, glob=False,
            null_values=list(_SPELLED_MISSING) if types else None,
        )  # fmt: skip
        return scan.select(list(wanted)).rename(wanted)

    def _frame(
        self, block: bytes, columns: Sequence[str], types: Mapping[str, Any]
    ) -> pl.DataFrame | None:
        try:
            return self.scan(block, columns, types).collect()
        except pl.exceptions.PolarsError:
            return None

    def _is_regular(self, block: bytes) -> bool:
        """Return whether each line is a row of the right length, as far as a quick look tells.

        A row too long with one too short may slip through, and polars finds the first of them.
        """
        n_between = len(self.names) - 1
        if len(self.names) == 1 and re.search(rb"(?:^|\n)\r?\n", block):
            return False
        if _QUOTE not in block:
            text = np.frombuffer(block, np.uint8)  # many times as fast as bytes.count
            n_lines = np.count_nonzero(text == ord(_NEWLINE)) + (not block.endswith(_NEWLINE))
            return bool(np.count_nonzero(text == ord(self.separator)) == n_between * n_lines)
        return _is_regular_with_quotes(block, self.separator.encode(), n_between)

    def _frame_exactly(self, block: bytes, n_lines: int, columns: Sequence[str]) -> pl.DataFrame:
        places = [self.names.index(name) for name in columns]
        found: list[list[str]] = [[] for _ in places]
        line = n_lines + 1
        try:
            for row, _, n_read in _rows(block, self.separator, strict=True):
                if row and len(row) != len(self.names):
                    s = "s" if len(row) > 1 else ""
                    raise InputError(
                        f"line {n_lines + n_read} of {self.place.name} has {len(row)} field{s}, "
                        f"but the first line has {len(self.names)}: correct that line (a "
                        f"{self.separator!r} inside a value needs quotes around it)"
                    )
                if row:  # blank lines are no rows
                    for values, i in zip(found, places, strict=True):
                        values.append(row[i])
                line = n_lines + n_read + 1
        except csv.Error as error:
            raise InputError(
                f"line {line} of {self.place.name} cannot be read as CSV ({error}): look there for "
                "a quote that is not closed"
            ) from None
        series = [pl.Series(n, v, pl.String) for n, v in zip(columns, found, strict=True)]
        return pl.DataFrame(series)


def _header(block: bytes, separator: str) -> tuple[list[str], int, int]:
    """Return the first row, with the bytes and lines up to its end."""
    return next(found for found in _rows(block, separator) if found[0])


def _rows(
    block: bytes, separator: str | None, strict: bool = False
) -> Iterator[tuple[list[str], int, int]]:
    """Yield each row of a block by Python's reader, with the bytes and lines up to its end.

    It is slow and exact: a quote in the middle of a value is a quote.
    """
    n_bytes = 0

    def lines() -> Iterator[str]:
        nonlocal n_bytes
        for line in io.TextIOWrapper(io.BytesIO(block), "utf-8", "surrogateescape", newline=""):
            n_bytes += len(line.encode("utf-8", "surrogateescape"))
            yield line

    reader = csv.reader(lines(), delimiter=separator or ",", strict=strict)
    for row in reader:
        yield row, n_bytes, reader.line_num


def _blocks_of_rows(place: Place, separator: str | None) -> Iterator[tuple[bytes, int]]:
    """Yield blocks of whole rows, and how many lines come before each; the first has a row.

    Raises
    ------
    InputError
        If a quote is not closed within 16 MB.
    """
    rest, n_lines, started = b"", 0, False
    for more in text_blocks(place):
        buffer = rest + more
        cut = _end_of_rows(buffer)
        if not cut and len(buffer) > _LONGEST_ROW and _QUOTE in buffer:
            cut = _end_of_rows_exactly(buffer, separator)
            if not cut:
                raise InputError(
                    f"line {n_lines + 1} of {place.name} cannot be read as CSV: a quote in it is "
                    "not closed within 16 MB"
                )
        block, rest = buffer[:cut], buffer[cut:]
        if block and (started or block.strip()):
            started = True
            require_utf8(block, place.name, n_lines)
            yield block, n_lines
        n_lines += block.count(_NEWLINE)
    if rest and (started or rest.strip()):
        require_utf8(rest, place.name, n_lines)
        yield rest, n_lines


def _end_of_rows(buffer: bytes) -> int:
    """Return where the last whole row ends, 0 if there is none.

    That is the last end of a line with an even number of quotes before it.
    """
    cut = buffer.rfind(_NEWLINE) + 1
    n_quotes = buffer.count(_QUOTE, 0, cut)
    while n_quotes % 2:
        before = buffer.rfind(_NEWLINE, 0, buffer.rfind(_QUOTE, 0, cut)) + 1
        n_quotes -= buffer.count(_QUOTE, before, cut)
        cut = before
    return cut


def _end_of_rows_exactly(buffer: bytes, separator: str | None) -> int:
    """Return the same where quotes stand in the middle of values, which close nothing."""
    end = 0
    try:
        for _, n_bytes, _ in _rows(buffer, separator, strict=True):
            end = n_bytes if buffer[n_bytes - 1 : n_bytes] == _NEWLINE else end
    except csv.Error:  # the last quote is open
        pass
    return end


def _is_regular_with_quotes(block: bytes, separator: bytes, n_between: int) -> bool:
    text = np.frombuffer(block, np.uint8)
    special = np.zeros(256, bool)
    special[[*b'"\n', *separator]] = True
    at = np.flatnonzero(special[text])
    kind = text[at]
    quote, newline = kind == ord(_QUOTE), kind == ord(_NEWLINE)
    before = np.cumsum(quote)
    odd = before % 2 == 1
    # a quote opens at the start of a value and closes at its end, or is one of two
    opening, closing = at[quote & odd], at[quote & ~odd]
    special[ord("\r")] = True
    starts = special[text[opening - 1]] | (opening == 0)
    ends = special[text[np.minimum(closing + 1, len(text) - 1)]]
    if len(opening) != len(closing) or not (starts.all() and ends.all()):
        return False
    ends = np.flatnonzero(newline & ~odd)
    n_separators = np.cumsum((kind == separator[0]) & ~odd)
    in_rows = np.diff(n_separators[ends], prepend=0)
    after_last = n_separators[-1] - (n_separators[ends[-1]] if len(ends) else 0)
    last = block.endswith(_NEWLINE) or after_last == n_between
    return bool((in_rows == n_between).all() and last)


def looks_like_values(names: Sequence[str]) -> bool:
    """Return whether column names are numbers, so that a file seems to lack its header.

    Examples
    --------
    >>> looks_like_values(["5.1", "3.5"]), looks_like_values(["width", "2"])
    (True, False)
    """
    return pl.Series(names).cast(pl.Float64, strict=False).null_count() == 0


def _require_different(place: Place, names: Sequence[str]) -> None:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice and not looks_like_values(names):
        raise InputError(
            f"{place.name} has more than one column {listing(twice)}: give each its own name"
        )
    if twice:
        raise InputError(
            f"the first line of {place.name} is numbers ({listing(names)}), but column names are "
            "needed: add a line with names above it"
        )
