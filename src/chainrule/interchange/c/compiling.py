"""A C compiler, if there is one."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from chainrule.errors import VerificationError
from chainrule.numerics import Array

_FLAGS = ("-std=c99", "-O1")


def compiler() -> str | None:
    """Return the command of the C compiler: ``$CC``, or what there is."""
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        if name and shutil.which(shlex.split(name)[0]):
            return name
    return None


def run(compiler: str, files: Mapping[str, str]) -> Array:
    """Return the numbers that a program prints.

    Parameters
    ----------
    compiler : str
        The command.
    files : mapping
        From names of files to their text; those that end in .c are compiled.

    Raises
    ------
    VerificationError
        If the program does not compile or run.
    """
    with tempfile.TemporaryDirectory(prefix="chainrule-") as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        sources = [name for name in files if name.endswith(".c")]
        command = [*shlex.split(compiler), *_FLAGS, *sources, "-o", "program", "-lm"]
        _call(command, folder, "compile")
        printed = _call([str(Path(folder) / "program"), "all"], folder, "run")
    lines = [line for line in printed.splitlines() if not line.startswith("max")]
    return np.array([[float(x) for x in line.split()] for line in lines])


def _call(command: list[str], folder: str, verb: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        why = said[0] if said else f"exit code {done.returncode}"
        raise VerificationError(
            f"the C code does not {verb} with {command[0]} ({why}), so nothing was written"
        )
    return done.stdout
