"""The heart: the three forms, the network and PyTorch's autograd agree on every gradient."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule import activations, equations, losses
from chainrule.cost import BatchCost
from tests import torch_reference

Array = npt.NDArray[Any]

ELEMENTWISE = [a.name for a in activations.NAMED.values() if a.elementwise]
LOSSES = [*losses.NAMED, "quantile(0.3)", "huber(2.0)"]
FITTING = {
    "cross_entropy": "softmax",
    "binary_cross_entropy": "sigmoid",
    "poisson": "exponential",
    "gamma": "exponential",
}
# n_0, ..., n_l by depth, small enough for the sum over paths.
SIZES = {1: [3, 2], 2: [2, 3, 2], 3: [3, 2, 3, 2], 4: [2, 3, 2, 3, 2], 5: [2, 2, 3, 2, 3, 2]}


def fits(loss: str, output: str) -> bool:
    (low, high), (a, b) = losses.get(loss).domain, activations.get(output).range
    return low <= a and b <= high


PAIRS = [
    (loss, output)
    for loss, output in itertools.product(LOSSES, [*ELEMENTWISE, "softmax"])
    if fits(loss, output)
]


@dataclass
class Case:
    """A network in float64 whose numbers float32 can hold, with samples off every kink.

    Its gradients are well conditioned: torch's own in float32 are good to 3e-6.
    """

    net: cr.Network
    X: Array
    Y: Array
    sample_weight: Array | None
    expected: torch_reference.Gradients
    name: str

    def in_float32(self) -> cr.Network:
        a = self.net.architecture
        single = cr.Network(
            a.layer_sizes,
            a.activations[:-1],
            a.activations[-1],
            a.loss,
            bias=a.bias,
            dtype="float32",
        )
        single.parameters[:] = self.net.parameters
        return single


def targets(loss: str, rng: np.random.Generator, n: int, n_outputs: int) -> Array:
    shape = (n, n_outputs)
    match loss:
        case "cross_entropy":
            return rng.dirichlet(np.ones(n_outputs), n)
        case "binary_cross_entropy":
            return rng.uniform(size=shape)
        case "poisson":
            return rng.poisson(2, shape).astype(float)
        case "gamma":
            return rng.uniform(0.5, 3, shape)
        case "hinge":
            return rng.choice([-1.0, 1.0], shape)
        case "gaussian_nll":
            return rng.normal(size=(n, n_outputs // 2))
        case _:
            return rng.normal(size=shape)


def to_float32_numbers(values: Array) -> Array:
    return values.astype(np.float32).astype(np.float64)


def off_kinks(net: cr.Network, X: Array, Y: Array) -> bool:
    """Whether no number is on or near a kink, in saturation or out of the loss's domain."""
    a = net.architecture
    W, B, sigma = a.for_equations(net.parameters)
    q = equations.forward(W, B, sigma, X.T)
    if max(np.abs(rho).max() for rho in q.rho[1:]) > 6:
        return False
    for rho, activation in zip(q.rho[1:], a.activations, strict=True):
        if any(np.abs(rho - kink).min() < 1e-3 for kink in activation.kinks):
            return False
    p = q.phi[-1].T
    low, high = a.loss.domain
    if p.min() < low + 0.01 or p.max() > high - 0.01:
        return False
    if a.loss.name.startswith(("absolute_error", "quantile")):
        return bool(np.abs(p - Y).min() > 1e-3)
    return a.loss.name != "hinge" or bool(np.abs(1 - Y * p).min() > 1e-3)


def draw(
    sizes: list[int], hidden: Any, output: str, loss: str, bias: bool, weighted: bool, n: int = 3
) -> Case:
    net = cr.Network(sizes, hidden, output, loss, bias=bias, dtype="float64")
    name = f"{sizes} {hidden}+{output}+{loss} bias={bias} weighted={weighted}"
    for seed in range(3000):
        rng = np.random.default_rng(seed)
        net.parameters[:] = to_float32_numbers(rng.normal(size=net.n_parameters))
        X = to_float32_numbers(rng.normal(size=(n, sizes[0])))
        Y = to_float32_numbers(targets(loss, rng, n, sizes[-1]))
        w = to_float32_numbers(rng.uniform(0.2, 3, n)) if weighted else None
        if not off_kinks(net, X, Y):
            continue
        expected = torch_reference.gradients(net, X, Y, w)
        rough = torch_reference.gradients(net, X, Y, w, torch.float32)
        if all(
            0 < np.abs(g).max() and relative_error(r, g) < 3e-6
            for r, g in zip(arrays(rough), arrays(expected), strict=True)
        ):
            return Case(net, X, Y, w, expected, f"{name} seed={seed}")
    raise AssertionError(f"no samples off the kinks for {name}")


def arrays(found: torch_reference.Gradients) -> list[Array]:
    return [*found.weights, *found.biases, found.inputs]


