"""The estimators beside scikit-learn's: time of training, of a call, of a search, and scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean, median, stdev
from typing import Any

from chainrule.benchmarks import machine, peers
from chainrule.benchmarks.estimating import DATASETS
from chainrule.benchmarks.experiments.steps import threads
from chainrule.benchmarks.harness import PeerError, compare, once, ratio
from chainrule.benchmarks.plan import Plan
from chainrule.benchmarks.report import Table, duration, failures, middles, over
from chainrule.benchmarks.workloads import WORKLOADS, Workload

_OURS, _THEIRS = "chainrule", "sklearn"
_EPOCHS = 10
_TRAINED = ("w1", "w2", "w5")
_SMALL = Workload((5, 100, 1), "relu", 200, 200)
_MANY = 51
"""The epochs of the longer of two fits, whose difference tells what an epoch takes."""
_SEARCHED = Workload((64, 100, 10), "relu", 200, 1797)


def run(plan: Plan) -> Iterator[Table]:
    """Yield a table for each of the four."""
    yield _training(plan)
    yield _small_fits(plan)
    yield from _searches(plan)
    yield _scores(plan)


def _training(plan: Plan) -> Table:
    table = Table(
        f"estimators: fit, {_EPOCHS} epochs, 1 core",
        ["us/step", "scikit-learn's", "its time over ours (range)", "loss", "off by"],
    )
    for name in [name for name in _TRAINED if name in plan.workloads]:
        workload = WORKLOADS[name]
        jobs = {
            peer: plan.job("fit", peer, workload, epochs=_EPOCHS)
            for peer in peers.installed("estimate")
        }
        found = compare(jobs, machine.cores(1), plan.rounds, plan.note, f"fit, {name}")
        table.notes += failures(found)
        table.figures[name] = found.to_dict()
        if {_OURS, _THEIRS} <= set(found.seconds):
            times = middles(found)
            ours, theirs = (float(found.about[peer]["loss"]) for peer in (_OURS, _THEIRS))
            table.rows.append([
                f"{name}: {workload}", f"{times[_OURS] * 1e6:.1f}", f"{times[_THEIRS] * 1e6:.1f}",
                over(found, _THEIRS), f"{ours:.4f}", f"{ours / theirs - 1:+.1%}",
            ])  # fmt: skip
    return table


def _small_fits(plan: Plan) -> Table:
    jobs = {
        f"{peer}, {epochs}": plan.job("fit", peer, _SMALL, epochs=epochs)
        for peer in peers.installed("estimate")
        for epochs in (1, _MANY)
    }
    found = compare(jobs, machine.cores(1), plan.rounds, plan.note, "small fits")
    table = Table(
        f"estimators: what a call of fit takes besides its epochs, {_SMALL.n_samples} rows of "
        f"{_SMALL.layer_sizes[0]} columns, 1 core",
        ["besides epochs", "an epoch", "time over chainrule's (range)"],
        notes=failures(found),
        figures=found.to_dict(),
    )
    if said := found.about.get(f"{_OURS}, {_MANY}"):
        outside = duration(float(said["outside"]))
        table.notes.insert(0, f"chainrule's fit less its history_.seconds: {outside}")
    besides = {}
    for peer in peers.installed("estimate"):
        one, many = (found.seconds.get(f"{peer}, {epochs}", []) for epochs in (1, _MANY))
        epochs = [(_MANY * b - a) / (_MANY - 1) for a, b in zip(one, many, strict=False)]
        besides[peer] = [a - epoch for a, epoch in zip(one, epochs, strict=True)]
        if epochs:
            table.rows.append([
                peers.title(peer), duration(median(besides[peer])), duration(median(epochs)),
                _over_ours(peer, besides),
            ])  # fmt: skip
    return table


def _searches(plan: Plan) -> Iterator[Table]:
    for n_threads in plan.threads:
        found: dict[str, list[dict[str, Any]]] = {}
        table = Table(
            f"estimators: GridSearchCV on digits, {threads(n_threads)}, n_jobs={n_threads}",
            ["time", "time over chainrule's (range)", "best score", "best parameters"],
            figures={"threads": n_threads, "found": found},
        )
        both, rounds = peers.installed("estimate"), 2 if plan.rounds > 3 else 1
        for i in range(rounds):
            for peer in both[:: -1 if i % 2 else 1]:
                plan.note(f"search by {peer}, {threads(n_threads)}, round {i + 1} of {rounds}")
                job = plan.job("search", peer, _SEARCHED, n_jobs=n_threads, quick=plan.quick)
                try:
                    found.setdefault(peer, []).append(once(job, machine.cores(n_threads)))
                except PeerError as error:
                    table.notes.append(f"{peers.title(peer)}: {error}")
        times = {peer: [one["seconds"] for one in found[peer]] for peer in both if found.get(peer)}
        for peer, seconds in times.items():
            best = found[peer][0]
            table.rows.append([
                peers.title(peer), duration(median(seconds)), _over_ours(peer, times),
                f"{best['score']:.4f}", ", ".join(map(str, best["best"].values())),
            ])  # fmt: skip
        yield table


def _scores(plan: Plan) -> Table:
    seeds = 3 if plan.quick else 10
    found: dict[str, list[float]] = {}
    table = Table(
        f"estimators: mean score on held-out samples of {seeds} seeds (standard error)",
        [_OURS, "scikit-learn", "difference"],
        figures={"scores": found},
    )
    for solver in ("adam", "lbfgs"):
        for name, workload in DATASETS.items():
            both = []
            for peer in (_OURS, _THEIRS):
                plan.note(f"scores of {peer}, {solver}, {name}")
                job = plan.job("scores", peer, workload, dataset=name, solver=solver, seeds=seeds)
                try:
                    both.append(once(job, machine.cores(1))["scores"])
                except PeerError as error:
                    table.notes.append(f"{peers.title(peer)}, {solver}, {name}: {error}")
                    break
                found[f"{peer}, {solver}, {name}"] = both[-1]
            else:
                difference = [a - b for a, b in zip(*both, strict=True)]
                cells = [_with_error(values) for values in (*both, difference)]
                table.rows.append([f"{solver}, {name}", *cells])
    return table


def _over_ours(peer: str, times: Mapping[str, Sequence[float]]) -> str:
    """Return the ratio of a peer's times to ours, where both have as many."""
    if peer == _OURS:
        return "1"
    ours = times.get(_OURS, ())
    return str(ratio(times[peer], ours)) if 0 < len(ours) == len(times[peer]) else "-"


def _with_error(values: list[float]) -> str:
    """Return the mean with its standard error.

    >>> _with_error([0.9, 0.8, 1.0, 0.9])
    '0.9000 (0.0408)'
    """
    return f"{mean(values):z.4f} ({stdev(values) / len(values) ** 0.5:.4f})"
