"""Text of a file as blocks of whole lines in UTF-8, whatever it was packed in."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator

import polars as pl

from chainrule.errors import FileFormatError, InputError
from chainrule.tables.reading.places import Place

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR"}
_WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
BLOCK = 4 << 20
"""Bytes that are looked at at once."""


def text_blocks(place: Place) -> Iterator[bytes]:
    """Yield the text of a file in blocks of about 4 MB, in UTF-8 and without a byte order mark.

    Compression by gzip or zstd, and UTF-16, are known by the first bytes. A block may end anywhere.

    Raises
    ------
    InputError
        If it is no text.
    FileFormatError
        If what is compressed is cut off or damaged.
    """
    first = True
    decode = None
    old_lines = False
    for block in _unpacked(place):
        if first:
            first = False
            if wide := _WIDE.get(block[:2]):
                decode = codecs.getincrementaldecoder(wide)()
                block = block[2:]
            elif b"\0" in block[:4096]:
                raise InputError(
                    f"{place.name} is not text in UTF-8: save the table as CSV in UTF-8, or as "
                    "Parquet"
                )
            block = block.removeprefix(codecs.BOM_UTF8)
            old_lines = b"\r" in block and b"\n" not in block and b"\r\0" not in block
        if decode is not None:
            try:
                block = decode.decode(block).encode()
            except UnicodeError as error:
                raise InputError(f"{place.name} is not whole text in UTF-16: {error}") from None
        yield block.replace(b"\r", b"\n") if old_lines else block


def _unpacked(place: Place) -> Iterator[bytes]:
    head = place.first_bytes
    for start, kind in _OTHERS.items():
        if head.startswith(start):
            raise InputError(
                f"{place.name} is compressed by {kind}: unpack it, or use gzip or zstd"
            )
    place.file.seek(0)
    try:
        if head[:2] == _GZIP:
            with gzip.open(place.file) as unpacked:
                while block := unpacked.read(BLOCK):
                    yield block
        elif head[:4] == _ZSTD:
            # polars has zstd, and would lose a cut off end of gzip without a word
            lines = pl.scan_lines(place.file)
            for batch in lines.collect_batches(chunk_size=BLOCK // 64):
                yield batch.select(pl.col("line").str.join("\n")).item().encode() + b"\n"
        else:
            while block := place.file.read(BLOCK):
                yield block
    except (EOFError, gzip.BadGzipFile, zlib.error, pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(
            f"{place.name} cannot be read to its end ({reason}): it may be cut off or damaged; "
            "copy or export it again"
        ) from None


def require_utf8(block: bytes, name: str, lines_before: int) -> None:
    """Refuse a block of whole lines that is not UTF-8.

    Raises
    ------
    InputError
        Naming the line and the byte.
    """
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError as error:
        line = lines_before + block.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name} is not UTF-8: line {line} has the byte 0x{block[error.start]:02x}, so it is "
            f"probably Latin-1; convert it: iconv -f latin1 -t utf-8 {name} > utf8.csv"
        ) from None