def relative_error(got: Array, expected: Array) -> float:
    """Return the largest error, relative to the largest entry expected."""
    return float(np.abs(got - expected).max() / max(float(np.abs(expected).max()), 1e-300))


def assert_close(got: Any, expected: Any, relative: float, what: str) -> None:
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    error = relative_error(got, expected)
    assert error <= relative, f"{what}: relative error {error:.1e} > {relative:.0e}"


def assert_gradients_close(
    got: Any, expected: Any, relative: float, what: str, loss_terms: float = 0.0
) -> None:
    error = abs(got.loss - expected.loss) / max(abs(expected.loss), loss_terms)
    assert error <= relative, f"{what}: loss: relative error {error:.1e} > {relative:.0e}"
    for L, (w, w_expected) in enumerate(zip(got.weights, expected.weights, strict=True), 1):
        assert_close(w, w_expected, relative, f"{what}: dC/dW^{L}")
    given_biases = [b for b in got.biases if b is not None]
    for L, (b, b_expected) in enumerate(zip(given_biases, expected.biases, strict=True), 1):
        assert_close(b, b_expected, relative, f"{what}: dC/dB^{L}")
    assert_close(got.inputs, expected.inputs, relative, f"{what}: dC/dX")


def run_forms(case: Case) -> dict[str, equations.Quantities]:
    a = case.net.architecture
    W, B, sigma = a.for_equations(case.net.parameters)
    cost = BatchCost(a.loss, a.activations[-1], case.Y, case.sample_weight)
    return {
        form: backward(equations.forward(W, B, sigma, case.X.T), W, sigma, cost)
        for form, backward in equations.BACKWARD.items()
    }


def assert_forms_agree(case: Case) -> None:
    forms = run_forms(case)
    for form in ("paths", "omega"):
        for symbol in ("grad_W", "grad_B"):
            for L in range(1, case.net.architecture.n_layers + 1):
                got, expected = getattr(forms[form], symbol)[L], getattr(forms["lambda"], symbol)[L]
                assert_close(got, expected, 1e-12, f"{case.name}: {form} {symbol}[{L}]")
        assert_close(
            forms[form].omega[0], forms["lambda"].omega[0], 1e-12, f"{case.name}: {form} omega[0]"
        )


def assert_case(case: Case) -> None:
    assert_forms_agree(case)
    ours = case.net.gradients(case.X, case.Y, case.sample_weight)
    assert_gradients_close(ours, case.expected, 1e-10, f"{case.name} float64")
    single = case.in_float32().gradients(case.X, case.Y, case.sample_weight)
    assert single.inputs.dtype == np.float32
    # The two terms of gaussian_nll, both of order 1, may cancel: what rounding leaves is of theirs.
    terms = 1.0 if case.net.architecture.loss.name == "gaussian_nll" else 0.0
    assert_gradients_close(single, case.expected, 1e-5, f"{case.name} float32", terms)


def switches() -> Iterator[tuple[bool, bool]]:
    """Yield bias on and off with sample weights on and off."""
    return itertools.product([True, False], [True, False])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", ELEMENTWISE)
def test_forms_network_and_torch_agree(hidden: str, loss: str) -> None:
    for sizes in list(SIZES.values())[1:]:
        for bias, weighted in switches():
            assert_case(draw(sizes, hidden, FITTING.get(loss, "identity"), loss, bias, weighted))


@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_every_loss_on_every_output_activation(loss: str, output: str) -> None:
    for sizes in (SIZES[1], SIZES[2], [2, 3, 4]):
        for bias, weighted in switches():
            assert_case(draw(sizes, "tanh", output, loss, bias, weighted))


@pytest.mark.parametrize("output", [*ELEMENTWISE, "softmax"])
def test_squared_error_on_every_output_activation_at_every_depth(output: str) -> None:
    for sizes in SIZES.values():
        for bias, weighted in switches():
            assert_case(draw(sizes, "silu", output, "squared_error", bias, weighted))


def test_layers_with_different_activations() -> None:
    hidden = ["tanh", "leaky_relu(0.2)", "gelu", "elu(0.5)"]
    assert_case(draw([2, 3, 2, 3, 2, 2], hidden, "softmax", "cross_entropy", True, True))


