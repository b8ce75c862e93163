"""What the command line says: lines, progress, and one sentence for an error."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended."""


class Failure(Exception):
    """What went wrong without the user having asked for something wrong: exit code 1."""


class Stopped(Exception):
    """Ctrl-C, with what was kept: exit code 130."""


def say(text: str = "") -> None:
    """Print to standard output, at once, so that a pipe sees it when it happens."""
    print(sayable(text), flush=True)


def sayable(text: str) -> str:
    """Return a text with ``?`` for what the encoding of standard output cannot carry."""
    encoding = stdout_encoding()
    return text.encode(encoding, "replace").decode(encoding)


def stdout_encoding() -> str:
    """Return the name of the encoding of standard output."""
    return sys.stdout.encoding or "utf-8"


def write(content: str) -> None:
    """Write a file's content to standard output, in UTF-8 as a file is, whatever the terminal."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(content)


def warn(text: str) -> None:
    """Print a line to standard error, where it does not mix with results."""
    print(f"note: {text}", file=sys.stderr, flush=True)


def program() -> str:
    """Return what runs this program: ``chainrule``, or its path where the shell finds none."""
    here = Path(sys.argv[0])
    if here.name != "chainrule" or not here.is_file() or shutil.which("chainrule"):
        return "chainrule"
    return os.path.relpath(here)


def facts(rows: Sequence[tuple[str, str]]) -> None:
    """Print names with their values in two columns; a value may have several lines."""
    width = max(len(name) for name, _ in rows) + 3
    for name, value in rows:
        say(f"{name:<{width}}" + value.replace("\n", "\n" + " " * width))


def terminal() -> Console | None:
    """Return a rich console if standard output is a terminal."""
    if not sys.stdout.isatty():
        return None
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal and not console.is_dumb_terminal else None


def require_writable(output: Path, inputs: Sequence[Path | None] = ()) -> None:
    """Refuse an output file before any work is done for it.

    Raises
    ------
    InputError
        If it is one of the inputs or a folder, or its folder is not there or not writable.
    """
    if output.is_dir():
        raise InputError(f"{output} is a folder: name a file in it, such as {output / 'out'}")
    if not output.parent.is_dir():
        raise InputError(f"cannot write {output}: there is no folder {output.parent}; create it")
    for path in inputs:
        if path is not None and output.exists() and path.exists() and output.samefile(path):
            raise InputError(f"{output} is what is read: name another file to write")
    try:
        # Trying is the only test that covers read-only file systems and access lists.
        tempfile.TemporaryFile(dir=output.parent).close()
    except OSError as error:
        raise InputError(
            f"cannot write in the folder {output.parent} ({error.strerror}): choose another with -o"
        ) from None
    if output.exists() and not os.access(output, os.W_OK):
        raise InputError(f"{output} is write-protected: choose another file with -o")
