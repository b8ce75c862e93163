"""The derivation of backpropagation, one statement per numbered equation.

Read it beside the derivation, whose symbols it keeps (`chainrule.notation` lists them).
Layers are counted from 1 to l, so ``W[L]`` is the weight matrix of layer L, of shape
(n_L, n_(L-1)), and ``W[0]`` is None. Samples are columns: ``phi[L]`` and ``rho[L]`` have
shape (n_L, n). A product with a ``.T`` sums over the samples by itself, and ``.sum(axis=1)``
does for the biases; the 1/n of the mean is in C.

``sigma[L].sigma(rho)`` is sigma; ``sigma[L].slope(rho, phi)`` is sigma'(rho), which may use
that phi = sigma(rho) is known. ``cost.omega(phi)`` is dC/dphi^l: (phi^l - y) / n for
``C = 1/(2n) sum |phi^l - y|^2``. ``cost.lambda_(rho, phi)`` is dC/drho^l where there is a closed
form of it, else None. The derivation assumes that phi_j depends on rho_j alone; where that
fails (softmax), or where sigma and C cancel (softmax or sigmoid with cross-entropy:
lambda^l = (phi^l - y) / n), this takes the place of omega^l o sigma'(rho^l), and nothing else
changes.

Nothing here needs numbers: on arrays of SymPy symbols, with sigma an unknown function, the
same statements give the symbolic gradient, which `chainrule.prove` compares with SymPy's.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from chainrule.counting import NotedList, Tally
from chainrule.errors import InputError
from chainrule.numerics import Array


class Cost(Protocol):
    """C as a function of the last layer."""

    def omega(self, phi: Array, /) -> Array:
        """Return dC/dphi^l."""

    def lambda_(self, rho: Array, phi: Array, /) -> Array | None:
        """Return dC/drho^l in closed form, or None: it is omega^l o sigma'(rho^l)."""


class Quantities:
    """Everything that the derivation names: for each symbol a list over L = 0..l.

    Entries are None where the quantity is not defined, or not yet. With a tally, ``order``
    notes what was computed when, and how many multiplications had then been counted.
    """

    def __init__(self, l: int, tally: Tally | None = None) -> None:
        self.l = l
        self.order: list[tuple[str, int, int]] = []
        symbols = ("rho", "phi", "omega", "lambda_", "grad_W", "grad_B")
        self.rho, self.phi, self.omega, self.lambda_, self.grad_W, self.grad_B = (
            NotedList(symbol, l, tally, self.order) if tally else [None] * (l + 1)
            for symbol in symbols
        )  # type: list[Any], list[Any], list[Any], list[Any], list[Any], list[Any]


def forward(
    W: Sequence[Any],
    B: Sequence[Any],
    sigma: Sequence[Any],
    X: Array,
    tally: Tally | None = None,
) -> Quantities:
    """The forward pass: the definition of the network."""
    q = Quantities(len(W) - 1, tally)
    q.phi[0] = X
    for L in range(1, q.l + 1):
        q.rho[L] = W[L] @ q.phi[L - 1] + B[L][:, None]
        q.phi[L] = sigma[L].sigma(q.rho[L])
    return q


def omega_form(q: Quantities, W: Sequence[Any], sigma: Sequence[Any], cost: Cost) -> Quantities:
    """The backward pass with the error omega^L = dC/dphi^L: A1, A2, A3.

    The product omega^L o sigma'(rho^L) is formed again in each of the three. A1 is the
    derivation's with L one lower: it gives the error of the layer before.
    """
    closed_form = cost.lambda_(q.rho[q.l], q.phi[q.l])
    q.omega[q.l] = cost.omega(q.phi[q.l])
    for L in range(q.l, 0, -1):
        q.grad_B[L] = omega_o_sigma_prime(L, q, sigma, closed_form).sum(axis=1)  # A2
        q.grad_W[L] = omega_o_sigma_prime(L, q, sigma, closed_form) @ q.phi[L - 1].T  # A3
        q.omega[L - 1] = W[L].T @ omega_o_sigma_prime(L, q, sigma, closed_form)  # A1
    return q


