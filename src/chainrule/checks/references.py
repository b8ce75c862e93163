"""Derivatives of C that owe nothing to backpropagation: the forward pass alone is run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import equations, tangents
from chainrule.activations import Activation
from chainrule.architecture import Architecture
from chainrule.cost import BatchCost, DerivativeCost
from chainrule.engines import Data
from chainrule.numerics import Array

# Its square underflows to zero, so that no trace of it is left in the real part.
_COMPLEX_STEP = 1e-200
# Tried for each entry: the best step differs from function to function.
_SCALES = (100.0, 10.0, 1.0, 0.1)
NEAR = 0.01
"""Nearer than any of them."""


def loss(architecture: Architecture, theta: Array, X: Array, data: Data) -> Any:
    """Return C, complex if theta or X is."""
    W, B, sigma = architecture.for_equations(theta)
    sigma[1:] = [_OffKinks(s) if getattr(s, "kinks", ()) else s for s in sigma[1:]]
    cost = BatchCost(architecture.loss, architecture.activations[-1], data.Y, data.sample_weight)
    with np.errstate(over="ignore", invalid="ignore"):
        q = equations.forward(W, B, sigma, X.T)
        C = cost.value(q.rho[-1], q.phi[-1])
        if data.dY is None:
            return C
        derivative_cost = DerivativeCost(data.dY, cost.share, data.dY_weight)
        dots = tangents.along_inputs(q, W, sigma, derivative_cost.directions)
        return C + derivative_cost.value([dot.phi[-1] for dot in dots])


class _OffKinks:
    """An activation that takes a pre-activation on a kink to be beside it.

    On the side whose derivative is the one that the activation has on the kink itself; else a
    complex step, which goes to both sides, would compare with a derivative from the other.
    """

    def __init__(self, activation: Activation) -> None:
        self.activation = activation

    def sigma(self, rho: Array) -> Array:
        """Return phi."""
        exact = self.activation.sigma(rho.real)
        if not np.iscomplexobj(rho):
            return exact
        moved = rho
        for kink in self.activation.kinks:
            aside = max(float(np.spacing(abs(kink))), 1e-300)
            left, here, right = self.activation.sigma_prime(kink + aside * np.array([-1, 0, 1]))
            aside = -aside if abs(here - left) < abs(here - right) else aside
            moved = np.where(rho.real == kink, rho + aside, moved)
        # the value stays that on the kink, or the next layer would be moved off its own
        return exact + 1j * self.activation.sigma(moved).imag

    def slope(self, rho: Array, phi: Array) -> Array:
        """Return sigma'(rho)."""
        return self.activation.sigma_prime(rho)


def complex_steps(loss: Callable[[Array], Any], point: Array, i: int) -> tuple[float, float]:
    """Return the derivatives by entry i from the left and from the right."""
    at = point.astype(np.complex128)
    at[i] = point[i] - 1j * _COMPLEX_STEP
    left = -float(loss(at).imag) / _COMPLEX_STEP
    at[i] = point[i] + 1j * _COMPLEX_STEP
    return left, float(loss(at).imag) / _COMPLEX_STEP


def differences(
    loss: Callable[[Array], Any], point: Array, i: int, scale: float = 1.0
) -> tuple[float, float]:
    """Return differences by entry i to the left and to the right; their mean is central."""
    # the cube root of the rounding unit, which balances rounding and the third derivative
    h = scale * 6e-6 * max(1.0, abs(float(point[i])))
    at = point.copy()
    here = float(loss(at))
    at[i] = point[i] - h
    left = (here - float(loss(at))) / h
    at[i] = point[i] + h
    return left, (float(loss(at)) - here) / h


def best_differences(loss: Callable[[Array], Any], point: Array, i: int) -> tuple[float, float]:
    """Return `differences` with the step whose mean agrees best with that of the next larger.

    A larger step leaves out more of the function's bends, a smaller one loses more digits.
    """
    found = [differences(loss, point, i, scale) for scale in _SCALES]
    means = [left + right for left, right in found]
    changes = [abs(b - a) for a, b in itertools.pairwise(means)]
    best = min(range(len(changes)), key=changes.__getitem__)
    return found[best + 1]
