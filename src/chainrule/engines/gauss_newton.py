"""The generalised Gauss-Newton matrix of C, in NumPy: plain, and the measure of the native one.

G = sum_i J_i^T H_i J_i, with J_i the derivative of the last layer of sample i by all parameters
and H_i the curvature of C there (`chainrule.cost.BatchCurvature`): the second derivative of C, but
for the curvature of the network itself (Schraudolph 2002, Neural Comput. 14, 1723-1738). For the
squared error it is J^T J / n. With H_i = S_i S_i^T, each column of S_i starts one backward pass,
whose gradients are the rows of a matrix R with G = R^T R.

Everything is in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule import equations, tangents
from chainrule.architecture import Architecture
from chainrule.cost import BatchCurvature
from chainrule.engines.base import Data, NormalEquations
from chainrule.engines.blocks import batch, weighted_blocks, write
from chainrule.numerics import Array

# So many entries of the widest layer at a time leave blocks of R at some megabytes.
_ENTRIES_OF_R = 1 << 22


def normal_equations(architecture: Architecture, parameters: Array, data: Data) -> NormalEquations:
    """Return C, its gradient and G; see `chainrule.engines.base.Engine`."""
    W, B, sigma = architecture.for_equations(parameters)
    P, loss = architecture.n_parameters, 0.0
    gradient, G = np.zeros(P), np.zeros((P, P))
    part = np.empty(P)
    with np.errstate(over="ignore", invalid="ignore"):
        widest = max(architecture.layer_sizes)
        for rows, share in weighted_blocks(architecture, data, _ENTRIES_OF_R * widest // P):
            cost, phi0 = batch(architecture, np.float64, data, rows)
            q = equations.forward(W, B, sigma, phi0)
            loss += share * float(cost.value(q.rho[-1], q.phi[-1]))
            equations.lambda_form(q, W, sigma, cost, inputs=False)
            write(q, *architecture.views(part))
            gradient += share * part
            curvature = cost.curvature(q.rho[-1], q.phi[-1])
            for R in _roots(architecture, q, W, sigma, curvature):
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
            cost, phi0 = batch(architecture, np.float64, data, rows)
            q = equations.forward(W, B, sigma, phi0)
            curvature = cost.curvature(q.rho[-1], q.phi[-1])
            dot = tangents.forward(q, W, sigma, W_dot=W_dot, B_dot=B_dot, outputs=False)
            equations.lambda_form(q, W, sigma, curvature.times(dot.rho[-1]), inputs=False)
            write(q, *architecture.views(part))
            product += share * part
    return product


def _roots(
    architecture: Architecture,
    q: equations.Quantities,
    W: list[Any],
    sigma: list[Any],
    curvature: BatchCurvature,
) -> Iterator[Array]:
    """Yield the rows of R that start from each column of S: arrays of shape (n, P)."""
    for k in range(architecture.n_outputs):
        equations.lambda_form(q, W, sigma, curvature.root(k), parameters=False, inputs=False)
        columns = []
        for L in range(1, q.l + 1):
            by_weights = q.lambda_[L].T[:, :, None] * q.phi[L - 1].T[:, None, :]
            columns.append(by_weights.reshape(len(by_weights), -1))
            if architecture.bias:
                columns.append(q.lambda_[L].T)
        yield np.concatenate(columns, axis=1)
