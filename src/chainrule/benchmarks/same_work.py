"""Whether the peers do the same work: what is compared would mean nothing if one did less.

From the same initial weights, an epoch without shuffle must lead each peer to the same loss and
the same weights as the derivation in float64.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chainrule.benchmarks import peers
from chainrule.benchmarks.workloads import Workload

if TYPE_CHECKING:
    from chainrule.numerics import Array

# Thirty-two batches, the last of which is shorter.
SMALL = (
    Workload((64, 32, 10), "relu", 32, 1_000),
    Workload((8, 32, 32, 4), "tanh", 64, 2_000),
)

# Measured: float32 is off by 1e-5, scikit-learn's epsilon by 2e-5. A learning rate that is wrong
# by one part in a hundred is off by 8e-3, beta2 = 0.99 by 5e-3.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Deviation:
    """How far a peer is from the reference after an epoch."""

    loss: float
    """Relative."""
    weights: float
    """As a share of the way that the parameters have gone."""
    engine: str = ""

    @property
    def accepted(self) -> bool:
        """Whether it is rounding."""
        return self.loss <= _TOLERANCE and self.weights <= _TOLERANCE

    def __str__(self) -> str:
        return f"the loss by {self.loss:.0e}, the weights by {self.weights:.0e} of their way"


def deviation(peer: str, workload: Workload) -> Deviation:
    """Train a peer for one epoch without shuffle, and compare."""
    import numpy as np

    from chainrule.benchmarks.peers import ours

    X, Y = workload.data()
    start = _flat(workload.initial_parameters())
    reference = ours.Trainer(workload, X, Y, False, {"dtype": "float64"}, {"engine": "numpy"})
    loss = reference.run(1)
    wanted = _flat(reference.parameters())
    module = peers.load(peer)
    worst_loss = worst_weights = 0.0
    for way in module.WAYS:
        trainer = module.Trainer(workload, X, Y, shuffle=False, **way)
        found = trainer.run(1)
        worst_loss = max(worst_loss, abs(found - loss) / abs(loss))
        moved = float(np.linalg.norm(wanted - start))
        error = float(np.linalg.norm(_flat(trainer.parameters()) - wanted))
        worst_weights = max(worst_weights, error / moved)
    return Deviation(worst_loss, worst_weights, trainer.about().get("engine", ""))


def _flat(parameters: tuple[Iterable[Array], Iterable[Array]]) -> Array:
    import numpy as np

    weights, biases = parameters
    return np.concatenate([np.ravel(array) for array in (*weights, *biases)]).astype(np.float64)
