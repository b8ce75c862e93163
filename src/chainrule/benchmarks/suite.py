"""A whole run: which peers do the same work, the experiments, and the record of it all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainrule import storage
from chainrule.benchmarks import machine, peers, same_work
from chainrule.benchmarks.experiments import EXPERIMENTS
from chainrule.benchmarks.harness import Note, PeerError, once
from chainrule.benchmarks.job import Job
from chainrule.benchmarks.plan import Plan
from chainrule.benchmarks.report import Table
from chainrule.benchmarks.workloads import WORKLOADS
from chainrule.errors import require_choice

JSON_NAME, PICTURE_NAME = "benchmarks.json", "benchmarks.png"


@dataclass
class Agreement:
    """Which peers do the same work."""

    trainers: list[str] = field(default_factory=list)
    """Those that do, and are measured."""
    lines: list[str] = field(default_factory=list)
    """What was found of each, for the reader."""


def agreement(note: Note) -> Agreement:
    """Compare one epoch of each installed peer with the derivation's."""
    found, cores = Agreement(), machine.cores(1)
    engine = ""
    for peer in peers.installed("train"):
        # The same engine twice would be measured for nothing.
        if peer == "chainrule-numpy" and engine == "numpy":
            continue
        note(f"checking that {peer} does the same work")
        try:
            deviations = [
                same_work.Deviation(**once(Job("check", peer, workload), cores))
                for workload in same_work.SMALL
            ]
        except PeerError as error:
            found.lines.append(f"{peers.title(peer)}: left out ({error})")
            continue
        worst = max(deviations, key=lambda deviation: max(deviation.loss, deviation.weights))
        title = peers.title(peer, {"engine": worst.engine})
        if worst.accepted:
            found.trainers.append(peer)
            found.lines.append(f"{title}: {worst}")
        else:
            found.lines.append(f"{title}: left out, as its work is another ({worst})")
        if peer == "chainrule":
            engine = worst.engine
    return found


def make_plan(
    workloads: Sequence[str],
    threads: Sequence[int],
    rounds: int | None,
    quick: bool,
    trainers: Sequence[str],
    note: Note,
) -> Plan:
    """Return the plan of a run.

    Parameters
    ----------
    workloads : sequence of str
        Names; all, or the small ones of a quick run, if there are none.
    threads : sequence of int
        Numbers of cores; one and all if there are none.
    rounds : int or None
        By default 7, or 3 in a quick run.
    quick : bool
        Whether to take less time, for figures that spread more.
    trainers : sequence of str
        The peers that train.
    note : callable
        Told of progress.

    Raises
    ------
    InputError
        If there is no such workload, or there are not so many cores.
    """
    for name in workloads:
        require_choice("workload", name, WORKLOADS)
    threads = threads or sorted({1, len(machine.available_cores())})
    for n in threads:
        machine.cores(n)
    return Plan(
        workloads=tuple(workloads) or (("w1", "w5") if quick else tuple(WORKLOADS)),
        threads=tuple(threads),
        rounds=rounds or (3 if quick else 7),
        quick=quick,
        trainers=tuple(trainers),
        note=note,
    )


class Record:
    """Everything that a run has found."""

    def __init__(self, plan: Plan, agreement: Agreement) -> None:
        self.head = {
            "machine": machine.description(),
            "plan": {name: value for name, value in vars(plan).items() if name != "note"},
            "same_work": agreement.lines,
        }
        self.tables: dict[str, list[Table]] = {}

    def run(self, plan: Plan, names: Sequence[str]) -> Iterator[Table]:
        """Run the experiments and yield their tables as they come."""
        for name in names:
            self.tables[name] = []
            for table in EXPERIMENTS[name](plan):
                self.tables[name].append(table)
                yield table

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON knows it."""
        tables = {name: [table.to_dict() for table in found] for name, found in self.tables.items()}
        return {**self.head, "tables": tables}

    def write(self, folder: Path, picture: bool) -> list[Path]:
        """Write the record, and the picture of the curves if there are any; return the files.

        Raises
        ------
        MissingExtraError
            If a picture is wanted and matplotlib is not installed.
        """
        written = [folder / JSON_NAME]
        storage.write_atomically(written[0], json.dumps(self.to_dict(), indent=1).encode())
        curves = [table.figures for table in self.tables.get("curves", ())]
        if picture and any(curve["points"] for curve in curves):
            from chainrule.benchmarks.picture import draw

            written.append(folder / PICTURE_NAME)
            draw(curves, written[-1])
        return written
