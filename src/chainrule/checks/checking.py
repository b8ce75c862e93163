"""Gradients compared with independent ones, in float64, whatever the network's dtype."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from chainrule import batches, engines
from chainrule.architecture import Architecture, Parametrized
from chainrule.checks import autodiff, diagnosis, references
from chainrule.checks.comparison import Comparison, OneSided
from chainrule.checks.report import GradientCheck
from chainrule.engines import Data, Engine
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

    cost = references.loss(architecture, theta, data.X, data)
    if not math.isfinite(cost):
        raise InputError(_not_finite(architecture, theta, cost))
    comparison = Comparison(
        np.concatenate([theta, data.X.ravel()]),
        cost,
        _ours(engines.choose(engine, architecture, data=data)[0], architecture, data),
        _reference(reference, architecture, data),
        _nearer(architecture, theta, data) if reference == "central" else None,
        1e-8 if reference == "central" else float(np.finfo(np.float64).eps),
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


def _not_finite(architecture: Architecture, theta: Array, cost: float) -> str:
    wrong = [
        name
        for name, places in _arrays(architecture, ())
        if name != "phi^0" and not np.isfinite(theta[places]).all()
    ]
    why = f"{wrong[0]} has entries that are not finite" if wrong else "the outputs overflow"
    return (
        f"C is {cost} for these samples, so that there is no derivative to compare: {why}; train "
        "the network anew, or pass other samples"
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


def _ours(engine: Engine[Any], architecture: Architecture, data: Data) -> Callable[[Array], Array]:
    """Return what gives our derivatives at a point."""

    def at(point: Array) -> Array:
        theta, moved = _apart(architecture, point, data)
        found = engine.gradients(architecture, theta, moved)
        assert found.inputs is not None
        return np.concatenate([found.parameters, found.inputs.ravel()])

    return at


def _reference(
    reference: str, architecture: Architecture, data: Data
) -> Callable[[Array], OneSided]:
    """Return what gives the reference's derivatives at a point."""
    if reference in autodiff.GRADIENTS:

        def differentiated(point: Array) -> OneSided:
            theta, moved = _apart(architecture, point, data)
            cost, gradient = autodiff.GRADIENTS[reference](architecture, theta, moved)
            ours = references.loss(architecture, theta, moved.X, moved)
            if not math.isclose(cost, ours, rel_tol=1e-6, abs_tol=1e-12):
                raise InputError(
                    f"for these samples {reference} finds C = {cost:.6g}, which is {ours:.6g} "
                    "here, because outputs are beyond what its functions can take: compare with "
                    "reference='complex', or on other samples"
                )
            return lambda i: (float(gradient[i]), float(gradient[i]))

        return differentiated
    step = references.complex_steps if reference == "complex" else references.best_differences
    loss = _by_everything(architecture, data)
    return lambda point: lambda i: step(loss, point, i)


def _nearer(architecture: Architecture, theta: Array, data: Data) -> OneSided:
    loss, point = _by_everything(architecture, data), np.concatenate([theta, data.X.ravel()])
    return lambda i: references.differences(loss, point, i, references.NEAR)


def _by_everything(architecture: Architecture, data: Data) -> Callable[[Array], Any]:
    """Return C as a function of the parameters and inputs in one array."""

    def loss(point: Array) -> Any:
        theta, moved = _apart(architecture, point, data)
        return references.loss(architecture, _real_if_it_is(theta), _real_if_it_is(moved.X), moved)

    return loss


def _apart(architecture: Architecture, point: Array, data: Data) -> tuple[Array, Data]:
    n = architecture.n_parameters
    return point[:n], replace(data, X=point[n:].reshape(data.X.shape))


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
