"""chainrule training several networks one after the other, as without `train_many`."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.benchmarks.peers import ours
from chainrule.benchmarks.workloads import Workload
from chainrule.numerics import Array


def ensemble(workload: Workload, X: Array, Y: Array, n: int) -> Callable[[int], object]:
    """Return what calls `fit` for each of `n` networks."""
    networks = [ours.network(workload) for _ in range(n)]

    def run(epochs: int) -> None:
        for seed, net in enumerate(networks):
            net.fit(X, Y, epochs=epochs, batch_size=workload.batch_size, seed=seed)

    return run
