"""Arrays and a JSON description in one safetensors file, written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from chainrule.errors import FileFormatError, InputError, NotWrittenError
from chainrule.numerics import Array

FORMAT_VERSION = 1
_KEY = "chainrule"


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that at any moment it is either the old one or the new one, whole.

    A symbolic link is followed; a pipe or a device, such as /dev/stdout, is written to.

    Raises
    ------
    NotWrittenError
        If the folder does not exist or cannot be written to, or the disk is full.
    """
    with atomically(path) as file:
        file.write(content)


@contextlib.contextmanager
def atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file to write that takes the place of the old one when all of it is written.

    As `write_atomically`, for what is written piece by piece; after an exception nothing has
    changed.

    Raises
    ------
    NotWrittenError
        If the folder does not exist or cannot be written to, or the disk is full.
    """
    if not str(path):
        raise InputError("the name of the file to write is empty: name a file")
    # A link stays a link, and a pipe or a device is written to: neither may be replaced.
    target = Path(os.path.realpath(path))
    try:
        mode = target.stat().st_mode
    except OSError:
        mode = None
    if mode is not None and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        try:
            with open(target, "wb") as device:
                yield device
        except OSError as error:
            raise NotWrittenError(f"cannot write {path}: {error.strerror or error}") from None
        return
    name = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except OSError as error:
        raise NotWrittenError(f"cannot write {path}: {_reason(error, target.parent)}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            if mode is not None:  # the permissions of what it replaces
                os.fchmod(handle, stat.S_IMODE(mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except OSError as error:
        raise NotWrittenError(f"cannot write {path}: {_reason(error, target)}") from None
    finally:
        name.unlink(missing_ok=True)


def _reason(error: OSError, path: Path) -> str:
    if isinstance(error, FileNotFoundError):
        return f"the folder {path} does not exist; create it first"
    if isinstance(error, PermissionError):
        return f"no permission to write in {path}; choose another folder"
    if isinstance(error, IsADirectoryError):
        return f"{path} is a folder; name a file"
    return f"{error.strerror or error}; what was there before is unchanged"


def write(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], description: dict[str, Any]
) -> None:
    """Write named arrays and a description.

    Raises
    ------
    InputError
        If the file cannot be written; what was there before is unchanged.
    """
    from safetensors.numpy import save

    header = {"format_version": FORMAT_VERSION, **description}
    # Sorted, and the only key of the metadata, whose order safetensors leaves to chance: the
    # same content gives the same bytes.
    text = json.dumps(header, sort_keys=True)
    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_atomically(path, save(tensors, {_KEY: text}))


def read(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays and the description of a file that `write` wrote.

    Parameters
    ----------
    path : str or path
        The file.
    kind : str
        What the description's ``"kind"`` must be.

    Raises
    ------
    InputError
        If there is no such file.
    FileFormatError
        If it is not a safetensors file, is damaged, was not written by chainrule, holds
        something else, or was written by a newer version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(_KEY)
            if text is None:
                raise FileFormatError(
                    f"{path} is a safetensors file, but was not written by chainrule: its "
                    "architecture is not in it"
                )
            description = _parse(text)
            _check_header(path, description, kind)
            return {name: file.get_tensor(name) for name in file.keys()}, description  # noqa: SIM118 - not a dict
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except MemoryError:
        raise FileFormatError(
            f"{path} needs more memory than there is: if it is not as large as that, it is damaged"
        ) from None
    # numbers of types that NumPy does not have end as an AttributeError or a TypeError
    except (SafetensorError, ValueError, OSError, AttributeError, TypeError) as error:
        if isinstance(error, FileFormatError):
            raise
        if Path(path).is_dir():
            raise InputError(f"{path} is a folder, not a file") from None
        if isinstance(error, PermissionError):
            raise InputError(f"no permission to read {path}") from None
        raise FileFormatError(
            f"{path} is not a whole safetensors file ({error}): it may be truncated or of "
            "another format; take a backup, or train again"
        ) from None


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its description is nested too deeply") from None


def _check_header(path: str | os.PathLike[str], description: Any, kind: str) -> None:
    version = description.get("format_version") if isinstance(description, dict) else None
    if not isinstance(version, int) or version < 1:
        raise FileFormatError(f"{path} has no format version: its description is damaged")
    if version > FORMAT_VERSION:
        raise FileFormatError(
            f"{path} was written by a newer chainrule (format {version}; this one reads up to "
            f"{FORMAT_VERSION}): upgrade chainrule to read it"
        )
    if description.get("kind") != kind:
        raise FileFormatError(f"{path} holds a {description.get('kind')}, not a {kind}")
