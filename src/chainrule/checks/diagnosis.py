"""Which derivative is wrong: each function of a network against its own differences."""

from __future__ import annotations

import numpy as np

from chainrule import equations
from chainrule.activations import Activation, ArrayFunction
from chainrule.architecture import Architecture
from chainrule.checks.report import Culprit
from chainrule.cost import BatchCost
from chainrule.engines import Data
from chainrule.numerics import Array

_STEP = 6e-6
_TOLERANCE = 1e-5


def culprits(
    architecture: Architecture, theta: Array, data: Data, failing: tuple[int, ...]
) -> tuple[Culprit, ...]:
    """Return the functions whose derivatives are wrong where this network uses them.

    Parameters
    ----------
    architecture, theta, data
        What was checked, in float64.
    failing : tuple of int
        The layers L whose gradients are wrong. Where no function is found to be wrong, the
        last of them is named: everything above it is right.
    """
    W, B, sigma = architecture.for_equations(theta)
    cost = BatchCost(architecture.loss, architecture.activations[-1], data.Y, data.sample_weight)
    found: list[Culprit] = []
    with np.errstate(all="ignore"):
        q = equations.forward(W, B, sigma, data.X.T)
        for L, activation in enumerate(architecture.activations, 1):
            if activation.elementwise:
                found += _of_activation(L, activation, q.rho[L], data.dY is not None)
        found += _of_loss(cost, q.rho[-1], q.phi[-1])
    if not found and failing:
        L = max(failing)
        detail = "the gradients above it are right, those of this layer are not"
        found.append(Culprit(L, architecture.activations[L - 1].name, detail))
    return tuple(found)


def _of_activation(L: int, activation: Activation, rho: Array, second: bool) -> list[Culprit]:
    """Compare sigma' with the differences of sigma, and perhaps sigma'' with those of sigma'."""

    def slope(at: Array) -> Array:
        return activation.slope(at, activation.sigma(at))

    pairs: list[tuple[str, ArrayFunction, str, ArrayFunction]] = [
        ("sigma_prime", slope, "sigma", activation.sigma)
    ]
    if second and activation.sigma_double_prime is not None:
        pairs.append(("sigma_double_prime", activation.sigma_double_prime, "sigma_prime", slope))
    h, found = _STEP * np.maximum(1, np.abs(rho)), []
    for name, derivative, of, function in pairs:
        given, here = derivative(rho), function(rho)
        left, right = (here - function(rho - h)) / h, (function(rho + h) - here) / h
        if (wrong := _worst(given, left, right)) is not None:
            detail = (
                f"{name} is not the derivative of {of}: at rho = {rho[wrong]:.4g} it gives "
                f"{given[wrong]:.6g}, a difference quotient gives {(left + right)[wrong] / 2:.6g}"
            )
            found.append(Culprit(L, activation.name, detail))
    return found


def _of_loss(cost: BatchCost, rho: Array, phi: Array) -> list[Culprit]:
    """Compare the cost's derivative: by rho where it is in closed form, else by phi."""
    given = cost.lambda_(rho, phi) if cost.folded is not None else cost.omega(phi)
    assert given is not None
    left, right = np.empty_like(given), np.empty_like(given)
    here = cost.value(rho, phi)
    for place in np.ndindex(*given.shape):
        for side, quotient in ((-1, left), (1, right)):
            moved = (rho if cost.folded is not None else phi).copy()
            h = side * _STEP * max(1.0, abs(float(moved[place])))
            moved[place] += h
            outputs = cost.activation.sigma(moved.T).T if cost.folded is not None else moved
            quotient[place] = (cost.value(moved, outputs) - here) / h
    wrong = _worst(given, left, right)
    if wrong is None:
        return []
    detail = (
        f"its derivative is not that of its value: for the output {phi[wrong]:.4g} it gives "
        f"{given[wrong]:.6g}, a difference quotient gives {(left + right)[wrong] / 2:.6g}"
    )
    return [Culprit(None, cost.loss.name, detail)]


def _worst(given: Array, left: Array, right: Array) -> tuple[int, ...] | None:
    """Return where a derivative is not between those of both sides; None if nowhere."""
    slack = _TOLERANCE * np.maximum(np.abs(left), np.abs(right)).max()
    low, high = np.minimum(left, right) - slack, np.maximum(left, right) + slack
    off = np.maximum(low - given, given - high)
    off = np.where(np.isfinite(left) & np.isfinite(right), np.nan_to_num(off, nan=np.inf), 0)
    worst = np.unravel_index(int(np.argmax(off)), off.shape)
    return tuple(int(i) for i in worst) if off[worst] > 0 else None
