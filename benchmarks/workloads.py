"""The networks and data that are measured; the same for every peer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Workload:
    """Squared error, Adam, float32, shuffled epochs."""

    layer_sizes: tuple[int, ...]
    activation: str
    batch_size: int
    n_samples: int
    stands_for: str

    def data(self) -> tuple[Array, Array]:
        """Return X and Y."""
        rng = np.random.default_rng(0)
        shapes = ((self.n_samples, self.layer_sizes[i]) for i in (0, -1))
        X, Y = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
        return X, Y

    @property
    def n_steps(self) -> int:
        """The number of steps in an epoch."""
        return -(-self.n_samples // self.batch_size)

    @property
    def flops(self) -> int:
        """Floating point operations of the matrix products of one step.

        Two for each weight and sample forward, two for the gradient, and two to go back a
        layer, which the first layer does not need.
        """
        products = [a * b for a, b in pairwise(self.layer_sizes)]
        return self.batch_size * (6 * sum(products) - 2 * products[0])


WORKLOADS = {
    "w1": Workload((64, 32, 10), "relu", 32, 20_000, "small classifier"),
    "w2": Workload((784, 128, 10), "relu", 128, 20_000, "digits, the textbook network"),
    "w3": Workload((784, 512, 512, 10), "relu", 256, 8_192, "medium"),
    "w4": Workload((1024, 2048, 2048, 1000), "relu", 512, 2_048, "large"),
    "w5": Workload((8, 64, 64, 1), "tanh", 64, 20_000, "surrogate"),
}
