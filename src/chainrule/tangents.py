"""The derivation read forwards, and the fit of derivatives: the equations F and D.

Read it beside `equations`, whose symbols it keeps. A dot is a derivative along a direction:
when the parameters and inputs move with the velocities W_dot, B_dot and X_dot, rho^L moves with
``dot.rho[L]`` and phi^L with ``dot.phi[L]``. Where backpropagation starts from the cost and asks
what it owes to every parameter, this starts from one direction and asks what becomes of every
layer. Equation by equation one is the transpose of the other:

====================================  ========================================
backward                              forward
====================================  ========================================
lambda^L = sigma'(rho^L) o omega^L    phi_dot^L = sigma'(rho^L) o rho_dot^L
B1: omega^(L-1) = W^L.T lambda^L      F1: rho_dot^L gains W^L phi_dot^(L-1)
B2: dC/dB^L = lambda^L                F2: rho_dot^L gains B_dot^L
B3: dC/dW^L = lambda^L phi^(L-1).T    F3: rho_dot^L gains W_dot^L phi^(L-1)
====================================  ========================================

So with J the derivative of all outputs by all parameters and inputs, one pass forward is J v for
a direction v and one pass backward is J.T u for an error u, and ``<u, J v> = <J.T u, v>``.

The derivatives of the outputs by the inputs are dots themselves: ``dot.phi[l]`` for the direction
in which one input moves alone. Where a cost D depends on them, its gradient goes back through both
passes. It has the errors ``dot.omega[L]`` = dD/dphi_dot^L and ``dot.lambda_[L]`` = dD/drho_dot^L,
one of each for every direction, and it needs sigma'' (``sigma[L].sigma_double_prime(rho)``),
because rho^L has a say in phi_dot^L = sigma'(rho^L) o rho_dot^L. Without dots, D1, D2 and D3 are
B1, B2 and B3.

Nothing here needs numbers either: `chainrule.prove` runs it on SymPy's symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from chainrule.equations import Cost, Quantities
from chainrule.numerics import Array


class DerivativeCost(Protocol):
    """D as a function of the derivatives of the last layer along some inputs."""

    def omega(self, m: int, phi_dot: Array, /) -> Array:
        """Return dD/dphi_dot^l for direction m."""


def forward(
    q: Quantities,
    W: Sequence[Any],
    sigma: Sequence[Any],
    *,
    X_dot: Array | None = None,
    B_dot: Sequence[Any] | None = None,
    W_dot: Sequence[Any] | None = None,
    outputs: bool = True,
) -> Quantities:
    """The forward derivative along one direction: F1, F2, F3.

    `q` is from `equations.forward`, the shapes are those of X, B and W there, and what is not
    given does not move. Without `outputs` it ends at rho_dot^l: where sigma is not elementwise
    (softmax), or the cost has lambda^l in closed form, that is what goes on.
    """
    dot = Quantities(q.l)
    dot.phi[0] = np.zeros_like(q.phi[0]) if X_dot is None else X_dot
    for L in range(1, q.l + 1):
        dot.rho[L] = W[L] @ dot.phi[L - 1]  # F1
        if B_dot is not None:
            dot.rho[L] = dot.rho[L] + B_dot[L][:, None]  # F2
        if W_dot is not None:
            dot.rho[L] = dot.rho[L] + W_dot[L] @ q.phi[L - 1]  # F3
        if L < q.l or outputs:
            dot.phi[L] = sigma[L].slope(q.rho[L], q.phi[L]) * dot.rho[L]
    return dot


def along_inputs(
    q: Quantities, W: Sequence[Any], sigma: Sequence[Any], inputs: Sequence[int]
) -> list[Quantities]:
    """The forward derivatives along each of these inputs: columns of the Jacobian."""
    dots = []
    for m in inputs:
        X_dot = np.zeros_like(q.phi[0])
        X_dot[m] = 1
        dots.append(forward(q, W, sigma, X_dot=X_dot))
    return dots


def forward_of_dot(
    q: Quantities,
    dot: Quantities,
    along: Quantities,
    W: Sequence[Any],
    sigma: Sequence[Any],
    W_dot: Sequence[Any],
) -> Quantities:
    """How the forward derivative `dot` along an input moves, when the parameters do.

    F1 and F3 of its own, and the second half of the product rule for sigma'(rho^L) o rho_dot^L.
    `along` is the forward derivative along the same direction of the parameters.
    """
    moving = Quantities(q.l)
    moving.phi[0] = np.zeros_like(q.phi[0])
    for L in range(1, q.l + 1):
        slope = sigma[L].slope(q.rho[L], q.phi[L])
        curvature = sigma[L].sigma_double_prime(q.rho[L])
        moving.rho[L] = W[L] @ moving.phi[L - 1] + W_dot[L] @ dot.phi[L - 1]
        moving.phi[L] = slope * moving.rho[L] + curvature * along.rho[L] * dot.rho[L]
    return moving


def backward(
    q: Quantities,
    dots: Sequence[Quantities],
    W: Sequence[Any],
    sigma: Sequence[Any],
    cost: Cost,
    derivative_cost: DerivativeCost,
    *,
    parameters: bool = True,
    inputs: bool = True,
) -> Quantities:
    """The backward pass through both passes, for the cost C + D: D1, D2, D3.

    `dots` has the forward derivatives along the inputs, by `along_inputs`.
    Without `parameters` it leaves out D2 and D3, without `inputs` omega^0.
    """
    q.omega[q.l] = cost.omega(q.phi[q.l])
    for m, dot in enumerate(dots):
        dot.omega[q.l] = derivative_cost.omega(m, dot.phi[q.l])
    for L in range(q.l, 0, -1):
        slope = sigma[L].slope(q.rho[L], q.phi[L])
        for dot in dots:
            dot.lambda_[L] = dot.omega[L] * slope
        by_slope = sum(dot.omega[L] * dot.rho[L] for dot in dots)
        q.lambda_[L] = q.omega[L] * slope + by_slope * sigma[L].sigma_double_prime(q.rho[L])
        if parameters:
            q.grad_B[L] = q.lambda_[L].sum(axis=1)  # D2
            q.grad_W[L] = q.lambda_[L] @ q.phi[L - 1].T  # D3
            q.grad_W[L] += sum(dot.lambda_[L] @ dot.phi[L - 1].T for dot in dots)
        if L > 1 or inputs:
            q.omega[L - 1] = W[L].T @ q.lambda_[L]  # D1
            for dot in dots:
                dot.omega[L - 1] = W[L].T @ dot.lambda_[L]
    return q
