"""Measures peers in turns: each in a process of its own, all pinned to the same cores.

A machine's speed drifts; ratios of neighbours in time do not. Every round asks each peer for
one measurement, and a ratio is that of the two measurements of one round.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import median
from types import TracebackType

# Epochs are repeated until a measurement has taken this long.
MEASUREMENT_SECONDS = 0.3


class Peer:
    """A process that measures when it is told to."""

    def __init__(self, peer: str, workload: str, cores: list[int]) -> None:
        threads = str(len(cores))
        limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness", peer, workload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **dict.fromkeys(limits, threads)},
        )
        self.ready = self._answer() == "ready"

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def measure(self) -> float:
        """Return the seconds of one step."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        answer = self._answer()
        if not answer:
            raise RuntimeError("a peer ended while it was measured; its error is above")
        return float(answer)


def in_turns(peers: dict[str, Peer], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of one step of each peer in each round."""
    times: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, peer in peers.items():
            times[name].append(peer.measure())
    return times


def ratio(theirs: list[float], ours: list[float]) -> tuple[float, float, float]:
    """Return the median, the smallest and the largest ratio of a round."""
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    return median(ratios), min(ratios), max(ratios)


def _serve(peer_name: str, workload_name: str) -> None:
    from benchmarks.peers import PEERS
    from benchmarks.workloads import WORKLOADS

    workload = WORKLOADS[workload_name]
    try:
        epoch = PEERS[peer_name](workload)
    except ImportError as error:
        print(f"not installed: {error}", flush=True)
        return
    epoch()  # warm
    print("ready", flush=True)
    for _ in sys.stdin:
        start, epochs = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - start) < MEASUREMENT_SECONDS:
            epoch()
            epochs += 1
        print(elapsed / (epochs * workload.n_steps), flush=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
