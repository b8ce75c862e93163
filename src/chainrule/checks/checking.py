"""Gradients compared with independent ones, in float64, whatever the network's dtype."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from chainrule import batches, engines
from chainrule.architecture import Architecture, Parametrized
from chainrule.checks import autodiff, diagnosis, references
from chainrule.checks.report import GradientCheck, ParameterCheck
from chainrule.engines import Data
from chainrule.errors import InputError, require_choice
from chainrule.numerics import Array

REFERENCES = {
    "complex": "complex step",
    "central": "central differences",
    "torch": "autodiff by torch",
    "jax": "autodiff by jax",
}
_TOLERANCES = {"central": 1e-5}
_TOLERANCE = 1e-8


def check_gradients(
    net: Parametrized,
    X: Any,
    Y: Any,
    sample_weight: Any = None,
    *,
    dY: Any = None,
    dY_weight: float = 1.0,
    reference: str = "auto",
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
    dY : array of shape (n, n_l, n_0), optional
        Derivatives of the outputs by the inputs; what is checked is the gradient of C + D then.
    dY_weight : float, default 1.0
        What they count.
    reference : {"auto", "complex", "central", "torch", "jax"}, default "auto"
        What to compare with: the complex step, central differences with the best of four steps
        for each entry, or automatic differentiation of the same network built anew in PyTorch or
        JAX. ``"auto"`` is the complex step, or central differences for functions of your own.
    tolerance : float, optional
        The largest relative error that passes: 1e-5 for central differences, else 1e-8. Entries
        below a millionth of their array's largest, or of C, are measured against that, because
        rounding hides them.
    max_entries : int, default 200
        The number of entries compared in each array, chosen at random where there are more.
    seed : int, default 0
        Chooses them.
    engine : {"auto", "numpy", "native"}, default "auto"
        Whose gradients are checked: by default those that `Network.fit` trains with.

    Returns
    -------
    GradientCheck
        With ``passed``, ``worst``, ``worst_parameter``, a row for each array, and ``culprits``:
        the layer and the activation (or the loss) whose derivative is wrong.

    Raises
    ------
    InputError
        If X or Y do not fit the network, or the reference cannot differentiate its functions.
    MissingExtraError
        If torch or jax is asked for and not installed.

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
    require_choice("reference", reference, ["auto", *REFERENCES])
    architecture = replace(net.architecture, dtype="float64")
    theta = net.parameters.astype(np.float64)
    data = batches.data(architecture, X, Y, sample_weight, dY=dY, dY_weight=dY_weight)
    data = _dense(data)
    own = architecture.loss.own or any(a.own for a in architecture.activations)
    if reference == "auto":
        reference = "central" if own else "complex"
    if reference != "central" and own:
        raise InputError(
            f"{REFERENCES[reference]} needs functions that it knows, but this network has some "
            "of your own: compare with reference='central'"
        )
    tolerance = _TOLERANCES.get(reference, _TOLERANCE) if tolerance is None else tolerance
    if max_entries < 1:
        raise InputError(f"max_entries must be at least 1, but is {max_entries}")

    chosen, _ = engines.choose(engine, architecture, data=data)
    found = chosen.gradients(architecture, theta, data)
    assert found.inputs is not None
    ours = np.concatenate([found.parameters, found.inputs.ravel()])
    comparison = _Comparison(
        ours,
        abs(found.loss) if math.isfinite(found.loss) else 0.0,
        _one_sided(reference, architecture, theta, data),
        _nearer(architecture, theta, data) if reference == "central" else None,
        tolerance,
        max_entries,
        np.random.default_rng(seed),
    )
    arrays = _arrays(architecture, data.X.shape)
    # Many small products: several threads would wait for each other most of the time.
    with threadpool_limits(1, "blas"):
        rows = tuple(comparison.of(name, places) for name, places in arrays)
    report = GradientCheck(REFERENCES[reference], tolerance, rows)
    if report.passed:
        return report
    culprits = diagnosis.culprits(architecture, theta, data, tuple(_failing_layers(report)))
    return replace(report, culprits=culprits)


OneSided = Callable[[int], tuple[float, float]]
"""From a place among the parameters, then the inputs, to the derivatives from both sides."""


@dataclass(frozen=True)
class _Comparison:
    ours: Array
    cost: float
    one_sided: OneSided
    nearer: OneSided | None
    tolerance: float
    max_entries: int
    rng: np.random.Generator

    def of(self, name: str, places: Array) -> ParameterCheck:
        """Compare one array, given the places of its entries."""
        chosen = np.arange(places.size)
        if places.size > self.max_entries:
            chosen = np.sort(self.rng.choice(places.size, self.max_entries, replace=False))
        at = places.ravel()[chosen]
        gradient = self.ours[at]
        left, right = (
            np.array(side) for side in zip(*(self.one_sided(int(i)) for i in at), strict=True)
        )
        expected = (left + right) / 2
        scale = np.maximum(np.abs(gradient), np.abs(expected))
        largest = max(float(np.abs(expected).max()), self.cost, 1e-300)
        scale = np.maximum(scale, 1e-6 * largest)
        error = np.abs(gradient - expected) / scale
        slack = 100 * self.tolerance * scale
        between = (gradient >= np.minimum(left, right) - slack) & (
            gradient <= np.maximum(left, right) + slack
        )
        gap = np.abs(left - right)
        kink = (gap > slack) & between
        if self.nearer is not None and kink.any():
            # A smooth function has a gap too, but one that shrinks with the step.
            near = (self.nearer(int(i)) for i in at[kink])
            kink[kink] = [abs(a - b) > g / 2 for (a, b), g in zip(near, gap[kink], strict=True)]
        error[kink] = 0
        error[np.isnan(error)] = math.inf
        worst = int(np.argmax(error))
        return ParameterCheck(
            name=name,
            size=places.size,
            checked=len(chosen),
            kinks=int(kink.sum()),
            error=float(error[worst]),
            index=tuple(int(i) for i in np.unravel_index(chosen[worst], places.shape)),
            gradient=float(gradient[worst]),
            expected=float(expected[worst]),
        )


def _dense(given: Data) -> Data:
    """Return samples as float64 arrays."""
    X = given.X.toarray() if hasattr(given.X, "tocsr") else given.X
    return replace(given, X=X).in_double()


def _arrays(architecture: Architecture, inputs: tuple[int, ...]) -> list[tuple[str, Array]]:
    """Return name and places of every array; those of the inputs come after the parameters."""
    n = architecture.n_parameters
    named: list[tuple[str, Array]] = []
    pairs = zip(*architecture.views(np.arange(n)), strict=True)
    for L, (w, b) in enumerate(pairs, 1):
        named.append((f"W^{L}", w))
        if b is not None:
            named.append((f"B^{L}", b))
    return [*named, ("phi^0", n + np.arange(math.prod(inputs)).reshape(inputs))]


def _one_sided(reference: str, architecture: Architecture, theta: Array, data: Data) -> OneSided:
    if reference in autodiff.GRADIENTS:
        gradient = autodiff.GRADIENTS[reference](architecture, theta, data)
        return lambda i: (float(gradient[i]), float(gradient[i]))
    step = references.complex_steps if reference == "complex" else references.best_differences
    point, loss = _by_everything(architecture, theta, data)
    return lambda i: step(loss, point, i)


def _nearer(architecture: Architecture, theta: Array, data: Data) -> OneSided:
    point, loss = _by_everything(architecture, theta, data)
    return lambda i: references.differences(loss, point, i, references.NEAR)


def _by_everything(
    architecture: Architecture, theta: Array, data: Data
) -> tuple[Array, Callable[[Array], Any]]:
    """Return parameters and inputs as one point, and C as a function of it."""
    n = len(theta)

    def loss(at: Array) -> Any:
        parameters, inputs = _real_if_it_is(at[:n]), _real_if_it_is(at[n:])
        return references.loss(architecture, parameters, inputs.reshape(data.X.shape), data)

    return np.concatenate([theta, data.X.ravel()]), loss


def _real_if_it_is(point: Array) -> Array:
    """Return the real part of what was not moved: complex products cost several times as much."""
    if np.iscomplexobj(point) and point.imag.any():
        return point
    return np.ascontiguousarray(point.real)  # products of views take longer still


def _failing_layers(report: GradientCheck) -> set[int]:
    return {
        int(check.name.partition("^")[2])
        for check in report.parameters
        if check.error > report.tolerance and check.name != "phi^0"
    }
