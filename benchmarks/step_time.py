"""The time of one training step, against peers: ``python -m benchmarks.step_time [w1 w2 ...]``."""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from statistics import median

import numpy as np

from benchmarks.harness import Peer, in_turns, ratio
from benchmarks.peers import PEERS
from benchmarks.workloads import WORKLOADS


def matrix_product_limit(n: int = 1024, repeats: int = 9) -> float:
    """Return the flop/s of a square float32 matrix product, the limit of this machine."""
    a = np.ones((n, n), np.float32)
    best = 1e9
    for _ in range(repeats):
        start = time.perf_counter()
        _ = a @ a
        best = min(best, time.perf_counter() - start)
    return 2 * n**3 / best


def main() -> None:
    """Print one line for each workload and peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(WORKLOADS)}; w1 w2 w5")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    if unknown := set(arguments.workloads) - set(WORKLOADS):
        parser.error(f"no workload {', '.join(unknown)} (there are {', '.join(WORKLOADS)})")
    cores = list(range(arguments.cores))
    if hasattr(os, "sched_setaffinity"):  # Linux; peers inherit it
        cores = sorted(os.sched_getaffinity(0))[: arguments.cores]
        os.sched_setaffinity(0, cores)
    print(f"cores {cores}; float32 matrix product {matrix_product_limit() / 1e9:.0f} GFLOP/s")
    for name in arguments.workloads or ["w1", "w2", "w5"]:
        workload = WORKLOADS[name]
        sizes = "-".join(map(str, workload.layer_sizes))
        print(f"\n{name}: {sizes} {workload.activation}, batch {workload.batch_size} "
              f"({workload.stands_for})")  # fmt: skip
        print(f"{'':<14}{'us/step':>10}{'GFLOP/s':>10}   time over chainrule's (range)")
        with contextlib.ExitStack() as stack:
            peers = {peer: stack.enter_context(Peer(peer, name, cores)) for peer in PEERS}
            for missing in [peer for peer in peers if not peers[peer].ready]:
                print(f"{missing:<14}{'not installed':>20}")
                del peers[missing]
            times = in_turns(peers, arguments.rounds)
        for peer, measured in times.items():
            middle, low, high = ratio(measured, times["chainrule"])
            step = median(measured)
            print(f"{peer:<14}{step * 1e6:>10.1f}{workload.flops / step / 1e9:>10.1f}"
                  f"   {middle:.2f} ({low:.2f} to {high:.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
