"""The folder of a run: what it holds, each file whole at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from chainrule import storage
from chainrule.errors import InputError
from chainrule.loading import MODEL
from chainrule.runs.config import Config
from chainrule.tables import write

CONFIG, METRICS, HISTORY = "config.toml", "metrics.json", "history.parquet"
PREDICTIONS, REPORT, TUNING = "predictions.parquet", "report.html", "tuning.db"
CHECKPOINTS = "checkpoint"
"""What a run needs to go on: the configuration as it was asked for, and each network's state."""
_OURS = (MODEL, CONFIG, METRICS, HISTORY, PREDICTIONS, REPORT, TUNING, CHECKPOINTS)
_HALF_WRITTEN = re.compile(r"\..+\.[0-9a-f]{16}")


class Folder:
    """A run's folder.

    Parameters
    ----------
    path : path
        The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints, which is there until the run is complete."""
        return self.path / CHECKPOINTS

    def require_free(self) -> None:
        """Refuse a folder that holds a run.

        Raises
        ------
        InputError
            Saying how to go on with it, where that is possible.
        """
        there = [name for name in _OURS if (self.path / name).exists()]
        if there and (there != [CHECKPOINTS] or self.is_unfinished):
            raise InputError(
                f"{self.path} holds a run already ({there[0]}): name another folder with -o"
                + ("; or go on with this one by --resume" if self.is_unfinished else "")
            )

    def begin(self, config: Config) -> None:
        """Make the folder, and note what is to be done.

        Raises
        ------
        InputError
            If it cannot be made, or holds a run already.
        """
        self.require_free()
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"cannot make the folder {self.path}: {error.strerror}; name another with -o"
            ) from None
        self.note(config)

    def note(self, config: Config) -> None:
        """Write what a resumed run is to do."""
        content = config.to_toml("As it was asked for; the run is not complete.")
        storage.write_atomically(self.checkpoints / CONFIG, content.encode())

    @property
    def is_unfinished(self) -> bool:
        """Whether there is a run to go on with."""
        return (self.checkpoints / CONFIG).exists()

    def require_unfinished(self) -> Path:
        """Return the configuration of the run to go on with.

        Raises
        ------
        InputError
            If there is none, or it is complete.
        """
        self.remove_half_written()
        if self.is_unfinished:
            return self.checkpoints / CONFIG
        if (self.path / MODEL).exists():
            raise InputError(
                f"the run in {self.path} is complete: to repeat it, "
                f"chainrule train --config {self.path / CONFIG}"
            )
        raise InputError(f"there is no run in {self.path} to resume: leave --resume out")

    def remove_half_written(self) -> None:
        """Remove what a process that was killed had not written to its end."""
        for folder in (self.path, self.checkpoints):
            if folder.is_dir():
                for path in folder.iterdir():
                    if _HALF_WRITTEN.fullmatch(path.name):
                        path.unlink(missing_ok=True)

    def write_text(self, name: str, text: str) -> None:
        """Write a file of text, whole or not at all."""
        storage.write_atomically(self.path / name, text.encode())

    def write_json(self, name: str, record: dict[str, Any]) -> None:
        """Write a record as JSON, whole or not at all."""
        self.write_text(name, json.dumps(record, indent=2, ensure_ascii=False) + "\n")

    def write_frame(self, name: str, frame: pl.DataFrame) -> None:
        """Write a table, whole or not at all."""
        write(frame, self.path / name)

    def abandon(self) -> None:
        """Forget a run that came to nothing."""
        self.finish()
        with contextlib.suppress(OSError):  # where there is something else in it
            self.path.rmdir()

    def finish(self) -> None:
        """Remove what only a run that is not complete needs."""
        (self.checkpoints / CONFIG).unlink(missing_ok=True)  # first: the rest alone is no run
        shutil.rmtree(self.checkpoints, ignore_errors=True)


def default_path(table: Path, now: str) -> Path:
    """Return a name for the folder of a run, which is not taken.

    >>> default_path(Path("data/house prices.csv.gz"), "20260102-030405").as_posix()
    'house-prices-20260102-030405'
    """
    stem = table.name.partition(".")[0]
    name = re.sub(r"[^\w-]+", "-", stem).strip("-") or "run"
    path, n = Path(f"{name}-{now}"), 1
    while os.path.lexists(path):
        n += 1
        path = Path(f"{name}-{now}-{n}")
    return path
