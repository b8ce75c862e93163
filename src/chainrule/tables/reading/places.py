"""Where a table's bytes are: files, patterns of names, standard input."""

from __future__ import annotations

import glob
import io
import os
import shutil
import stat
import sys
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from chainrule.errors import FileFormatError, InputError

STANDARD_INPUT = "-"
_FIRST_BYTES = 1 << 16


@dataclass(frozen=True)
class Place:
    """An open file. It is held open, so that its name may go to another file meanwhile."""

    name: str
    """As the user wrote it."""
    file: BinaryIO
    stamp: tuple[int, int]
    """Its size and the time of its last change, when it was opened."""

    def __post_init__(self) -> None:
        """Close the file when nobody reads from it any more."""
        weakref.finalize(self, self.file.close)

    @property
    def first_bytes(self) -> bytes:
        """What it begins with."""
        self.file.seek(0)
        return self.file.read(_FIRST_BYTES)

    @property
    def ending(self) -> str:
        """The ending of its name, in small letters, without that of a compression."""
        path = Path(self.name.lower())
        if path.suffix in (".gz", ".zst", ".zstd"):
            path = path.with_suffix("")
        return path.suffix

    def require_unchanged(self) -> None:
        """Refuse what was read if the file changed meanwhile.

        Raises
        ------
        FileFormatError
            If its size or the time of its last change is another than when it was opened.
        """
        if _stamp(self.file) != self.stamp:
            raise FileFormatError(
                f"{self.name} changed while it was read: try again when nothing writes to it"
            )


def find(arguments: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Place]:
    """Open files by their names or by patterns of names; ``-`` is standard input.

    Raises
    ------
    InputError
        If there is no such file, it is a folder, or may not be read.
    """
    if isinstance(arguments, str | os.PathLike):
        arguments = [arguments]
    if not arguments:
        raise InputError("name at least one file")
    names: list[str] = []
    for argument in [os.fspath(argument) for argument in arguments]:
        matches = sorted(glob.glob(argument, recursive=True)) if glob.has_magic(argument) else []
        if glob.has_magic(argument) and not matches and not os.path.lexists(argument):
            raise InputError(f"no file matches {argument}")
        names += matches or [argument]
    return [_standard_input() if name == STANDARD_INPUT else _open(name) for name in names]


def of_content(name: str, content: bytes) -> Place:
    """Return a place for what is in memory."""
    return _kept(name, io.BytesIO(content))


def _open(name: str) -> Place:
    if os.path.isdir(name):
        raise InputError(
            f"{name} is a folder, not a file: name a file in it, or a pattern such as "
            f"'{os.path.join(name, '*.csv')}'"
        )
    try:
        file = open(name, "rb")  # noqa: SIM115 - the place holds it open
    except FileNotFoundError:
        raise InputError(f"there is no file {name}") from None
    except PermissionError:
        raise InputError(f"no permission to read {name}") from None
    except (OSError, ValueError) as error:  # a name that is too long, or has a null in it
        raise InputError(f"cannot read {name!r}: {getattr(error, 'strerror', error)}") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        with file:
            return _kept(name, file)  # a pipe, which can be read only once
    return Place(name, file, _stamp(file))


def _standard_input() -> Place:
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("- is standard input, but nothing is piped into it: name a file")
    return _kept("standard input", sys.stdin.buffer)


def _kept(name: str, stream: Any) -> Place:
    """Return the content of a stream as a file that has no name, and ends with the process."""
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the place holds it open
    shutil.copyfileobj(stream, file, 1 << 20)
    file.flush()
    return Place(name, file, _stamp(file))  # type: ignore[arg-type]


def _stamp(file: Any) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns
