"""Gradients compared with independent ones, in float64, whatever the network's dtype."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule import batches, engines, equations
from chainrule.activations import Activation
from chainrule.architecture import Architecture, Parametrized
from chainrule.cost import BatchCost
from chainrule.engines import Data
from chainrule.errors import InputError
from chainrule.numerics import Array

# Its square underflows to zero, so that no trace of it is left in the real part.
_COMPLEX_STEP = 1e-200


@dataclass(frozen=True)
class ParameterCheck:
    """The comparison for one parameter array."""

    name: str
    """``W^1``, ``B^1``, ... and ``phi^0`` for the inputs, as in the derivation."""
    size: int
    checked: int
    """How many of the entries were compared."""
    kinks: int
    """How many of these lie on a kink, where left and right derivative differ: not counted."""
    error: float
    """The largest relative error."""
    index: tuple[int, ...]
    """The entry that has it."""
    gradient: float
    """Our derivative there."""
    expected: float
    """The independent one."""


@dataclass(frozen=True)
class GradientCheck:
    """The report of `check_gradients`; prints as a table."""

    reference: str
    """``"complex step"`` or ``"central differences"``."""
    tolerance: float
    parameters: tuple[ParameterCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether every error is within the tolerance."""
        return all(check.error <= self.tolerance for check in self.parameters)

    @property
    def worst(self) -> float:
        """The largest relative error."""
        return self.worst_parameter.error

    @property
    def worst_parameter(self) -> ParameterCheck:
        """The row of the parameter that has it."""
        return max(self.parameters, key=lambda check: check.error)

    def __str__(self) -> str:
        lines = [
            f"gradients against {self.reference}, in float64",
            f"{'':<8}{'entries':>10}{'checked':>10}{'on kinks':>10}{'largest error':>16}   at",
        ]
        for check in self.parameters:
            place = ",".join(map(str, check.index))
            mark = (
                ""
                if check.error <= self.tolerance
                else (f"   WRONG: {check.gradient:.6g}, expected {check.expected:.6g}")
            )
            lines.append(
                f"{check.name:<8}{check.size:>10}{check.checked:>10}{check.kinks:>10}"
                f"{check.error:>16.1e}   [{place}]{mark}"
            )
        verdict = "passed" if self.passed else "FAILED"
        lines.append(f"{verdict}: tolerance {self.tolerance:.0e} relative")
        return "\n".join(lines)


def check_gradients(
    net: Parametrized,
    X: Any,
    Y: Any,
    sample_weight: Any = None,
    *,
    tolerance: float | None = None,
    max_entries: int = 200,
    seed: int = 0,
    engine: str = "auto",
) -> GradientCheck:
    """Compare the gradients of a network with an independent derivative of its loss.

    Parameters
    ----------
    net : Network
        The network; a float64 copy of it is checked.
    X, Y : arrays
        A few samples and their targets.
    sample_weight : array of shape (n,), optional
        Weights of the samples.
    tolerance : float, optional
        The largest relative error that passes: 1e-8 for the complex step, 1e-5 for central
        differences. Entries below a millionth of their array's largest are measured against
        that, because rounding hides them.
    max_entries : int, default 200
        The number of entries compared in each array, chosen at random where there are more.
    seed : int, default 0
        Chooses them.
    engine : {"auto", "numpy", "native"}, default "auto"
        Whose gradients are checked: by default those that `Network.fit` trains with.

    Returns
    -------
    GradientCheck
        With ``passed``, ``worst``, ``worst_parameter`` and a row for each array.

    Raises
    ------
    InputError
        If X or Y do not fit the network.

    Notes
    -----
    The complex step (Squire and Trapp 1998, SIAM Review 40, 110-112) takes the imaginary part
    of C at theta + ih: it has no cancellation, so it is exact to rounding. It needs functions
    that take complex arguments, so a network with functions of your own is compared with
    central differences instead. Where a pre-activation is on a kink (relu at 0), the side whose
    derivative the activation takes is compared with. Where the derivatives of C from the left
    and from the right differ all the same (the absolute error of a perfect output), anything
    between them is right, and the entry is counted as on a kink.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([2, 3, 1], activation="tanh")
    >>> cr.check_gradients(net, [[0.5, -1.0]], [[1.0]]).passed
    True
    """
    architecture = replace(net.architecture, dtype="float64")
    theta = net.parameters.astype(np.float64)
    given = batches.data(architecture, X, Y, sample_weight)
    dense = given.X.toarray() if hasattr(given.X, "tocsr") else given.X
    data = Data(
        dense.astype(np.float64),
        given.Y.astype(np.float64),
        None if given.sample_weight is None else given.sample_weight.astype(np.float64),
    )
    own = architecture.loss.own or any(a.own for a in architecture.activations)
    one_sided = _differences if own else _complex_steps
    tolerance = (1e-5 if own else 1e-8) if tolerance is None else tolerance
    if max_entries < 1:
        raise InputError(f"max_entries must be at least 1, but is {max_entries}")

    ours = engines.choose(engine, architecture)[0].gradients(architecture, theta, data)
    assert ours.inputs is not None
    weights, biases = architecture.views(ours.parameters)
    places, _ = architecture.views(np.arange(len(theta)))
    bias_places = architecture.views(np.arange(len(theta)))[1]
    rng = np.random.default_rng(seed)

    def loss_of_parameters(at: Array) -> Any:
        return _loss(architecture, at, data.X, data)

    def loss_of_inputs(at: Array) -> Any:
        return _loss(architecture, theta, at.reshape(data.X.shape), data)

    def compare(
        name: str, gradient: Array, point: Array, where: Array, loss: Callable[[Array], Any]
    ) -> ParameterCheck:
        flat = gradient.ravel()
        chosen = np.arange(flat.size)
        if flat.size > max_entries:
            chosen = np.sort(rng.choice(flat.size, max_entries, replace=False))
        left, right = (
            np.array(side)
            for side in zip(*(one_sided(loss, point, int(where[i])) for i in chosen), strict=True)
        )
        expected = (left + right) / 2
        scale = np.maximum(np.abs(flat[chosen]), np.abs(expected))
        scale = np.maximum(scale, 1e-6 * max(float(np.abs(expected).max()), 1e-300))
        error = np.abs(flat[chosen] - expected) / scale
        slack = 100 * tolerance * scale
        between = (flat[chosen] >= np.minimum(left, right) - slack) & (
            flat[chosen] <= np.maximum(left, right) + slack
        )
        gap = np.abs(left - right)
        kink = (gap > slack) & between
        if own and kink.any():
            # A smooth function has a gap too, but one that shrinks with the step.
            nearer = (_differences(loss, point, int(where[i]), 0.1) for i in chosen[kink])
            kink[kink] = [abs(a - b) > g / 2 for (a, b), g in zip(nearer, gap[kink], strict=True)]
        error[kink] = 0
        error[np.isnan(error)] = math.inf
        worst = int(np.argmax(error))
        return ParameterCheck(
            name=name,
            size=flat.size,
            checked=len(chosen),
            kinks=int(kink.sum()),
            error=float(error[worst]),
            index=tuple(int(i) for i in np.unravel_index(chosen[worst], gradient.shape)),
            gradient=float(flat[chosen[worst]]),
            expected=float(expected[worst]),
        )

    rows = []
    for L, (w, b, w_at, b_at) in enumerate(
        zip(weights, biases, places, bias_places, strict=True), 1
    ):
        rows.append(compare(f"W^{L}", w, theta, w_at.ravel(), loss_of_parameters))
        if b is not None and b_at is not None:
            rows.append(compare(f"B^{L}", b, theta, b_at, loss_of_parameters))
    every = np.arange(data.X.size)
    rows.append(compare("phi^0", ours.inputs, data.X.ravel(), every, loss_of_inputs))
    return GradientCheck("central differences" if own else "complex step", tolerance, tuple(rows))


def _loss(architecture: Architecture, theta: Array, X: Array, data: Data) -> Any:
    """Return C, complex if theta or X is."""
    W, B, sigma = architecture.for_equations(theta)
    sigma[1:] = [_OffKinks(s) if getattr(s, "kinks", ()) else s for s in sigma[1:]]
    cost = BatchCost(architecture.loss, architecture.activations[-1], data.Y, data.sample_weight)
    with np.errstate(over="ignore", invalid="ignore"):
        q = equations.forward(W, B, sigma, X.T)
        return cost.value(q.rho[-1], q.phi[-1])


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


def _complex_steps(loss: Callable[[Array], Any], point: Array, i: int) -> tuple[float, float]:
    """Return the derivatives by entry i from the left and from the right."""
    at = point.astype(np.complex128)
    at[i] = point[i] - 1j * _COMPLEX_STEP
    left = -float(loss(at).imag) / _COMPLEX_STEP
    at[i] = point[i] + 1j * _COMPLEX_STEP
    return left, float(loss(at).imag) / _COMPLEX_STEP


def _differences(
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
