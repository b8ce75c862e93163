"""The time of a step against width, depth, batch size and threads, beside JAX's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from chainrule.benchmarks import machine, peers
from chainrule.benchmarks.harness import compare
from chainrule.benchmarks.plan import Plan
from chainrule.benchmarks.report import Table, failures, middles, over
from chainrule.benchmarks.workloads import WORKLOADS, Workload

_WIDTHS = (16, 32, 64, 128, 256, 512, 1024, 2048)
_DEPTHS = (1, 2, 4, 8, 16)
_BATCHES = (1, 4, 16, 64, 256, 1024, 4096)
_COMPARED = ("chainrule", "jax")


class Point(NamedTuple):
    """One measurement of a curve."""

    x: int
    workload: Workload
    n_threads: int = 1
    line: str = ""
    """Which line of the panel it belongs to, if there are several."""

    def __str__(self) -> str:
        return f"{self.line}, {self.x}" if self.line else str(self.x)


class Curve(NamedTuple):
    """One panel."""

    axis: str
    network: str
    points: list[Point]


def network(width: int = 64, hidden_layers: int = 2, batch_size: int = 64) -> Workload:
    """Return a network of equal hidden layers between 64 inputs and 10 outputs."""
    # enough batches for an epoch's own costs not to matter, and few enough to be quick
    n_samples = batch_size * max(8, min(256, 8192 // batch_size))
    return Workload((64, *[width] * hidden_layers, 10), "relu", batch_size, n_samples)


def curves(quick: bool) -> list[Curve]:
    """Return what is to be measured."""
    every = 3 if quick else 1
    most = len(machine.available_cores())
    counts = sorted({n for n in (1, 2, 4, 8, 16, 32, 64, 128) if n < most} | {most})
    widths = [Point(n, network(width=n)) for n in _WIDTHS[::every]]
    depths = [Point(n, network(hidden_layers=n)) for n in _DEPTHS[::every]]
    batches = [Point(n, network(batch_size=n)) for n in _BATCHES[::every]]
    names = ("w1", "w2") if quick else ("w1", "w2", "w3")
    cores = [Point(n, WORKLOADS[name], n, name) for name in names for n in counts]
    return [
        Curve("width", "64-n-n-10, batch 64, 1 core", widths),
        Curve("hidden layers", "64 wide, batch 64, 1 core", depths),
        Curve("batch size", "64-64-64-10, 1 core", batches),
        Curve("cores", ", ".join(names), cores),
    ]


def run(plan: Plan) -> Iterator[Table]:
    """Yield a table for each curve; `picture` draws their figures."""
    present = [peer for peer in _COMPARED if peer in plan.trainers]
    rounds = min(plan.rounds, 3)
    for axis, shape, points in curves(plan.quick):
        table = Table(
            f"us/step against {axis}: {shape}",
            [*(peers.title(peer) for peer in present), "GFLOP/s", "JAX's over ours (range)"],
            figures={"axis": axis, "network": shape, "points": []},
        )
        for point in points:
            jobs = {peer: plan.job("train", peer, point.workload) for peer in present}
            cores, what = machine.cores(point.n_threads), f"{axis} {point}"
            found = compare(jobs, cores, rounds, plan.note, what)
            times = middles(found)
            table.notes += [f"{point}: {line}" for line in failures(found)]
            if "chainrule" not in times:
                continue
            table.rows.append([
                str(point),
                *(f"{times[peer] * 1e6:.1f}" if peer in times else "-" for peer in present),
                f"{point.workload.flops / times['chainrule'] / 1e9:.1f}",
                over(found, "jax") if "jax" in times else "-",
            ])  # fmt: skip
            table.figures["points"].append({
                "x": point.x,
                "line": point.line,
                "workload": point.workload.to_dict(),
                **found.to_dict(),
            })  # fmt: skip
        yield table
