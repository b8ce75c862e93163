"""One weight, followed along every path to the cost."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainrule import equations
from chainrule.errors import InputError
from chainrule.numerics import Array
from chainrule.tracing import statements

if TYPE_CHECKING:
    from chainrule.tracing.traces import Trace

LIMIT = 1000
"""The most paths that are listed; of a weight with more they are only counted."""


class Factor(NamedTuple):
    """One partial derivative along a path."""

    derivative: str
    """What it is, in LaTeX."""
    latex: str
    """What it equals, in LaTeX."""
    value: Array
    """For each sample."""


class Path(NamedTuple):
    """The units a weight acts through, from the cost down, and the derivatives between them."""

    units: tuple[int, ...]
    """A unit of each layer from l to L, counted from 1."""
    factors: tuple[Factor, ...]
    product: Array
    """Of all factors, for each sample."""


@dataclass(frozen=True)
class WeightPaths:
    """What `follow` found."""

    L: int
    j: int
    k: int
    n_paths: int
    paths: tuple[Path, ...] | None
    """None where there are more than the limit."""
    total: float | None
    """The sum of the products over paths and samples; None without paths."""
    gradients: dict[str, float]
    """The entry of dC/dW^L by equation: A3 and B3."""
    digits: int
    """How many digits of these the network's dtype has."""

    def spelled(self, value: float) -> str:
        """Return the sum or a gradient with as many digits as mean something."""
        return format(value, f".{self.digits}g")

    @property
    def counted(self) -> str:
        """How many paths there are."""
        return f"{self.n_paths:,} path{'s' if self.n_paths != 1 else ''} to the cost"

    @property
    def latex(self) -> str:
        """The weight, in LaTeX."""
        return f"W^{{{self.L}}}_{{{self.j},{self.k}}}"


def follow(trace: Trace, L: int, j: int, k: int, limit: int = LIMIT) -> WeightPaths:
    """Return every path from a weight to the cost, with its product of partial derivatives.

    Parameters
    ----------
    trace : Trace
        Of any form.
    L, j, k : int
        The weight from unit k of layer L - 1 to unit j of layer L, all counted from 1.
    limit : int, default 1000
        The number of paths above which they are only counted.

    Raises
    ------
    InputError
        If there is no such weight.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([2, 3, 1], activation="tanh", dtype="float64")
    >>> found = follow(cr.trace(net, [[0.5, -1.0]], [[1.0]]), 1, 3, 2)
    >>> found.n_paths, abs(found.total - found.gradients["B3"]) < 1e-15
    (1, True)
    """
    sizes = trace.layer_sizes
    _require(trace, L, j, k)
    n_paths = math.prod(sizes[L + 1 :])
    digits = int(np.finfo(trace.phi[0].dtype).precision)
    with np.errstate(over="ignore", invalid="ignore"):  # as in the trace
        gradients = _gradients(trace, L, j, k)
        if n_paths > limit:
            return WeightPaths(L, j, k, n_paths, None, None, gradients, digits)
        paths = []
        for units in equations.paths_to(L, j - 1, sizes):
            factors = (*_factors(trace, units), _input_factor(trace, L, j, k))
            product = functools.reduce(operator.mul, (factor.value for factor in factors))
            paths.append(Path(tuple(unit + 1 for unit in units), factors, product))
        total = float(sum(path.product.sum() for path in paths))
    return WeightPaths(L, j, k, n_paths, tuple(paths), total, gradients, digits)


def _require(trace: Trace, L: int, j: int, k: int) -> None:
    sizes = trace.layer_sizes
    l = len(sizes) - 1
    if not 1 <= L <= l:
        raise InputError(
            f"there is no layer {L}: a network of {'-'.join(map(str, sizes))} has weights in the "
            f"layers 1 to {l}"
        )
    if not (1 <= j <= sizes[L] and 1 <= k <= sizes[L - 1]):
        raise InputError(
            f"W^{L} has no entry {j},{k}: it has {sizes[L]} rows and {sizes[L - 1]} columns, "
            "counted from 1"
        )


def _factors(trace: Trace, units: tuple[int, ...]) -> list[Factor]:
    """Return the factors that `equations.path_factors` gives, each with its name."""
    l = len(trace.layer_sizes) - 1
    a = units[0]
    if statements.closed(trace):
        top = trace.output_lambda
        names = [_name(r"\rho", l, a, "")]
        start: list[Array] = []
    else:
        top, start = trace.sigma_prime[l], [trace.omega[l][a]]
        names = [_name(r"\phi", l, a, r"\omega"), _name(r"\rho", l, a, "sigma", r"\phi")]
    for M, (b, c) in zip(range(l, 0, -1), itertools.pairwise(units), strict=False):
        latex = f"W^{{{M}}}_{{{b + 1},{c + 1}}}"
        names.append((_fraction(_at(r"\rho", M, b), _at(r"\phi", M - 1, c)), latex))
        names.append(_name(r"\rho", M - 1, c, "sigma", r"\phi"))
    found = [*start, *equations.path_factors(units, top, trace.W, trace.sigma_prime)]
    return [Factor(*name, np.asarray(value)) for name, value in zip(names, found, strict=True)]


class _Recorded:
    """Sigma and the cost of a trace, whose values are known already."""

    def __init__(self, trace: Trace, L: int) -> None:
        self.trace, self.L = trace, L

    def slope(self, rho: Array, phi: Array) -> Array:
        return self.trace.sigma_prime[self.L]

    def omega(self, phi: Array) -> Array:
        return self.trace.omega[self.L]

    def lambda_(self, rho: Array, phi: Array) -> Array | None:
        return self.trace.output_lambda if statements.closed(self.trace) else None


def _gradients(trace: Trace, L: int, j: int, k: int) -> dict[str, float]:
    """Return one entry of dC/dW^L as the omega and the lambda form compute it."""
    l = len(trace.layer_sizes) - 1
    sigma = [_Recorded(trace, M) for M in range(l + 1)]
    found = {}
    for form, number in (("omega", "A3"), ("lambda", "B3")):
        q = equations.Quantities(l)
        q.phi, q.rho = trace.phi, trace.rho
        equations.BACKWARD[form](q, trace.W, sigma, sigma[l])
        found[number] = float(q.grad_W[L][j - 1, k - 1])
    return found


def _input_factor(trace: Trace, L: int, j: int, k: int) -> Factor:
    by = f"W^{{{L}}}_{{{j},{k}}}"
    below = _at(r"\phi", L - 1, k - 1)
    return Factor(_fraction(_at(r"\rho", L, j - 1), by), below, trace.phi[L - 1][k - 1])


def _name(by: str, L: int, unit: int, what: str, of: str = "C") -> tuple[str, str]:
    place = _at(by, L, unit)
    derivative = _fraction("C" if of == "C" else _at(of, L, unit), place)
    if what == "sigma":
        return derivative, rf"\sigma'\left({place}\right)"
    return derivative, _at(what, L, unit) if what else derivative


def _at(symbol: str, L: int, unit: int) -> str:
    return f"{symbol}^{{{L}}}_{{{unit + 1}}}"


def _fraction(above: str, below: str) -> str:
    return rf"\frac{{\partial {above}}}{{\partial {below}}}"
