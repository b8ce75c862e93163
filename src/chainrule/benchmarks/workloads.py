"""The networks and data that are measured; the same for every peer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.numerics import Array


@dataclass(frozen=True)
class Workload:
    """Squared error, Adam, float32, shuffled epochs."""

    layer_sizes: tuple[int, ...]
    activation: str
    batch_size: int
    n_samples: int
    stands_for: str = ""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Workload:
        """Return the workload that `to_dict` described."""
        return cls(**{**values, "layer_sizes": tuple(values["layer_sizes"])})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON knows them."""
        return asdict(self)

    def __str__(self) -> str:
        sizes = "-".join(map(str, self.layer_sizes))
        return f"{sizes} {self.activation}, batch {self.batch_size}"

    def data(self) -> tuple[Array, Array]:
        """Return X and Y, made in float32 so that memory never held more than them."""
        import numpy as np

        rng = np.random.default_rng(0)
        shapes = ((self.n_samples, self.layer_sizes[i]) for i in (0, -1))
        X, Y = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
        return X, Y

    def initial_parameters(self) -> tuple[list[Array], list[Array]]:
        """Return weights of shape (n_out, n_in) and biases, from which every peer starts."""
        import numpy as np

        rng = np.random.default_rng(1)
        weights, biases = [], []
        for n_in, n_out in pairwise(self.layer_sizes):
            scale = np.float32((2 / n_in) ** 0.5)
            weights.append(scale * rng.standard_normal((n_out, n_in), dtype=np.float32))
            biases.append(np.zeros(n_out, np.float32))
        return weights, biases

    @property
    def n_steps(self) -> int:
        """The number of steps in an epoch."""
        return -(-self.n_samples // self.batch_size)

    @property
    def n_parameters(self) -> int:
        """The number of weights and biases."""
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.layer_sizes))

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
    "w4": Workload((1024, 2048, 2048, 1000), "relu", 512, 2_048, "large: the product decides"),
    "w5": Workload((8, 64, 64, 1), "tanh", 64, 20_000, "surrogate"),
}
