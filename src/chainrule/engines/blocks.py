"""Between rows of data and the equations: blocks of them, converted, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule import equations, tangents
from chainrule.architecture import Architecture
from chainrule.cost import BatchCost, DerivativeCost
from chainrule.engines.base import Data
from chainrule.equations import Quantities
from chainrule.numerics import Array

CACHED = 1 << 19
"""So many entries of the widest layer, and the intermediates of a pass stay in the cache."""


def take(X: Any, rows: Any, dtype: Any) -> Array:
    """Return rows of an array or a CSR matrix as a dense array of that dtype."""
    chosen = X[rows]
    if not isinstance(chosen, np.ndarray):
        chosen = chosen.toarray()
    return chosen.astype(dtype, copy=False)


class Pass:
    """The forward pass of some rows: what C needs, and the way back from it.

    Where derivatives are fitted (`Data.dY`), the forward derivatives along the inputs belong to it;
    the cost is C + D then, and the way back leads through both.
    """

    def __init__(
        self,
        architecture: Architecture,
        layers: tuple[list[Any], list[Any], list[Any]],
        data: Data,
        rows: Any,
        dtype: Any,
    ) -> None:
        self.W, B, self.sigma = layers
        weight = None if data.sample_weight is None else take(data.sample_weight, rows, dtype)
        Y = take(data.Y, rows, dtype)
        self.cost = BatchCost(architecture.loss, architecture.activations[-1], Y, weight)
        self.q = equations.forward(self.W, B, self.sigma, take(data.X, rows, dtype).T)
        self.derivative_cost, self.dots = None, list[Quantities]()
        if data.dY is not None:
            dY = take(data.dY, rows, dtype)
            self.derivative_cost = DerivativeCost(dY, self.cost.share, data.dY_weight)
            inputs = self.derivative_cost.directions
            self.dots = tangents.along_inputs(self.q, self.W, self.sigma, inputs)

    def value(self) -> float:
        """Return C, or C + D."""
        C = float(self.cost.value(self.q.rho[-1], self.q.phi[-1]))
        if self.derivative_cost is None:
            return C
        return C + float(self.derivative_cost.value([dot.phi[-1] for dot in self.dots]))

    def backward(self, *, inputs: bool) -> Quantities:
        """Return all quantities, with the gradient by the parameters, and dC/dX if asked for."""
        q, W, sigma, cost = self.q, self.W, self.sigma, self.cost
        if self.derivative_cost is None:
            return equations.lambda_form(q, W, sigma, cost, inputs=inputs)
        return tangents.backward(q, self.dots, W, sigma, cost, self.derivative_cost, inputs=inputs)


def write(q: Quantities, by_weights: list[Array], by_biases: list[Array | None]) -> None:
    """Write dC/dW^L and dC/dB^L of every layer into views of a flat gradient."""
    for L, (w, b) in enumerate(zip(by_weights, by_biases, strict=True), 1):
        w[...] = q.grad_W[L]
        if b is not None:
            b[...] = q.grad_B[L]


def blocks(architecture: Architecture, n: int, entries: int = CACHED) -> Iterator[slice]:
    """Yield rows in blocks of so many entries of the widest layer."""
    size = max(64, entries // max(architecture.layer_sizes))
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def weighted_blocks(
    architecture: Architecture, data: Data, entries: int = CACHED
) -> Iterator[tuple[slice, float]]:
    """Yield the same with each block's share of the total weight."""
    if data.dY is not None:
        entries //= 1 + architecture.n_inputs  # as many forward derivatives
    total = data.total_weight() or 1.0
    for rows in blocks(architecture, len(data), entries):
        yield rows, data.total_weight(rows) / total
