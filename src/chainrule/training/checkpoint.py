"""Everything that a run needs to continue bit for bit, in one file, at the end of an epoch."""

from __future__ import annotations

import os
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import storage
from chainrule.arraylike import row_blocks
from chainrule.engines import Data, Trainer
from chainrule.errors import FileFormatError, InputError
from chainrule.history import History
from chainrule.numerics import Array
from chainrule.training.monitor import Monitor
from chainrule.training.settings import Settings

# A checkpoint costs a write to disk, an epoch of a small network far less.
SECONDS_BETWEEN = 1.0


class Checkpoint:
    """The checkpoint file of one run.

    Parameters
    ----------
    path : str or path
        The file.
    settings : Settings
        What the run was asked to do.
    monitor : Monitor
        Has the parameters, the best ones, the history and early stopping.
    trainer : Trainer
        Has the state of the optimizer.
    data : Data
        Its shape and checksum are noted, so that a run is not continued on other data.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        settings: Settings,
        monitor: Monitor,
        trainer: Trainer,
        data: Data,
    ) -> None:
        self.path, self.settings, self.monitor, self.trainer = path, settings, monitor, trainer
        self.run = {
            **settings.describe(),
            "architecture": monitor.architecture.to_json(),
            "engine": monitor.history.engine,
            "data": _fingerprint(data),
            "validation data": _fingerprint(monitor.validation),
            "early_stopping": str(monitor.early_stopping),
        }
        if settings.schedule.uses_epochs:
            self.run["epochs"] = settings.epochs
        if Path(path).exists():
            self._require_checkpoint()
        self.written = 0.0

    def _require_checkpoint(self) -> None:
        """Refuse to write over a file that is something else, such as a saved network."""
        try:
            storage.read(self.path, "checkpoint")
        except FileFormatError as error:
            raise InputError(
                f"{error}; the checkpoint would replace it: name another file"
            ) from None

    @property
    def _parameters(self) -> dict[str, Array]:
        return {"parameters": self.monitor.parameters, "best": self.monitor.best}

    def save(self, last: bool = False) -> None:
        """Write the file, unless it was written a moment ago and this is not the last time."""
        if not last and time.monotonic() - self.written < SECONDS_BETWEEN:
            return
        stopping = self.monitor.early_stopping
        progress: dict[str, Any] = {
            "history": self.monitor.history.to_dict(),
            "schedule": self.settings.schedule.state(),
            "early_stopping": stopping.state() if stopping else {},
            "stop_reason": self.monitor.progress.stop_reason,
        }
        description = {"kind": "checkpoint", "run": self.run, "progress": progress}
        state = {f"state.{name}": array for name, array in self.trainer.state().items()}
        storage.write(self.path, {**self._parameters, **state}, description)
        self.written = time.monotonic()

    def resume(self) -> None:
        """Take up the run where the file left it; do nothing if there is no file.

        Raises
        ------
        InputError
            If the file is of a run with other settings; the first that differs is named.
        FileFormatError
            If it is not a checkpoint, or damaged.
        """
        if not Path(self.path).exists():
            return
        arrays, description = storage.read(self.path, "checkpoint")
        try:
            self._require_same_run(description["run"])
            self._take_up(arrays, description["progress"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise FileFormatError(
                f"{self.path} is damaged ({error!r}): train again with another checkpoint file"
            ) from None

    def _require_same_run(self, run: dict[str, Any]) -> None:
        for name, value in self.run.items():
            if run.get(name) != value:
                raise InputError(
                    f"{self.path} is the checkpoint of a run with {name} {run.get(name)}, but "
                    f"this one has {value}: pass the same settings, or another checkpoint file"
                )

    def _take_up(self, arrays: dict[str, Array], progress: dict[str, Any]) -> None:
        state = self.trainer.state()
        for name, array in state.items():
            np.copyto(array, arrays[f"state.{name}"])
        for name, array in self._parameters.items():
            np.copyto(array, arrays[name])
        self.trainer.restore(state)
        monitor, stopping = self.monitor, self.monitor.early_stopping
        # The engine is the same, but why it was chosen is this run's to say.
        engine_reason = monitor.history.engine_reason
        monitor.history.__dict__.update(History.from_dict(progress["history"]).__dict__)
        monitor.history.engine_reason = engine_reason
        monitor.progress.epoch = monitor.history.epochs
        monitor.progress.seconds = monitor.history.seconds
        monitor.progress.stop_reason = progress["stop_reason"]
        self.settings.schedule.restore(progress["schedule"])
        if stopping:
            stopping.restore(progress["early_stopping"])


def _fingerprint(data: Data | None) -> str:
    """Return the shape and a checksum of the samples."""
    if data is None:
        return "none"
    X = data.X
    arrays = [X.data, X.indices, X.indptr] if hasattr(X, "tocsr") else [X]
    arrays += [array for array in (data.Y, data.sample_weight, data.dY) if array is not None]
    checksum = 0
    for array in arrays:
        for rows in row_blocks(array):
            checksum = zlib.crc32(array[rows].tobytes(), checksum)
    derivatives = "" if data.dY is None else f" and derivatives of weight {data.dY_weight:g}"
    shapes = f"{tuple(data.X.shape)} to {tuple(data.Y.shape)}{derivatives}"
    return f"{shapes}, checksum {checksum:08x}"