def test_no_biases_give_none() -> None:
    case = draw([2, 3, 2], "tanh", "identity", "squared_error", False, False)
    assert case.net.gradients(case.X, case.Y).biases == [None, None]


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_the_form_that_broke_is_found(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison itself: with B1 transposed nowhere but negated, it must fail."""
    case = draw([2, 3, 2], "tanh", FITTING.get(loss, "identity"), loss, True, True)

    def broken(q: Any, W: Any, sigma: Any, cost: Any, inputs: bool = True) -> Any:
        return equations.lambda_form(q, [None, *(-w for w in W[1:])], sigma, cost, inputs=inputs)

    monkeypatch.setitem(equations.BACKWARD, "lambda", broken)
    with pytest.raises(AssertionError, match="relative error"):
        assert_forms_agree(case)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", [*ELEMENTWISE, "softmax"])
def test_jacobian_is_torchs(output: str, dtype: str) -> None:
    for sizes in SIZES.values():
        case = draw(sizes, "gelu", output, "squared_error", True, False)
        net = case.net if dtype == "float64" else case.in_float32()
        found = net.jacobian(case.X)
        assert found.dtype == dtype
        expected = torch_reference.jacobian(case.net, case.X)
        tolerance = 1e-10 if dtype == "float64" else 1e-5
        assert_close(found, expected, tolerance, f"{case.name} {dtype}")


def test_jacobian_and_gradients_agree() -> None:
    """omega^0 = J^T omega^l, sample by sample."""
    case = draw([3, 4, 2], "mish", "tanh", "squared_error", True, False)
    omega_l = (case.net.predict(case.X) - case.Y) / len(case.X)
    by_jacobian = np.einsum("nk,nkj->nj", omega_l, case.net.jacobian(case.X))
    assert_close(case.net.gradients(case.X, case.Y).inputs, by_jacobian, 1e-13, case.name)


WIDE = 9000
"""Units enough that the engine takes the rows below in more than one block."""


@pytest.mark.parametrize("weighting", ["none", "random", "zero in the first block"])
def test_more_rows_than_one_block_are_the_mean_of_the_pieces(weighting: str) -> None:
    net = cr.Network([3, WIDE, 2], "tanh", "softmax", "cross_entropy", dtype="float64")
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(150, 3)), rng.dirichlet(np.ones(2), 150)
    w = rng.uniform(0.1, 2, 150)
    if weighting.startswith("zero"):
        w[:64] = 0
    given_weight = None if weighting == "none" else w
    share = np.full(150, 1 / 150) if given_weight is None else w / w.sum()
    pieces = [slice(i, i + 10) for i in range(0, 150, 10)]
    parts = [
        net.gradients(X[s], Y[s], None if given_weight is None else w[s])
        for s in pieces
        if share[s].any()
    ]
    shares = [share[s].sum() for s in pieces if share[s].any()]

    whole = net.gradients(X, Y, given_weight)
    assert_close(whole.loss, sum(c * p.loss for c, p in zip(shares, parts, strict=True)), 1e-12, "")
    assert_close(net.loss_value(X, Y, given_weight), whole.loss, 1e-12, "loss_value")
    for L in range(2):
        for what in ("weights", "biases"):
            summed = sum(c * getattr(p, what)[L] for c, p in zip(shares, parts, strict=True))
            assert_close(getattr(whole, what)[L], summed, 1e-12, f"{what}[{L}]")
    inputs = np.concatenate([c * p.inputs for c, p in zip(shares, parts, strict=True)])
    assert_close(whole.inputs[share > 0], inputs[-(share > 0).sum() :], 1e-12, "inputs")
    assert not whole.inputs[share == 0].any()


def test_predictions_and_jacobian_of_more_rows_than_one_block() -> None:
    net = cr.Network([3, WIDE, 2], "gelu", dtype="float64")
    X = np.random.default_rng(0).normal(size=(150, 3))
    pieces = [X[i : i + 10] for i in range(0, 150, 10)]
    assert_close(net.predict(X), np.concatenate([net.predict(x) for x in pieces]), 1e-13, "")
    assert_close(net.jacobian(X), np.concatenate([net.jacobian(x) for x in pieces]), 1e-13, "")


@given(data=st.data())
def test_random_architectures_pass_check_gradients(data: st.DataObject) -> None:
    depth = data.draw(st.integers(1, 4), "depth")
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=depth + 1, max_size=depth + 1), "sizes")
    name = st.sampled_from([*ELEMENTWISE, "leaky_relu(0.2)", "elu(0.5)", "celu(2)"])
    hidden = data.draw(st.lists(name, min_size=depth - 1, max_size=depth - 1), "hidden")
    pairs = [
        (loss, output)
        for loss, output in PAIRS
        if sizes[-1] % losses.get(loss).outputs_per_target == 0
        and (output != "softmax" or sizes[-1] > 1)
    ]
    loss, output = data.draw(st.sampled_from(pairs), "loss and output activation")
    bias, weighted = data.draw(st.booleans(), "bias"), data.draw(st.booleans(), "weighted")
    seed = data.draw(st.integers(0, 999), "seed")
    n = data.draw(st.integers(1, 4), "samples")

    rng = np.random.default_rng(seed)
    net = cr.Network(sizes, hidden, output, loss, bias=bias, seed=seed)
    X, Y = rng.normal(size=(n, sizes[0])), targets(loss, rng, n, sizes[-1])
    w = rng.uniform(0.1, 2, n) if weighted else None
    report = cr.check_gradients(net, X, Y, w)
    assert report.reference == "complex step"
    assert report.passed, str(report)
