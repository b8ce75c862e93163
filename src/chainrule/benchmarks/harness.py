"""Measures peers in turns: each in a process of its own, all pinned to the same cores.

A machine's speed drifts; ratios of neighbours in time do not. Every round asks each peer for
one measurement, and a ratio is that of the two measurements of one round.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from types import TracebackType
from typing import Any, NamedTuple

from chainrule.benchmarks import machine, peers
from chainrule.benchmarks.job import Job

# -P: the folder in which the user stands may have a torch.py of its own
_PYTHON = (sys.executable, "-P")
_CHILD = (*_PYTHON, "-m", "chainrule.benchmarks.child")

Note = Callable[[str], None]
"""Told what is being done, for whoever waits."""


class PeerError(Exception):
    """A peer could not do its job; the text says why."""


@contextlib.contextmanager
def _pinned(cores: Sequence[int]) -> Iterator[None]:
    """Pin what is started meanwhile: a process inherits the cores of the thread that starts it."""
    if not hasattr(os, "sched_setaffinity"):  # not Linux: the environment limits the threads
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _how_it_ended(code: int) -> str:
    by = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
    return f"its process ended {by}"


class Child:
    """A process that measures when it is told to."""

    def __init__(self, job: Job, cores: Sequence[int]) -> None:
        if peers.PEERS[job.peer].one_core:
            cores = cores[:1]
        with _pinned(cores):
            self.process = subprocess.Popen(
                [*_CHILD, job.to_json()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # libraries think aloud there; what is to be known comes as an answer
                stderr=subprocess.DEVNULL,
                text=True,
                env=machine.environment(len(cores)),
            )

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def answer(self) -> dict[str, Any]:
        """Wait for an answer and return it.

        Raises
        ------
        PeerError
            If the answer is an error, or the process has ended.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise PeerError(_how_it_ended(self.process.wait()))
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise PeerError(found["error"])
        return found

    def measure(self) -> float:
        """Return the seconds of one unit of its task."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise PeerError(_how_it_ended(self.process.wait())) from None
        return float(self.answer()["seconds"])


@dataclass
class Comparison:
    """What was measured of each peer."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Of one unit, in each round; peers that failed are not in it."""
    about: dict[str, dict[str, str]] = field(default_factory=dict)
    """What a peer says of itself, such as its engine."""
    failures: dict[str, str] = field(default_factory=dict)
    """Why a peer has no times."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything, for the record."""
        return dict(vars(self))


def compare(
    jobs: Mapping[str, Job], cores: Sequence[int], rounds: int, note: Note, what: str
) -> Comparison:
    """Measure the jobs in turns.

    Parameters
    ----------
    jobs : mapping
        By the name under which the result stands.
    cores : sequence of int
        On which all of them run.
    rounds : int
        Every second one goes through the jobs backwards.
    note : callable
        Told of progress.
    what : str
        What the jobs have in common, for the note.
    """
    found = Comparison()
    with contextlib.ExitStack() as stack:
        children = {}
        # One after the other, so that none compiles while another finds out how fast it is.
        for name, job in jobs.items():
            note(f"{what}: starting {name}")
            child = stack.enter_context(Child(job, cores))
            try:
                found.about[name] = child.answer()["about"]
            except PeerError as error:
                found.failures[name] = str(error)
                continue
            children[name] = child
            found.seconds[name] = []
        for i in range(rounds):
            note(f"{what}: round {i + 1} of {rounds}")
            for name in list(children)[:: -1 if i % 2 else 1]:
                try:
                    found.seconds[name].append(children[name].measure())
                except PeerError as error:
                    found.failures[name] = str(error)
                    del children[name], found.seconds[name]
    return found


def once(job: Job, cores: Sequence[int]) -> dict[str, Any]:
    """Return the answer to a job that is done once.

    Raises
    ------
    PeerError
        If there is none.
    """
    with Child(job, cores) as child:
        result: dict[str, Any] = child.answer()["result"]
        return result


def wall_seconds(arguments: Sequence[str], cores: Sequence[int]) -> float:
    """Return the time from the start of a Python process to its end.

    Raises
    ------
    PeerError
        If it failed.
    """
    with _pinned(cores):
        start = time.perf_counter()
        done = subprocess.run(
            [*_PYTHON, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=machine.environment(len(cores)),
        )
        elapsed = time.perf_counter() - start
    if done.returncode:
        raise PeerError(_how_it_ended(done.returncode))
    return elapsed


class Ratio(NamedTuple):
    """The ratio of two peers' times over the rounds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        middle, low, high = (f"{r:.2f}" if r >= 0.1 else f"{r:.2g}" for r in self)
        return f"{middle} ({low} to {high})"


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> Ratio:
    """Return the median, the smallest and the largest ratio of a round.

    Examples
    --------
    >>> print(ratio([2.0, 3.0, 8.0], [1.0, 1.0, 2.0]))
    3.00 (2.00 to 4.00)
    """
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    return Ratio(median(ratios), min(ratios), max(ratios))
