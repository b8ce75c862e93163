"""How much memory training takes above the data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from chainrule.benchmarks import machine, memory, peers
from chainrule.benchmarks.harness import PeerError, once
from chainrule.benchmarks.plan import Plan
from chainrule.benchmarks.report import Table
from chainrule.benchmarks.workloads import WORKLOADS, Workload

_MILLION = dataclasses.replace(WORKLOADS["w1"], n_samples=1_000_000)


def run(plan: Plan) -> Iterator[Table]:
    """Yield a table for each workload, on one core."""
    shapes = {"w2": WORKLOADS["w2"], "w4": WORKLOADS["w4"], "w1 on a million rows": _MILLION}
    if plan.quick:
        del shapes["w4"]
    for name, workload in shapes.items():
        if memory.is_known():
            yield _table(plan, name, workload)


def _table(plan: Plan, name: str, workload: Workload) -> Table:
    parameters = 4 * workload.n_parameters
    block = 4 * workload.batch_size * sum(workload.layer_sizes)
    data = 4 * workload.n_samples * (workload.layer_sizes[0] + workload.layer_sizes[-1])
    table = Table(
        f"memory of one epoch above the data, {name}: {workload}\n"
        f"(data {_mib(data)}, parameters {_mib(parameters)}, "
        f"a batch's activations {_mib(block)} MiB)",
        ["MiB", "of parameters", "of activations", "of data"],
    )
    for peer in plan.trainers:
        plan.note(f"memory, {name}: {peer}")
        try:
            found = once(plan.job("memory", peer, workload), machine.cores(1))
        except PeerError as error:
            table.notes.append(f"{peers.title(peer)}: {error}")
            continue
        n = found["bytes"]
        table.rows.append([
            peers.title(peer, found["about"]),
            _mib(n),
            f"{n / parameters:.1f}",
            f"{n / block:.1f}",
            f"{n / data:.2f}",
        ])  # fmt: skip
        table.figures[peer] = n
    if "jax" in table.figures:
        table.notes.append("JAX keeps a copy of the data, and compiles for this number of rows")
    return table


def _mib(n: float) -> str:
    mib = n / 2**20
    return f"{mib:.1f}" if mib >= 1 else f"{mib:.2g}"
