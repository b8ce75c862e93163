"""Many small networks on the same data at once."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.benchmarks import machine, peers
from chainrule.benchmarks.experiments.steps import threads
from chainrule.benchmarks.harness import compare
from chainrule.benchmarks.plan import Plan
from chainrule.benchmarks.report import Table, failures, middles, over
from chainrule.benchmarks.workloads import WORKLOADS

_N_NETWORKS = 32


def run(plan: Plan) -> Iterator[Table]:
    """Yield a table for each number of threads."""
    workload = WORKLOADS["w1"]
    for n_threads in plan.threads:
        jobs = {
            peer: plan.job("ensemble", peer, workload, n_networks=_N_NETWORKS)
            for peer in peers.installed("ensemble")
        }
        cores, what = machine.cores(n_threads), f"ensemble, {threads(n_threads)}"
        found = compare(jobs, cores, plan.rounds, plan.note, what)
        # Without train_many, what there is instead is the base.
        base = "chainrule" if "chainrule" in found.seconds else "loop"
        table = Table(
            f"ensemble: {_N_NETWORKS} networks {workload}, {threads(n_threads)}",
            ["us/network-step", f"time over {'train_many' if base != 'loop' else 'fit'}'s (range)"],
            notes=failures(found),
            figures={"threads": n_threads, "n_networks": _N_NETWORKS, **found.to_dict()},
        )
        names = {"chainrule": "chainrule, train_many", "loop": "chainrule, fit in turn",
                 "jax": "JAX, vmap"}  # fmt: skip
        for peer, seconds in middles(found).items():
            table.rows.append([names[peer], f"{seconds * 1e6:.2f}", over(found, peer, base)])
        yield table
