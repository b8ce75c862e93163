"""From the start of a process to its first trained network, and what importing takes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chainrule.benchmarks import machine, peers
from chainrule.benchmarks.harness import Comparison, PeerError, wall_seconds
from chainrule.benchmarks.plan import Plan
from chainrule.benchmarks.report import Table, duration, failures, middles, over
from chainrule.benchmarks.workloads import WORKLOADS

_IMPORTS = {
    "chainrule": "from chainrule import Network",
    "jax": "import jax",
    "torch": "import torch",
    "sklearn": "from sklearn.neural_network import MLPRegressor",
    "NumPy": "import numpy",
    "Python alone": "pass",
}


def run(plan: Plan) -> Iterator[Table]:
    """Yield a table of whole processes and one of imports."""
    workload = WORKLOADS["w1"]
    present = peers.installed("start")
    starts = {
        peer: ["-m", "chainrule.benchmarks.child", plan.job("start", peer, workload).to_json()]
        for peer in present
    }
    yield _table(plan, f"from nothing to a network trained for one epoch: {workload}", starts)
    absent = {name for name in _IMPORTS if name in peers.PEERS and name not in present}
    yield _table(
        plan,
        "a process that imports",
        {name: ["-c", code] for name, code in _IMPORTS.items() if name not in absent},
    )


def _table(plan: Plan, what: str, processes: Mapping[str, Sequence[str]]) -> Table:
    found, cores = Comparison(), machine.cores(1)
    for i in range(plan.rounds + 1):
        plan.note(f"{what}: round {i} of {plan.rounds}")
        for name, arguments in processes.items():
            try:
                seconds = wall_seconds(arguments, cores)
            except PeerError as error:
                found.failures[name] = str(error)
                continue
            # The first round brings the files into memory.
            if i:
                found.seconds.setdefault(name, []).append(seconds)
    for name in found.failures:
        found.seconds.pop(name, None)
    table = Table(
        f"{what}, 1 core",
        ["wall time", "time over chainrule's (range)"],
        notes=failures(found),
        figures=found.to_dict(),
    )
    for name, seconds in middles(found).items():
        table.rows.append([peers.title(name), duration(seconds), over(found, name)])
    return table
