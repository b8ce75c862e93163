"""chainrule by its NumPy engine, which is the derivation as it stands."""

from __future__ import annotations

from typing import Any

from chainrule.benchmarks.peers import ours
from chainrule.benchmarks.workloads import Workload
from chainrule.numerics import Array

WAYS: list[dict[str, Any]] = [{}]


class Trainer(ours.Trainer):
    """The trainer of `ours` with that engine."""

    def __init__(self, workload: Workload, X: Array, Y: Array, shuffle: bool = True) -> None:
        super().__init__(workload, X, Y, shuffle, fit_options={"engine": "numpy"})
