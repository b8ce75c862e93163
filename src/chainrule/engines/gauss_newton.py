"""The generalised Gauss-Newton matrix of C, in NumPy: plain, and the measure of the native one.

G = sum_i J_i^T H_i J_i, with J_i the derivative of the last layer of sample i by all parameters
and H_i the curvature of C there (`chainrule.cost.BatchCurvature`): the second derivative of C, but
for the curvature of the network itself (Schraudolph 2002, Neural Comput. 14, 1723-1738). For the
squared error it is J^T J / n. With H_i = S_i S_i^T, each column of S_i starts one backward pass,
whose gradients are the rows of a matrix R with G = R^T R. Where derivatives are fitted, each of
them has rows of its own.

Everything is in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule import equations, tangents
from chainrule.architecture import Architecture
from chainrule.cost import GivenErrors, NoCost
from chainrule.engines.base import Data, NormalEquations
from chainrule.engines.blocks import Pass, weighted_blocks, write
from chainrule.equations import Quantities
from chainrule.numerics import Array

# So many entries of the widest layer at a time leave blocks of R at some megabytes.
_ENTRIES_OF_R = 1 << 22


def normal_equations(architecture: Architecture, parameters: Array, data: Data) -> NormalEquations:
    """Return C, its gradient and G; see `chainrule.engines.base.Engine`."""
    layers = architecture.for_equations(parameters)
    P, loss = architecture.n_parameters, 0.0
    gradient, G = np.zeros(P), np.zeros((P, P))
    part = np.empty(P)
    with np.errstate(over="ignore", invalid="ignore"):
        widest = max(architecture.layer_sizes)
        for rows, share in weighted_blocks(architecture, data, _ENTRIES_OF_R * widest // P):
            forward = Pass(architecture, layers, data, rows, np.float64)
            loss += share * forward.value()
            write(forward.backward(inputs=False), *architecture.views(part))
            gradient += share * part
            for R in _roots(forward, architecture.bias):
                G += share * (R.T @ R)
    return NormalEquations(loss, gradient, G)


def curvature_product(
    architecture: Architecture, parameters: Array, data: Data, vector: Array
) -> Array:
    """Return G v; see `chainrule.engines.base.Engine`."""
    W, B, sigma = architecture.for_equations(parameters)
    W_dot, B_dot, _ = architecture.for_equations(vector)
    product, part = np.zeros_like(vector), np.empty_like(vector)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows, share in weighted_blocks(architecture, data):
            forward = Pass(architecture, (W, B, sigma), data, rows, np.float64)
            q = forward.q
            curvature = forward.cost.curvature(q.rho[-1], q.phi[-1])
            along = tangents.forward(q, W, sigma, W_dot=W_dot, B_dot=B_dot, outputs=False)
            equations.lambda_form(q, W, sigma, curvature.times(along.rho[-1]), inputs=False)
            write(q, *architecture.views(part))
            product += share * part
            if forward.dots:
                _back_from_derivatives(forward, along, W_dot)
                write(q, *architecture.views(part))
                product += share * part
    return product


def _roots(forward: Pass, bias: bool) -> Iterator[Array]:
    """Yield the rows of R that start from each column of S: arrays of shape (n, P)."""
    q, W, sigma = forward.q, forward.W, forward.sigma
    curvature = forward.cost.curvature(q.rho[-1], q.phi[-1])
    for k in range(len(q.phi[-1])):
        equations.lambda_form(q, W, sigma, curvature.root(k), parameters=False, inputs=False)
        yield _by_sample([q], q, bias)
    if forward.derivative_cost is None:
        return
    for m, dot in enumerate(forward.dots):
        for k in range(len(q.phi[-1])):
            errors = GivenErrors([forward.derivative_cost.root(m, k)])
            tangents.backward(q, [dot], W, sigma, NoCost(), errors, parameters=False, inputs=False)
            yield _by_sample([q, dot], q, bias)


def _by_sample(passes: list[Quantities], q: Quantities, bias: bool) -> Array:
    """Return B2 and B3, or D2 and D3, before the sum over the samples: an array of shape (n, P)."""
    columns = []
    for L in range(1, q.l + 1):
        by_weights = sum(p.lambda_[L].T[:, :, None] * p.phi[L - 1].T[:, None, :] for p in passes)
        columns.append(by_weights.reshape(len(by_weights), -1))
        if bias:
            columns.append(q.lambda_[L].T)
    return np.concatenate(columns, axis=1)


def _back_from_derivatives(forward: Pass, along: Quantities, W_dot: list[Any]) -> None:
    """Take back what the curvature of D makes of a direction of the parameters."""
    q, W, sigma, cost = forward.q, forward.W, forward.sigma, forward.derivative_cost
    assert cost is not None
    moving = [tangents.forward_of_dot(q, dot, along, W, sigma, W_dot) for dot in forward.dots]
    errors = GivenErrors([cost.times(m, dot.phi[-1]) for m, dot in enumerate(moving)])
    tangents.backward(q, forward.dots, W, sigma, NoCost(), errors, inputs=False)