def lambda_form(
    q: Quantities,
    W: Sequence[Any],
    sigma: Sequence[Any],
    cost: Cost,
    *,
    parameters: bool = True,
    inputs: bool = True,
) -> Quantities:
    """The backward pass with lambda^L = omega^L o sigma'(rho^L), formed once: B1, B2, B3.

    This is the form that trains. Without `parameters` it leaves out B2 and B3, without
    `inputs` omega^0 = dC/dX, and omega^l where the cost has lambda^l in closed form.
    """
    closed_form = cost.lambda_(q.rho[q.l], q.phi[q.l])
    if inputs or closed_form is None:
        q.omega[q.l] = cost.omega(q.phi[q.l])
    for L in range(q.l, 0, -1):
        q.lambda_[L] = omega_o_sigma_prime(L, q, sigma, closed_form)
        if parameters:
            q.grad_B[L] = q.lambda_[L].sum(axis=1)  # B2
            q.grad_W[L] = q.lambda_[L] @ q.phi[L - 1].T  # B3
        if L > 1 or inputs:
            q.omega[L - 1] = W[L].T @ q.lambda_[L]  # B1
    return q


def omega_o_sigma_prime(
    L: int, q: Quantities, sigma: Sequence[Any], closed_form: Array | None
) -> Array:
    """Return omega^L o sigma'(rho^L); at the output, the closed form if there is one."""
    if L == q.l and closed_form is not None:
        return closed_form
    slope: Array = sigma[L].slope(q.rho[L], q.phi[L])
    return q.omega[L] * slope


def paths_form(
    q: Quantities,
    W: Sequence[Any],
    sigma: Sequence[Any],
    cost: Cost,
    limit: int = 200_000,
) -> Quantities:
    """The sum over every path a, b, ..., f from the cost down, "directly, quite expensive".

    A path to unit j of layer L chooses one unit of each layer from l to L + 1. Its product is
    omega^l_a sigma'(rho^l_a) W^l_ab sigma'(rho^(l-1)_b) W^(l-1)_bc ... : each
    dphi^M_a/dphi^(M-1)_b is sigma'(rho^M_a) W^M_ab. Each parameter sums over its paths anew.

    Raises
    ------
    InputError
        If there are more than `limit` paths.
    """
    n = [len(phi) for phi in q.phi]
    if (count := count_paths(n)) > limit:
        raise InputError(
            f"a network of {'-'.join(map(str, n))} has {count:,} paths from its parameters and "
            f"inputs to the cost, more than the limit of {limit:,}: take a smaller network, "
            "the form omega or lambda, or a higher limit="
        )
    q.omega[q.l] = cost.omega(q.phi[q.l])
    top = omega_o_sigma_prime(q.l, q, sigma, cost.lambda_(q.rho[q.l], q.phi[q.l]))
    slope = [None, *(sigma[L].slope(q.rho[L], q.phi[L]) for L in range(1, q.l))]

    def product(path: tuple[int, ...]) -> Array:
        return functools.reduce(operator.mul, path_factors(path, top, W, slope))

    for L in range(q.l, 0, -1):
        to = [list(paths_to(L, j, n)) for j in range(n[L])]
        q.grad_B[L] = np.array([sum(product(path).sum() for path in to_j) for to_j in to])
        q.grad_W[L] = np.array(
            [[sum((product(path) * x).sum() for path in to_j) for x in q.phi[L - 1]] for to_j in to]
        )
    q.omega[0] = np.array([sum(product(path) for path in paths_to(0, j, n)) for j in range(n[0])])
    return q


def paths_to(L: int, j: int, n: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield every path from the cost to unit j of layer L: a unit of each layer from l to L."""
    return itertools.product(*(range(n[M]) for M in range(len(n) - 1, L, -1)), [j])


def path_factors(path: Sequence[int], top: Any, W: Any, slope: Any) -> Iterator[Array]:
    """Yield the partial derivatives along a path: dC/drho^l_a, then W and sigma' in turn."""
    yield top[path[0]]
    for M, (a, b) in zip(range(len(W) - 1, 0, -1), itertools.pairwise(path), strict=False):
        yield W[M][a, b]  # from unit a of layer M to unit b of M - 1
        if M > 1:  # phi^0 is the input: there is no sigma before it
            yield slope[M - 1][b]


def count_paths(n: Sequence[int]) -> int:
    """Return the number of paths from all weights, biases and inputs to the cost.

    >>> count_paths([2, 3, 2])  # 3*2 and 2*3*2 from weights, 2 and 3*2 from biases, 2*3*2
    38
    """
    below = [math.prod(n[L:]) for L in range(len(n))]
    return sum((n[L - 1] + 1) * below[L] for L in range(1, len(n))) + below[0]


BACKWARD = {"paths": paths_form, "omega": omega_form, "lambda": lambda_form}
