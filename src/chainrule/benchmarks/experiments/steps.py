"""The time of a training step, beside the peers' and the machine's own limit."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.benchmarks import machine, peers
from chainrule.benchmarks.harness import Comparison, compare
from chainrule.benchmarks.plan import LIMIT_FLOPS, Plan
from chainrule.benchmarks.report import Table, failures, middles, over
from chainrule.benchmarks.workloads import WORKLOADS

_LIMIT = "limit"


def run(plan: Plan) -> Iterator[Table]:
    """Yield a table for each number of threads and workload."""
    for n_threads in plan.threads:
        cores, trainers = machine.cores(n_threads), list(plan.trainers)
        if n_threads > 1 and "jax" in trainers:
            trainers.insert(trainers.index("jax") + 1, "jax-one-core")
        for name in plan.workloads:
            workload = WORKLOADS[name]
            jobs = {_LIMIT: plan.limit(workload)} | {
                peer: plan.job("train", peer, workload) for peer in trainers
            }
            what = f"training step, {name}, {threads(n_threads)}"
            found = compare(jobs, cores, plan.rounds, plan.note, what)
            yield _table(name, n_threads, found)


def threads(n: int) -> str:
    """Return ``"1 core"``, ``"2 cores"``, ..."""
    return f"{n} core{'s' if n > 1 else ''}"


def _table(name: str, n_threads: int, found: Comparison) -> Table:
    workload = WORKLOADS[name]
    times = middles(found)
    limit = LIMIT_FLOPS / times[_LIMIT] if _LIMIT in times else float("nan")
    table = Table(
        f"training step, {name} ({workload.stands_for}): {workload}, {threads(n_threads)}; "
        f"sgemm {limit / 1e9:.0f} GFLOP/s",
        ["us/step", "GFLOP/s", "of sgemm", "time over chainrule's (range)"],
        notes=failures(found),
        figures={"workload": name, "threads": n_threads, "limit": limit, **found.to_dict()},
    )
    for peer, seconds in times.items():
        if peer != _LIMIT:
            speed = workload.flops / seconds
            table.rows.append([
                peers.title(peer, found.about[peer]),
                f"{seconds * 1e6:.1f}",
                f"{speed / 1e9:.1f}",
                f"{speed / limit:.0%}",
                over(found, peer),
            ])  # fmt: skip
    return table
