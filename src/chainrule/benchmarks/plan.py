"""What a run is to measure, decided once."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.benchmarks.harness import Note
from chainrule.benchmarks.job import Job
from chainrule.benchmarks.workloads import Workload

# The sizes of a square product for which it is as quick as it gets.
_LIMIT_SIZE = 1024


@dataclass(frozen=True)
class Plan:
    """The settings of a run, and who is told how it goes on."""

    workloads: tuple[str, ...]
    threads: tuple[int, ...]
    rounds: int
    quick: bool
    trainers: tuple[str, ...]
    """The peers that train and have shown that they do the same work."""
    note: Note = lambda text: None

    @property
    def seconds(self) -> float:
        """How long one measurement lasts at least."""
        return 0.1 if self.quick else 0.3

    def job(self, task: str, peer: str, workload: Workload, **options: object) -> Job:
        """Return a job that lasts as long as this run's do."""
        return Job(task, peer, workload, options, self.seconds)

    def limit(self, workload: Workload) -> Job:
        """Return the matrix product that is measured beside a workload."""
        return self.job("limit", "numpy", workload, n=_LIMIT_SIZE)


LIMIT_FLOPS = 2 * _LIMIT_SIZE**3
