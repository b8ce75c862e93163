"""Predictions from Python, NumPy array to NumPy array: of one row, and of many."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from chainrule.benchmarks import machine, peers
from chainrule.benchmarks.experiments.steps import threads
from chainrule.benchmarks.harness import compare
from chainrule.benchmarks.plan import Plan
from chainrule.benchmarks.report import Table, duration, failures, middles, over
from chainrule.benchmarks.workloads import Workload

_NETWORK = Workload((64, 64, 64, 10), "relu", 1, 1)
# What has no threads of its own or is slow by its overhead is of interest for one row only.
_ONE_ROW_ONLY = ("numpy", "sklearn")


def run(plan: Plan) -> Iterator[Table]:
    """Yield a table for one row, and for each number of rows and threads."""
    yield _table(plan, 1, 1)
    for rows in (1_000, 100_000):
        for n_threads in plan.threads:
            yield _table(plan, rows, n_threads)


def _table(plan: Plan, rows: int, n_threads: int) -> Table:
    workload = dataclasses.replace(_NETWORK, n_samples=rows)
    jobs = {
        peer: plan.job("predict", peer, workload)
        for peer in peers.installed("predict")
        if rows == 1 or peer not in _ONE_ROW_ONLY
    }
    what = f"prediction, {rows:,} row{'s' if rows > 1 else ''}, {threads(n_threads)}"
    found = compare(jobs, machine.cores(n_threads), plan.rounds, plan.note, what)
    sizes = str(workload).partition(",")[0]
    table = Table(
        f"{what}: {sizes}",
        ["a call", "rows/s", "time over chainrule's (range)"],
        notes=failures(found),
        figures={"rows": rows, "threads": n_threads, **found.to_dict()},
    )
    for peer, seconds in middles(found).items():
        speed = f"{rows / seconds:.3g}" if rows == 1 else f"{rows / seconds / 1e6:.2f} million"
        table.rows.append([peers.title(peer), duration(seconds), speed, over(found, peer)])
    return table
