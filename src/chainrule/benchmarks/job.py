"""What one peer is asked to do in a process of its own, in a form that reaches the process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chainrule.benchmarks.workloads import Workload


@dataclass(frozen=True)
class Job:
    """One task for one peer."""

    task: str
    """A name in `child`."""
    peer: str
    """A name in `peers`."""
    workload: Workload
    options: dict[str, Any] = field(default_factory=dict)
    """What else the peer takes for this task."""
    seconds: float = 0.3
    """How long one measurement lasts, at least."""

    def to_json(self) -> str:
        """Return the job as an argument of the process."""
        return json.dumps({**vars(self), "workload": self.workload.to_dict()})

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Return the job that `to_json` described."""
        values = json.loads(text)
        return cls(**{**values, "workload": Workload.from_dict(values["workload"])})


@dataclass(frozen=True)
class Task:
    """What a peer made of a job: something to repeat, and how much of it is in one repeat."""

    run: Callable[[int], object]
    """Does it so many times."""
    units: int = 1
    """Steps, calls or whatever is counted, in one repeat."""
    about: Callable[[], dict[str, str]] = dict
    """What else is to be known of it once it has run, such as which engine did."""
    least: int = 1
    """The fewest repeats of a measurement."""
