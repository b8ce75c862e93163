"""The trace: the values of training, in the order of the derivation, and what they cost."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import chainrule as cr
from chainrule import batches, equations, notation
from chainrule.engines import NUMPY

Array = npt.NDArray[Any]

FORMS = list(notation.FORMS)
SYMBOLS = ("phi", "rho", "omega", "lambda_", "grad_W", "grad_B")
SIZES = [2, 3, 4, 2]
L_MAX = len(SIZES) - 1
N = 5


def network(output: str = "identity", loss: str = "squared_error", **more: Any) -> cr.Network:
    net = cr.Network(SIZES, "tanh", output, loss, **{"dtype": "float64", **more})
    net.parameters[:] = np.random.default_rng(1).normal(size=net.n_parameters)
    return net


def samples(n: int = N) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 2)), rng.dirichlet(np.ones(2), n)


CASES = [
    ("identity", "squared_error"),
    ("sigmoid", "squared_error"),
    ("softmax", "cross_entropy"),
    ("softmax", "squared_error"),
    ("sigmoid", "binary_cross_entropy"),
    ("exponential", "gamma"),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("output", "loss"), CASES)
def test_values_are_the_networks(output: str, loss: str, form: str, weighted: bool) -> None:
    net, (X, Y) = network(output, loss), samples()
    w = np.array([1.0, 2, 0.5, 0, 1]) if weighted else None
    t, g = cr.trace(net, X, Y, form, sample_weight=w), net.gradients(X, Y, w)
    assert t.loss == pytest.approx(g.loss, rel=1e-14)
    np.testing.assert_array_equal(t.phi[0], X.T)
    np.testing.assert_allclose(t.phi[L_MAX], net.predict(X).T, rtol=1e-14)
    np.testing.assert_allclose(t.omega[0], g.inputs.T, rtol=1e-11, atol=1e-14)
    for L in range(1, L_MAX + 1):
        np.testing.assert_allclose(t.grad_W[L], g.weights[L - 1], rtol=1e-11, atol=1e-14)
        bias = np.asarray(g.biases[L - 1])
        np.testing.assert_allclose(t.grad_B[L], bias, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("form", FORMS)
def test_shapes_are_those_of_the_notation_and_none_where_undefined(form: str) -> None:
    t = cr.trace(network(), *samples(), form)
    shapes = {
        symbol: [None if v is None else np.shape(v) for v in getattr(t, symbol)]
        for symbol in SYMBOLS
    }
    columns = [(n, N) for n in SIZES]
    assert shapes["phi"] == columns
    assert shapes["rho"] == [None, *columns[1:]]
    assert shapes["grad_W"] == [None, *((b, a) for a, b in itertools.pairwise(SIZES))]
    assert shapes["grad_B"] == [None, *((n,) for n in SIZES[1:])]
    assert shapes["lambda_"] == ([None, *columns[1:]] if form == "lambda" else [None] * 4)
    between = [None, None] if form == "paths" else columns[1:3]
    assert shapes["omega"] == [columns[0], *between, columns[3]]


@pytest.mark.parametrize("form", FORMS)
def test_steps_hold_every_quantity_once(form: str) -> None:
    t = cr.trace(network(), *samples(), form)
    for step in t.steps[1:]:
        if step.layer is None:
            assert (step.symbol, float(step.value)) == ("C", t.loss)
        else:
            assert step.value is getattr(t, step.symbol)[step.layer]
    filled = {
        (symbol, L) for symbol in SYMBOLS for L in range(4) if getattr(t, symbol)[L] is not None
    }
    named = [(step.symbol, step.layer) for step in t.steps]
    assert len(named) == len(set(named))
    assert set(named) == filled | {("C", None)}


FORWARD = [
    ("definition", "phi^0"),
    ("definition", "rho^1"),
    ("definition", "phi^1"),
    ("definition", "rho^2"),
    ("definition", "phi^2"),
    ("definition", "C"),
    ("definition", "omega^2"),
]
BACKWARD = {
    "lambda": [
        ("definition", "lambda^2"),
        ("B2", "dC/dB^2"),
        ("B3", "dC/dW^2"),
        ("B1", "omega^1"),
        ("definition", "lambda^1"),
        ("B2", "dC/dB^1"),
        ("B3", "dC/dW^1"),
        ("B1", "omega^0"),
    ],
    "omega": [
        ("A2", "dC/dB^2"),
        ("A3", "dC/dW^2"),
        ("A1", "omega^1"),
        ("A2", "dC/dB^1"),
        ("A3", "dC/dW^1"),
        ("A1", "omega^0"),
    ],
    "paths": [
        ("paths", "dC/dB^2"),
        ("paths", "dC/dW^2"),
        ("paths", "dC/dB^1"),
        ("paths", "dC/dW^1"),
        ("paths", "omega^0"),
    ],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("output", "loss"), CASES)
def test_steps_go_forward_then_cost_then_backward(form: str, output: str, loss: str) -> None:
    t = cr.trace(cr.Network([2, 3, 2], "tanh", output, loss), *samples(), form)
    found = [(s.equation, notation.label(s.symbol, s.layer)) for s in t.steps]
    assert found == FORWARD + BACKWARD[form]


# Multiplications, counted from the shapes alone.


def matrix_products(sizes: list[int], n: int) -> int:
    return sum(a * b * n for a, b in itertools.pairwise(sizes))


def expected_count(form: str, sizes: list[int], n: int, closed: bool) -> int:
    """Count one forward and one backward pass of n samples.

    ``closed``: the output layer's lambda comes in closed form, not as a counted product.
    """
    l = len(sizes) - 1
    products = matrix_products(sizes, n)
    # omega o sigma'(rho) of every layer
    hadamard = n * (sum(sizes[1:]) - (sizes[-1] if closed else 0))
    if form == "lambda":  # the forward product, B3 and B1
        return products + hadamard + 2 * products
    if form == "omega":  # A2, A3 and A1 each form it anew
        return products + 3 * hadamard + 2 * products
    count = products + (0 if closed else n * sizes[-1])  # dC/drho^l, once
    for L in range(1, l + 1):
        paths = sizes[L] * math.prod(sizes[L + 1 :])
        steps = 2 * (l - L)  # W and sigma' for each step down
        count += n * paths * steps  # biases
        count += n * paths * sizes[L - 1] * (steps + 1)  # weights: times phi_k
    return count + n * math.prod(sizes) * (2 * l - 1)  # inputs: no sigma' at the end


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("sizes", [[2, 3], [1, 1, 2], [2, 3, 2], [3, 2, 4, 2], [2, 2, 2, 2, 2]])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("output", "loss"), CASES)
def test_multiplications_are_the_closed_form_count(
    output: str, loss: str, form: str, sizes: list[int], n: int
) -> None:
    net = cr.Network(sizes, "sigmoid", output, loss)
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(n, sizes[0])), rng.uniform(0.1, 0.9, (n, sizes[-1]))
    t = cr.trace(net, X, Y, form)
    closed = (output, loss) not in [("identity", "squared_error"), ("sigmoid", "squared_error")]
    assert t.multiplications == expected_count(form, sizes, n, closed)
    forward = [s.multiplications for s in t.steps if s.symbol in ("rho", "phi", "C")]
    assert sum(forward) == matrix_products(sizes, n)
    assert all(step.multiplications >= 0 for step in t.steps)


def test_multiplications_of_the_smallest_network_by_hand() -> None:
    """One unit after one: 2 forward; lambda 2 (1 + 2); omega 2 (3 + 2); paths 1 + 1 + 5 + 3."""
    net = cr.Network([1, 1, 1], "tanh", "tanh")
    counts = {form: cr.trace(net, [[1.0]], [[0.0]], form).multiplications for form in FORMS}
    assert counts == {"lambda": 8, "omega": 12, "paths": 12}


def test_counting_changes_no_number() -> None:
    net, (X, Y) = network("softmax", "cross_entropy"), samples()
    t = cr.trace(net, X, Y)
    g = NUMPY.gradients(net.architecture, net.parameters, batches.data(net.architecture, X, Y))
    for L, grad_W in enumerate(net.architecture.views(g.parameters)[0], 1):
        np.testing.assert_array_equal(t.grad_W[L], grad_W)
    assert all(type(step.value) is np.ndarray for step in t.steps)


# What it prints and writes.


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("output", "loss"), CASES)
def test_json_holds_every_step(form: str, output: str, loss: str) -> None:
    t = cr.trace(network(output, loss), *samples(), form)
    read = json.loads(t.to_json())
    assert (read["format"], read["version"]) == ("chainrule.trace", 1)
    assert read["form"] == form
    assert read["layer_sizes"] == SIZES
    assert read["activations"] == ["tanh", "tanh", output]
    assert read["loss_function"] == loss
    assert read["loss"] == t.loss
    assert read["multiplications"] == t.multiplications
    assert len(read["steps"]) == len(t.steps)
    for written, step in zip(read["steps"], t.steps, strict=True):
        assert (written["equation"], written["symbol"]) == (step.equation, step.symbol)
        assert written["layer"] == step.layer
        assert written["shape"] == list(np.shape(step.value))
        assert written["multiplications"] == step.multiplications
        np.testing.assert_array_equal(written["value"], step.value)


# What it takes and refuses.


def test_a_network_without_biases_and_in_float32() -> None:
    net, (X, Y) = network(bias=False, dtype="float32"), samples()
    t, g = cr.trace(net, X, Y), net.gradients(X, Y)
    assert {step.value.dtype for step in t.steps if step.layer is not None} == {np.dtype("float32")}
    np.testing.assert_allclose(t.grad_W[1], g.weights[0], rtol=1e-4)


def test_class_numbers_and_lists() -> None:
    net = network("softmax", "cross_entropy")
    X = samples()[0]
    one_hot = cr.trace(net, X, np.eye(2)[[0, 1, 1, 0, 1]])
    numbers = cr.trace(net, X.tolist(), [0, 1, 1, 0, 1])
    assert numbers.to_json() == one_hot.to_json()


def test_the_network_is_not_changed() -> None:
    net, (X, Y) = network(), samples()
    before = net.parameters.copy()
    for form in FORMS:
        t = cr.trace(net, X, Y, form)
        t.grad_W[1][...] = 7
    np.testing.assert_array_equal(net.parameters, before)


def test_too_many_paths_are_refused_with_their_number() -> None:
    n = equations.count_paths(SIZES)
    with pytest.raises(cr.InputError, match=f"has {n} paths .* more than the limit of 10"):
        cr.trace(network(), *samples(), "paths", limit=10)
    assert cr.trace(network(), *samples(), "paths", limit=n).loss > 0
    wide = cr.Network([50, 50, 50, 50])
    zeros = np.zeros((1, 50))
    with pytest.raises(cr.InputError, match=r"has 12,755,050 paths .* limit of 200,000"):
        cr.trace(wide, zeros, zeros, "paths")
    assert cr.trace(wide, zeros, zeros, "lambda").loss == 0


def test_unknown_forms_and_wrong_arrays_are_refused() -> None:
    X, Y = samples()
    with pytest.raises(cr.InputError, match="did you mean 'lambda'"):
        cr.trace(network(), X, Y, "lamda")
    with pytest.raises(cr.InputError, match="X has 1 columns"):
        cr.trace(network(), X[:, :1], Y)
    with pytest.raises(cr.InputError, match="Y must have shape"):
        cr.trace(network(), X, Y[:, :1])


def test_every_traced_symbol_is_in_the_notation() -> None:
    assert {*SYMBOLS, "C"} <= set(notation.SYMBOLS)
    assert set(notation.EQUATIONS.values()) == {
        "A1", "A2", "A3", "B1", "B2", "B3", "paths",
    }  # fmt: skip
