"""The forward derivative: a difference quotient, a complex step, and the transpose of backward."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import chainrule as cr
from chainrule import activations, equations, tangents
from chainrule.engines import NUMPY

Array = npt.NDArray[Any]

SIZES, N = [2, 3, 4, 2], 5
NAMES = ("sigmoid", "silu", "tanh")


class Given:
    """A cost of which the error omega^l is given."""

    def __init__(self, u: Array) -> None:
        self.u = u

    def omega(self, phi: Array) -> Array:
        return self.u

    def lambda_(self, rho: Array, phi: Array) -> None:
        return None


def arrays(seed: int) -> tuple[list[Any], list[Any], Array]:
    """Return W, B and X, or a direction in which they move."""
    rng = np.random.default_rng(seed)
    pairs = itertools.pairwise(SIZES)
    W = [None, *(rng.normal(size=(n_out, n_in)) for n_in, n_out in pairs)]
    return W, [None, *(rng.normal(size=n) for n in SIZES[1:])], rng.normal(size=(SIZES[0], N))


SIGMA: list[Any] = [None, *map(activations.get, NAMES)]


def moved(step: Any) -> equations.Quantities:
    """Return the pass at the point moved by `step` along the direction."""
    (W, B, X), (W_dot, B_dot, X_dot) = arrays(0), arrays(1)
    W, B = ([None, *(a + step * b for a, b in zip(at[1:], dot[1:], strict=True))]
            for at, dot in ((W, W_dot), (B, B_dot)))  # fmt: skip
    return equations.forward(W, B, SIGMA, X + step * X_dot)


def along(**only: bool) -> equations.Quantities:
    """Return the forward derivative, along those of W_dot, B_dot and X_dot that are named."""
    W, B, X = arrays(0)
    direction = dict(zip(("W_dot", "B_dot", "X_dot"), arrays(1), strict=True))
    chosen: dict[str, Any] = {name: direction[name] for name in only or direction}
    return tangents.forward(equations.forward(W, B, SIGMA, X), W, SIGMA, **chosen)


def test_every_dot_is_the_complex_step_of_its_quantity() -> None:
    dot, step = along(), moved(1e-100j)
    for L in (1, 2, 3):
        np.testing.assert_allclose(dot.rho[L], step.rho[L].imag / 1e-100, rtol=1e-12)
        np.testing.assert_allclose(dot.phi[L], step.phi[L].imag / 1e-100, rtol=1e-12)


def test_every_dot_is_a_difference_quotient_of_its_quantity() -> None:
    dot, up, down = along(), moved(1e-6), moved(-1e-6)
    for L in (1, 2, 3):
        np.testing.assert_allclose(dot.phi[L], (up.phi[L] - down.phi[L]) / 2e-6, rtol=1e-6)


def test_what_is_not_given_does_not_move_and_the_rest_adds_up() -> None:
    parts = [along(W_dot=True), along(B_dot=True), along(X_dot=True)]
    assert not parts[0].phi[0].any()
    np.testing.assert_allclose(sum(part.phi[3] for part in parts), along().phi[3], rtol=1e-12)


def test_forward_is_the_transpose_of_backward() -> None:
    W, B, X = arrays(0)
    W_dot, B_dot, X_dot = arrays(1)
    u = np.random.default_rng(2).normal(size=(SIZES[-1], N))
    q = equations.lambda_form(equations.forward(W, B, SIGMA, X), W, SIGMA, Given(u))
    pairs = [*zip(q.grad_W[1:], W_dot[1:], strict=True), *zip(q.grad_B[1:], B_dot[1:], strict=True)]
    transposed = sum(np.vdot(gradient, dot) for gradient, dot in [*pairs, (q.omega[0], X_dot)])
    assert np.vdot(u, along().phi[3]) == pytest.approx(transposed, rel=1e-12)


@pytest.mark.parametrize("output", ["tanh", "softmax"])
def test_a_direction_of_each_input_gives_the_columns_of_the_jacobian(output: str) -> None:
    net = cr.Network([3, 5, 4], "gelu", output, dtype="float64", seed=1)
    X = np.random.default_rng(0).normal(size=(6, 3))
    jacobian = NUMPY.jacobian(net.architecture, net.parameters, X)
    W, B, sigma = net.architecture.for_equations(net.parameters)
    q = equations.forward(W, B, sigma, X.T)
    for m in range(3):
        X_dot = np.zeros_like(X.T)
        X_dot[m] = 1
        dot = tangents.forward(q, W, sigma, X_dot=X_dot, outputs=output != "softmax")
        found = dot.phi[2]
        if output == "softmax":  # whose Jacobian is symmetric: the same backward and forward
            softmax = net.architecture.activations[-1]
            assert found is None
            found = softmax.pull_back(dot.rho[2].T, q.rho[2].T, q.phi[2].T).T
        np.testing.assert_allclose(found.T, jacobian[:, :, m], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("sizes", "n_samples"), [([2, 3, 2], 1), ([1, 2, 1], 2), ([1] * 5, 1)])
def test_prove_passes_for_f_and_d(sizes: list[int], n_samples: int) -> None:
    proof = cr.prove(sizes, n_samples, derivatives=True)
    assert proof.passed
    outputs = [f"dphi^{len(sizes) - 1}_{j + 1}{i + 1}" for j in range(sizes[-1])
               for i in range(n_samples)]  # fmt: skip
    assert [d.variable for d in proof.forward] == [*outputs, "dC", "<u, J v> - <J.T u, v>"]
    backward = dict.fromkeys(d.variable for d in proof.differences)
    assert [d.variable for d in proof.derivatives] == [*backward]
    assert all(d.derivative != "0" for d in (*proof.forward, *proof.derivatives))
    assert str(proof).count("proven") == 3
    assert not cr.prove(sizes, n_samples).derivatives


def without_f2(*args: Any, **directions: Any) -> equations.Quantities:
    return forward(*args, **{**directions, "B_dot": None})


def negated_d1(q: Any, dots: Any, W: Any, *rest: Any) -> equations.Quantities:
    return backward(q, dots, [None, *(-w for w in W[1:])], *rest)


def without_curvature(q: Any, dots: Any, W: Any, sigma: Any, *rest: Any) -> equations.Quantities:
    for layer in sigma[1:]:
        layer.sigma_double_prime = np.zeros_like
    return backward(q, dots, W, sigma, *rest)


forward, backward = tangents.forward, tangents.backward


@pytest.mark.parametrize(
    ("name", "broken", "wrong"),
    [
        ("forward", without_f2, {"dphi^2_11", "dC", "<u, J v> - <J.T u, v>"}),
        ("backward", negated_d1, {"W^1_11", "W^1_21", "B^1_1", "B^1_2"}),
        ("backward", without_curvature,
         {"W^1_11", "W^1_21", "B^1_1", "B^1_2", "W^2_11", "W^2_12", "B^2_1", "x_11"}),
    ],
)  # fmt: skip
def test_prove_finds_the_statement_that_broke(
    name: str, broken: Any, wrong: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tangents, name, broken)
    proof = cr.prove([1, 2, 1], derivatives=True)
    assert not proof.passed
    assert "NOT PROVEN" in str(proof)
    assert proof.as_derivation().endswith("NOT PROVEN")
    found = {d.variable for d in (*proof.forward, *proof.derivatives) if d.difference != "0"}
    assert found == wrong


def test_the_file_is_as_short_as_the_derivation_and_numbers_its_statements() -> None:
    source = inspect.getsource(tangents)
    assert len(source.splitlines()) < 200
    assert all(f"# {letter}{i}\n" in source for letter in "FD" for i in (1, 2, 3))
