"""`equations` and `tangents` run on symbols, and compared with SymPy's own derivatives."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import equations, losses, tangents
from chainrule.activations import identity
from chainrule.architecture import build
from chainrule.cost import BatchCost, DerivativeCost
from chainrule.errors import InputError, MissingExtraError
from chainrule.numerics import Array
from chainrule.proof.report import Difference, Proof
from chainrule.proof.symbolic import SymbolicNetwork


def prove(
    layer_sizes: Sequence[int],
    n_samples: int = 1,
    limit: int = 1000,
    *,
    derivatives: bool = False,
) -> Proof:
    """Prove that the equations give the derivative of C, for activations left unknown.

    C is written out with scalars and indices, in symbols for every weight, bias and input;
    SymPy differentiates it; and `equations.py`, the file that trains, runs on the same symbols.
    The differences are simplified. So it goes with `tangents.py`, the forward derivative: along a
    direction in which all symbols move, for each output and for C; and that it is the transpose
    of the backward pass.

    Parameters
    ----------
    layer_sizes : sequence of int
        n_0, ..., n_l, such as ``[2, 3, 2]``.
    n_samples : int, default 1
        The number of samples, the columns of phi.
    limit : int, default 1000
        The largest number of paths from a symbol to C: the time grows with it.
    derivatives : bool, default False
        Whether to prove D1, D2 and D3 as well, the gradient of a cost D of the outputs'
        derivatives by the inputs. The time grows with the square of the number of paths.

    Returns
    -------
    Proof
        With ``passed`` and a row for each symbol; it is true if it is proven.

    Raises
    ------
    MissingExtraError
        If SymPy is not installed.
    InputError
        If the layer sizes or the number of samples make no sense, or there are too many paths.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.prove([1, 2, 1]).passed
    True
    """
    try:
        import sympy
    except ImportError:
        raise MissingExtraError("sympy", "prove", "chainrule.prove") from None
    sizes = build(layer_sizes, "identity", "identity", "squared_error", True, "float64").layer_sizes
    if not isinstance(n_samples, int) or n_samples < 1:
        raise InputError(f"n_samples must be a whole number of at least 1, but is {n_samples!r}")
    n_paths = n_samples * equations.count_paths(sizes)
    count = sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(sizes))
    count += sizes[0] * n_samples
    if n_paths > limit:
        raise InputError(
            f"a proof for {'-'.join(map(str, sizes))} with {n_samples} samples has {count} "
            f"derivatives and {n_paths:,} paths, more than the limit of {limit:,}: take a smaller "
            "network, such as [2, 3, 2], or raise limit"
        )
    net = SymbolicNetwork(sympy, sizes, n_samples)
    return Proof(
        sizes,
        tuple(_backward(net)),
        str(net.C.xreplace(net.names)),
        tuple(_forward(net)),
        tuple(_derivatives(net)) if derivatives else (),
    )


def _run(net: SymbolicNetwork) -> equations.Quantities:
    return equations.forward(net.W, net.B, net.sigma, net.X)


def _squared_error(net: SymbolicNetwork) -> BatchCost:
    return BatchCost(losses.squared_error, identity, net.Y)


def _gradient(q: equations.Quantities) -> list[Array]:
    """Return the derivatives by the variables of a network, in their order."""
    by_layer = zip(q.grad_W[1:], q.grad_B[1:], strict=True)
    return [*itertools.chain.from_iterable(by_layer), q.omega[0]]


def _backward(net: SymbolicNetwork) -> list[Difference]:
    """Compare each derivative of C with each of the three forms."""
    gradients = {
        form: _gradient(run(_run(net), net.W, net.sigma, _squared_error(net)))
        for form, run in equations.BACKWARD.items()
    }
    return _compare(net, net.C, gradients)


def _compare(
    net: SymbolicNetwork, cost: Any, gradients: dict[str, list[Array]]
) -> list[Difference]:
    found = []
    for place, variables in enumerate(net.variables()):
        for index in np.ndindex(*variables.shape):
            derivative = net.sympy.diff(cost, variables[index])
            spelled = net.spelled(derivative)
            for form, gradient in gradients.items():
                less = net.difference(derivative, gradient[place][index])
                found.append(
                    Difference(str(variables[index]), form, str(derivative), less, spelled)
                )
    return found


def _forward(net: SymbolicNetwork) -> list[Difference]:
    """Compare the derivative of each output, and of C, along a direction of symbols."""
    velocities = [_velocities(net, variables) for variables in net.variables()]
    *by_layer, X_dot = velocities
    W_dot, B_dot = [None, *by_layer[::2]], [None, *by_layer[1::2]]
    q = _run(net)
    dot = tangents.forward(q, net.W, net.sigma, W_dot=W_dot, B_dot=B_dot, X_dot=X_dot)
    pairs = list(zip(_flat(net.variables()), _flat(velocities), strict=True))

    def compared(variable: str, of: Any, ours: Any) -> Difference:
        along = sum(net.sympy.diff(of, v) * v_dot for v, v_dot in pairs)
        less = net.difference(along, ours)
        return Difference(variable, "forward", str(along), less, net.spelled(along))

    found = [
        compared(f"dphi^{net.l}_{j + 1}{i + 1}", net.outputs[j, i], dot.phi[-1][j, i])
        for j, i in np.ndindex(*net.outputs.shape)
    ]
    found.append(compared("dC", net.C, (_squared_error(net).omega(q.phi[-1]) * dot.phi[-1]).sum()))
    u = net.symbols("u", *net.outputs.shape)
    transposed = _gradient(equations.lambda_form(q, net.W, net.sigma, _Error(u)))
    forwards = (u * dot.phi[-1]).sum()
    backwards = sum(a * b for a, b in zip(_flat(transposed), _flat(velocities), strict=True))
    less = net.difference(forwards, backwards)
    name = "<u, J v> - <J.T u, v>"
    return [*found, Difference(name, "forward", str(forwards), less, net.spelled(forwards))]


def _velocities(net: SymbolicNetwork, variables: Array) -> Array:
    rename = np.frompyfunc(lambda v: net.sympy.Symbol(f"d{v}", real=True), 1, 1)
    return np.asarray(rename(variables))


def _flat(arrays: Any) -> list[Any]:
    return [entry for array in arrays for entry in array.ravel()]


class _Error:
    """A cost whose derivative by the outputs is given."""

    def __init__(self, u: Array) -> None:
        self.u = u

    def omega(self, phi: Array) -> Array:
        return self.u

    def lambda_(self, rho: Array, phi: Array) -> None:
        return None


def _derivatives(net: SymbolicNetwork) -> list[Difference]:
    """Compare each derivative of C + D, D being of the derivatives that SymPy finds."""
    n, n_0 = net.n_samples, net.n[0]
    dY = net.symbols("dy", n, net.n[-1], n_0)
    D = net.sympy.Integer(0)
    for j, i in np.ndindex(*net.outputs.shape):
        slopes = [net.sympy.diff(net.outputs[j, i], net.X[m, i]) for m in range(n_0)]
        D += sum((slope - dY[i, j, m]) ** 2 for m, slope in enumerate(slopes))
    q = _run(net)
    cost = _squared_error(net)
    derivative_cost = DerivativeCost(dY)
    dots = tangents.along_inputs(q, net.W, net.sigma, derivative_cost.directions)
    tangents.backward(q, dots, net.W, net.sigma, cost, derivative_cost)
    return _compare(net, net.C + D / (2 * n), {"derivatives": _gradient(q)})
