"""The peak of a process's memory, from Linux."""

from __future__ import annotations

import dataclasses
import gc
from pathlib import Path
from typing import Any

from chainrule.benchmarks import peers
from chainrule.benchmarks.job import Job

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def is_known() -> bool:
    """Whether this system tells."""
    return _STATUS.exists()


def peak_of_training(job: Job) -> dict[str, Any]:
    """Return by how many bytes one epoch raises the peak of memory above the data.

    What comes before is imported, made and touched first: the data, and a network so small that
    what it leaves behind is of no use to the one that is measured.
    """
    workload = job.workload
    module = peers.load(job.peer)
    way = module.WAYS[0]
    X, Y = workload.data()
    sizes = tuple(min(size, 4) for size in workload.layer_sizes)
    tiny = dataclasses.replace(workload, layer_sizes=sizes, batch_size=8, n_samples=16)
    module.Trainer(tiny, *tiny.data(), **way).run(1)
    gc.collect()
    _forget_peak()
    before = max(_bytes("VmHWM"), _bytes("VmRSS"))
    trainer = module.Trainer(workload, X, Y, **way)
    trainer.run(1)
    return {"bytes": _bytes("VmHWM") - before, "about": trainer.about()}


def _forget_peak() -> None:
    """Make the peak what is used now, where the system lets us."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return


def _bytes(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {field}")
