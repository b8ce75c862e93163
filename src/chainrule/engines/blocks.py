"""Between rows of data and the equations: blocks of them, converted, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.architecture import Architecture
from chainrule.cost import BatchCost
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


def batch(architecture: Architecture, dtype: Any, data: Data, rows: Any) -> tuple[BatchCost, Array]:
    """Return the cost of these rows and their inputs as columns."""
    weight = None if data.sample_weight is None else take(data.sample_weight, rows, dtype)
    targets = take(data.Y, rows, dtype)
    cost = BatchCost(architecture.loss, architecture.activations[-1], targets, weight)
    return cost, take(data.X, rows, dtype).T


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
    total = data.total_weight() or 1.0
    for rows in blocks(architecture, len(data), entries):
        yield rows, data.total_weight(rows) / total
