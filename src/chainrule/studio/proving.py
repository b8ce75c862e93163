"""The number on the page beside a difference quotient that owes nothing to backpropagation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule import equations
from chainrule.architecture import Architecture
from chainrule.checks import references
from chainrule.cost import BatchCost
from chainrule.numerics import Array
from chainrule.tracing import Trace

PROVABLE = ("omega", "lambda_", "grad_W", "grad_B")
_MOST = 400


class Proof(NamedTuple):
    """What was compared."""

    shown: Array
    """The entries on the page, flat."""
    differences: Array
    n_left_out: int
    """Entries beyond the first few hundred."""

    @property
    def worst(self) -> float:
        """The largest difference, relative to the largest entry."""
        scale = max(float(np.abs(self.differences).max()), 1e-12)
        return float(np.abs(self.shown - self.differences).max()) / scale


def prove(architecture: Architecture, trace: Trace, symbol: str, L: int) -> Proof:
    """Move each entry of what C is differentiated by a little, and run the rest forward.

    omega^L moves phi^L, lambda^L moves rho^L, the gradients move W^L and B^L. In float64,
    whatever the network's dtype.

    Parameters
    ----------
    architecture : Architecture
        Of the network that was traced.
    trace : Trace
        The pass.
    symbol : {"omega", "lambda_", "grad_W", "grad_B"}
        The derivative.
    L : int
        Its layer.
    """
    value = getattr(trace, symbol)[L]
    point, cost = _function(architecture, trace, symbol, L)
    n = min(point.size, _MOST)
    pairs = [references.best_differences(cost, point, i) for i in range(n)]
    found = np.array([(left + right) / 2 for left, right in pairs])
    return Proof(np.asarray(value, np.float64).ravel()[:n], found, point.size - n)


def _function(
    architecture: Architecture, trace: Trace, symbol: str, L: int
) -> tuple[Array, Callable[[Array], Any]]:
    """Return a flat point, and C as a function of it."""
    W, B = ([None, *(np.asarray(v, np.float64) for v in values[1:])] for values in
            (trace.W, trace.B))  # fmt: skip
    phi, rho = (
        [None if v is None else np.asarray(v, np.float64) for v in values]
        for values in (trace.phi, trace.rho)
    )
    assert phi[0] is not None
    x = phi[0]
    sigma = architecture.for_equations(np.zeros(architecture.n_parameters))[2]
    Y, l = np.asarray(trace.Y, np.float64).T, len(W) - 1
    cost = BatchCost(architecture.loss, architecture.activations[-1], Y)

    def from_phi(at: Array) -> Any:
        if l == L:
            return architecture.loss.per_sample(at.T, Y).sum() / len(Y)
        q = equations.forward([None, *W[L + 1 :]], [None, *B[L + 1 :]], [None, *sigma[L + 1 :]], at)
        return cost.value(q.rho[-1], q.phi[-1])

    def from_rho(at: Array) -> Any:
        above = sigma[L].sigma(at)
        return cost.value(at, above) if l == L else from_phi(above)

    def from_parameter(values: list[Any], at: Array) -> Any:
        changed = [*values[:L], at, *values[L + 1 :]]
        weights, biases = (changed, B) if values is W else (W, changed)
        q = equations.forward(weights, biases, sigma, x)
        return cost.value(q.rho[-1], q.phi[-1])

    moved, function = {
        "omega": (phi[L], from_phi),
        "lambda_": (rho[L], from_rho),
        "grad_W": (W[L], lambda at: from_parameter(W, at)),
        "grad_B": (B[L], lambda at: from_parameter(B, at)),
    }[symbol]
    assert moved is not None
    shape = moved.shape
    return moved.ravel().copy(), lambda flat: function(flat.reshape(shape))
