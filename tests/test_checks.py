"""The gradient check passes where it should, and finds what is planted."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import activations, losses
from chainrule.activations import Activation
from chainrule.checks import references
from chainrule.losses import Loss

ELEMENTWISE = [a.name for a in activations.NAMED.values() if a.elementwise]
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(4, 3)), RNG.dirichlet(np.ones(2), 4)

WRONG = Activation("wrong", np.tanh, lambda x: 1.001 - np.tanh(x) ** 2, check=False)


def names(report: Any) -> list[str]:
    return [check.name for check in report.parameters]


def failing(report: Any) -> list[str]:
    return [check.name for check in report.parameters if check.error > report.tolerance]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*ELEMENTWISE, "leaky_relu(0.2)", "elu(0.5)", "celu(2)"])
def test_every_named_activation_passes(name: str, dtype: str) -> None:
    report = cr.check_gradients(cr.Network([3, 4, 4, 2], name, name, dtype=dtype), X, Y)
    assert report.passed, str(report)
    assert report.reference == "complex step"
    assert names(report) == ["W^1", "B^1", "W^2", "B^2", "W^3", "B^3", "phi^0"]
    assert report.worst < 1e-11


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", [*losses.NAMED, "quantile(0.3)", "huber(2)"])
def test_every_named_loss_passes(name: str, weighted: bool) -> None:
    w = np.array([1.0, 0, 2, 0.5]) if weighted else None
    domain = losses.get(name).domain
    targets = {"hinge": np.sign(Y - 0.5), "gaussian_nll": Y[:, :1]}.get(name, Y)
    for output in activations.NAMED.values():
        if output.range[0] >= domain[0] and output.range[1] <= domain[1]:
            net = cr.Network([3, 4, 2], "tanh", output, name, dtype="float64")
            report = cr.check_gradients(net, X, targets, w)
            assert report.passed, f"{output.name}: {report}"


def test_a_network_without_biases_has_no_rows_for_them() -> None:
    report = cr.check_gradients(cr.Network([3, 4, 2], "tanh", bias=False), X, Y)
    assert names(report) == ["W^1", "W^2", "phi^0"]
    assert report.passed


@pytest.mark.parametrize(
    ("hidden", "output", "expected"),
    [
        ([WRONG, "tanh"], "identity", ["W^1", "B^1", "phi^0"]),
        (["tanh", WRONG], "identity", ["W^1", "B^1", "W^2", "B^2", "phi^0"]),
        (["tanh", "tanh"], WRONG, ["W^1", "B^1", "W^2", "B^2", "W^3", "B^3", "phi^0"]),
    ],
    ids=["layer 1", "layer 2", "layer 3"],
)
def test_a_planted_wrong_derivative_is_found_at_and_below_its_layer(
    hidden: list[Any], output: Any, expected: list[str]
) -> None:
    report = cr.check_gradients(cr.Network([3, 4, 4, 2], hidden, output), X, Y)
    assert report.reference == "central differences"
    assert not report.passed
    assert failing(report) == expected
    worst = report.worst_parameter
    assert worst.name in expected
    assert worst.error == max(check.error for check in report.parameters)
    assert worst.gradient != pytest.approx(worst.expected, rel=1e-5)
    assert str(report).endswith("FAILED: tolerance 1e-05 relative")
    assert str(report).count("WRONG") == len(expected)


def test_a_planted_wrong_loss_is_found_everywhere() -> None:
    wrong = Loss("wrong", lambda p, y: (p - y) ** 2, lambda p, y: p - y, check=False)
    report = cr.check_gradients(cr.Network([3, 4, 2], "tanh", loss=wrong), X, Y)
    assert failing(report) == ["W^1", "B^1", "W^2", "B^2", "phi^0"]
    assert report.worst == pytest.approx(0.5, abs=1e-4)


def test_a_wrong_entry_of_a_named_activation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a derivative that is off by 1e-7, which differences could not see."""
    tanh = replace(activations.NAMED["tanh"], prime_from_output=lambda y: (1 - y * y) * (1 + 1e-7))
    monkeypatch.setitem(activations.NAMED, "tanh", tanh)
    report = cr.check_gradients(cr.Network([3, 4, 2], "tanh"), X, Y, engine="numpy")
    assert failing(report) == ["W^1", "B^1", "phi^0"]
    assert report.worst == pytest.approx(1e-7, rel=0.01)


def test_right_functions_of_your_own_pass_by_central_differences() -> None:
    own = Activation("mine", np.arctan, lambda x: 1 / (1 + x * x))
    loss = Loss("mine", lambda p, y: (p - y) ** 4, lambda p, y: 4 * (p - y) ** 3)
    report = cr.check_gradients(cr.Network([3, 4, 2], own, loss=loss), X, Y)
    assert report.reference == "central differences"
    assert report.passed, str(report)


def on_the_kink(activation: Any) -> cr.Network:
    """Return a network whose first hidden unit has rho = 0 exactly."""
    net = cr.Network([3, 3, 2], activation, dtype="float64", seed=1)
    net.weights[0][0] = 0
    return net


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "selu", "elu(0.5)"])
@pytest.mark.parametrize("n", [1, 5])
def test_on_a_kink_the_side_that_the_activation_takes_is_compared_with(name: str, n: int) -> None:
    """With several samples, a step by one weight puts some on one side, some on the other."""
    report = cr.check_gradients(on_the_kink(name), X[:n], Y[:n])
    assert report.passed, str(report)
    assert sum(check.kinks for check in report.parameters) == 0


@pytest.mark.parametrize("bias", [-1.0, 1.0])
def test_hard_tanh_on_either_of_its_kinks(bias: float) -> None:
    net = on_the_kink("hard_tanh")
    net.biases[0] = [bias, 0.1, 0.2]
    assert cr.check_gradients(net, X[:1], Y[:1]).passed


def test_a_perfect_output_is_on_the_kink_of_the_absolute_error() -> None:
    net = cr.Network([3, 4, 2], "tanh", loss="absolute_error", dtype="float64")
    net.weights[1] = np.zeros((2, 4))  # so that it is perfect to the last bit
    report = cr.check_gradients(net, X[:1], np.zeros((1, 2)))
    assert report.passed, str(report)
    assert {check.name: check.kinks for check in report.parameters}["B^2"] == 2


def test_a_kink_of_your_own_is_counted_and_does_not_fail() -> None:
    own = Activation("mine", lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(x.dtype))
    report = cr.check_gradients(on_the_kink(own), X[:1], Y[:1])
    assert report.passed, str(report)
    assert sum(check.kinks for check in report.parameters) >= 4


def test_a_kink_does_not_excuse_a_derivative_that_is_of_neither_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    relu = replace(activations.NAMED["relu"], prime_from_output=lambda y: np.where(y > 0, 1.0, 2.0))
    monkeypatch.setitem(activations.NAMED, "relu", relu)
    assert "B^1" in failing(cr.check_gradients(on_the_kink("relu"), X[:1], Y[:1], engine="numpy"))


def test_nan_gradients_fail() -> None:
    own = Activation("mine", np.tanh, lambda x: x * np.nan, check=False)
    report = cr.check_gradients(cr.Network([3, 4, 2], own), X, Y)
    assert not report.passed
    assert report.worst == np.inf


def test_max_entries_chooses_the_same_entries_again() -> None:
    net = cr.Network([3, 40, 2], "tanh")
    first, again = (cr.check_gradients(net, X, Y, max_entries=20) for _ in range(2))
    assert first == again
    assert first.passed
    assert [(c.size, c.checked) for c in first.parameters] == [
        (120, 20),
        (40, 20),
        (80, 20),
        (2, 2),
        (12, 12),
    ]
    with pytest.raises(cr.InputError, match="max_entries must be at least 1"):
        cr.check_gradients(net, X, Y, max_entries=0)


def test_a_tolerance_of_your_own_decides() -> None:
    net = cr.Network([3, 4, 2], WRONG)
    assert cr.check_gradients(net, X, Y, tolerance=0.5).passed
    assert not cr.check_gradients(net, X, Y, tolerance=1e-4).passed


def test_the_network_is_not_changed() -> None:
    net = cr.Network([3, 4, 2], "tanh")
    before = net.parameters.copy()
    cr.check_gradients(net, X, Y)
    np.testing.assert_array_equal(net.parameters, before)


def test_it_prints_as_a_table() -> None:
    lines = str(cr.check_gradients(cr.Network([3, 4, 2], "tanh"), X, Y)).splitlines()
    assert lines[0] == "gradients against complex step, in float64"
    assert lines[1].split() == [
        "entries", "checked", "on", "kinks", "largest", "error", "at", "gradient", "reference",
    ]  # fmt: skip
    assert [line.split()[:4] for line in lines[2:-1]] == [
        ["W^1", "12", "12", "0"],
        ["B^1", "4", "4", "0"],
        ["W^2", "8", "8", "0"],
        ["B^2", "2", "2", "0"],
        ["phi^0", "12", "12", "0"],
    ]
    assert lines[-1] == "passed: tolerance 1e-08 relative"


def test_a_wrong_derivative_near_an_extremum_is_no_kink() -> None:
    """There the differences from left and right have a gap, and zero lies in it."""
    steep = Activation("steep", lambda x: np.sin(300 * x), lambda x: 0 * x, check=False)
    net = cr.Network([1, 1], output_activation=steep, dtype="float64")
    net.weights[0] = [[0.0]]
    net.biases[0] = [np.pi / 600 - 2e-6]
    assert "B^1" in failing(cr.check_gradients(net, [[1.0]], [[2.0]]))


@pytest.mark.parametrize("activation", ["leaky_relu", "selu", "elu(0.5)", "elu", "hard_tanh"])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "quantile(0.3)"])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_every_layer_on_its_kink(activation: str, loss: str, target: float) -> None:
    """Rows of zeros and biases of zero: moving one layer aside must not move the next."""
    net = cr.Network([3, 4, 1], activation, activation, loss=loss, dtype="float64")
    report = cr.check_gradients(net, np.zeros((4, 3)), np.full((4, 1), target))
    assert report.passed, str(report)


# Where numbers are at the end of what they can hold, nothing healthy fails.


def test_a_network_that_is_not_finite_is_refused_and_says_why() -> None:
    net = cr.Network([3, 4, 2], "tanh")
    net.weights[1][0, 0] = np.nan
    with pytest.raises(cr.InputError, match=r"C is nan .* W\^2 has entries that are not finite"):
        cr.check_gradients(net, X, Y)
    net = cr.Network([3, 4, 2], "tanh", dtype="float64")
    net.weights[1] = np.full((2, 4), 1e200)
    with pytest.raises(cr.InputError, match=r"C is inf .* the outputs overflow"):
        cr.check_gradients(net, X, Y)


def test_a_network_that_multiplies_rounding_passes() -> None:
    """The last digit of rho is a millionth of what sin sees."""
    net = cr.Network([4, 3, 2], "tanh", "sin", dtype="float64")
    net.weights[1] *= 1e9
    report = cr.check_gradients(net, np.ones((4, 4)) * [[1], [2], [3], [4]], Y)
    assert report.passed, str(report)


@pytest.mark.parametrize("target", [1e3, 1e6])
def test_differences_of_a_cost_much_larger_than_its_derivatives_pass(target: float) -> None:
    net = cr.Network([2, 3, 2], "tanh", "softsign", "log_cosh", dtype="float64")
    net.biases[0] = [6.0, 6.0, 6.0]
    report = cr.check_gradients(net, X[:, :2], np.full((4, 2), target), reference="central")
    assert report.passed, str(report)


def test_what_rounding_may_excuse_is_no_planted_error() -> None:
    wrong = Activation("w", np.sin, lambda x: np.cos(x) * (1 + 1e-4), check=False)
    net = cr.Network([3, 4, 2], wrong, "gaussian", "binary_cross_entropy", dtype="float64")
    report = cr.check_gradients(net, X, Y)
    assert failing(report) == ["W^1", "B^1", "phi^0"]
    assert [(c.layer, c.name) for c in report.culprits] == [(1, "w")]


def test_softplus_far_below_zero_keeps_its_digits_in_a_complex_step() -> None:
    net = cr.Network([1, 1], output_activation="softplus", loss="poisson", dtype="float64")
    net.biases[0] = [-120.0]
    assert cr.check_gradients(net, [[0.5]], [[3.0]]).passed


@pytest.mark.parametrize("reference", ["torch", "jax"])
def test_where_a_library_has_another_cost_nothing_is_compared(reference: str) -> None:
    pytest.importorskip(reference)
    net = cr.Network([2, 2], output_activation="gaussian", loss="cross_entropy", dtype="float64")
    net.biases[0] = [40.0, 40.0]  # phi is 0, of which they take the logarithm
    with pytest.raises(cr.InputError, match=rf"{reference} finds C = inf, which is"):
        cr.check_gradients(net, [[0.1, 0.2]], [[0.0, 1.0]], reference=reference)
    assert cr.check_gradients(net, [[0.1, 0.2]], [[0.0, 1.0]]).passed


@pytest.mark.parametrize("reference", ["torch", "jax"])
@pytest.mark.parametrize(
    ("output", "loss"), [("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")]
)
def test_libraries_take_pairs_together_too(output: str, loss: str, reference: str) -> None:
    pytest.importorskip(reference)
    net = cr.Network([3, 2], "tanh", output, loss, dtype="float64")
    net.biases[0] = [900.0, -900.0]
    assert cr.check_gradients(net, X, Y, reference=reference).passed


def test_where_rounding_decides_it_is_said_and_nobody_is_blamed() -> None:
    """Of such a rho a float64 holds no digit that sin sees."""
    net = cr.Network([3, 4, 2], "tanh", "sin", dtype="float64")
    net.weights[1] *= 1e17
    report = cr.check_gradients(net, X, Y)
    assert report.passed
    assert {c.name: c.uncertain for c in report.parameters}["W^2"] > 0
    assert "nothing can be said of " in str(report)
    wrong = Activation("w", np.tanh, lambda x: 1.1 - np.tanh(x) ** 2, check=False)
    net = cr.Network([3, 4, 2], wrong, "sin", dtype="float64", seed=1)
    net.biases[1] = [1e9, -1e9]
    report = cr.check_gradients(net, X, Y, reference="central")
    assert {(c.layer, c.name) for c in report.culprits} <= {(1, "w")}


# References other than the default one.


@pytest.mark.parametrize("reference", ["complex", "central", "torch"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_named_activation_passes_against_every_reference(name: str, reference: str) -> None:
    net = cr.Network([3, 4, 4, 2], name, dtype="float64")
    report = cr.check_gradients(net, X, Y, reference=reference)
    assert report.passed, str(report)
    assert report.worst < (1e-5 if reference == "central" else 1e-11)


@pytest.mark.parametrize("reference", ["central", "torch"])
@pytest.mark.parametrize("name", [*losses.NAMED, "quantile(0.3)", "huber(2)"])
def test_every_named_loss_passes_against_every_reference(name: str, reference: str) -> None:
    domain, w = losses.get(name).domain, np.array([1.0, 0, 2, 0.5])
    targets = {"hinge": np.sign(Y - 0.5), "gaussian_nll": Y[:, :1]}.get(name, Y)
    for output in ("identity", "sigmoid", "exponential", "softmax"):
        low, high = activations.get(output).range
        if low >= domain[0] and high <= domain[1]:
            net = cr.Network([3, 4, 2], "tanh", output, name, dtype="float64")
            report = cr.check_gradients(net, X, targets, w, reference=reference)
            assert report.passed, f"{output}: {report}"


@pytest.mark.parametrize("output", ["identity", "softmax"])
@pytest.mark.parametrize("name", ["tanh", "gelu", "leaky_relu(0.2)"])
def test_jax_agrees_where_it_is_installed(name: str, output: str) -> None:
    pytest.importorskip("jax")
    net = cr.Network([3, 4, 4, 2], name, output, "squared_error", dtype="float64")
    report = cr.check_gradients(net, X, Y, reference="jax")
    assert report.passed, str(report)
    assert report.reference == "autodiff by jax"


@pytest.mark.parametrize("reference", ["complex", "central", "torch"])
def test_every_reference_finds_a_wrong_derivative(
    reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tanh = replace(activations.NAMED["tanh"], prime_from_output=lambda y: 1.001 - y * y)
    monkeypatch.setitem(activations.NAMED, "tanh", tanh)
    net = cr.Network([3, 4, 2], "tanh")
    report = cr.check_gradients(net, X, Y, engine="numpy", reference=reference)
    assert failing(report) == ["W^1", "B^1", "phi^0"]


def test_central_differences_take_the_best_step() -> None:
    """The usual step, which is right for other functions, is too long for this one."""
    fast = Activation("fast", lambda x: np.sin(3e3 * x), lambda x: 3e3 * np.cos(3e3 * x))
    net = cr.Network([1, 1], output_activation=replace(fast, check=False), dtype="float64")
    net.weights[0] = [[1e-4]]
    usual = references.differences(lambda at: fast.sigma(at[0]), np.array([1e-4]), 0)
    assert abs(sum(usual) / 2 / fast.sigma_prime(np.array([1e-4]))[0] - 1) > 1e-5
    report = cr.check_gradients(net, [[1.0]], [[2.0]])
    assert report.passed, str(report)


def test_functions_of_your_own_need_differences() -> None:
    net = cr.Network([3, 4, 2], WRONG)
    for reference in ("complex", "torch", "jax"):
        with pytest.raises(cr.InputError, match="compare with reference='central'"):
            cr.check_gradients(net, X, Y, reference=reference)
    with pytest.raises(cr.InputError, match="did you mean 'complex'"):
        cr.check_gradients(net, X, Y, reference="komplex")


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("torch", "jax"):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(cr.MissingExtraError, match=f"needs {library}"):
            cr.check_gradients(cr.Network([3, 4, 2], "tanh"), X, Y, reference=library)


# Who is to blame.


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_layer_and_activation_of_a_planted_mistake_are_named(layer: int) -> None:
    chosen: list[Any] = ["tanh", "tanh", "identity"]
    chosen[layer - 1] = WRONG
    report = cr.check_gradients(cr.Network([3, 4, 4, 2], chosen[:2], chosen[2]), X, Y)
    assert [(c.layer, c.name) for c in report.culprits] == [(layer, "wrong")]
    assert f"layer {layer}, activation 'wrong': sigma_prime is not the derivative" in str(report)


def test_two_planted_mistakes_are_both_named() -> None:
    wrong = Loss("bad", lambda p, y: (p - y) ** 2, lambda p, y: p - y, check=False)
    report = cr.check_gradients(cr.Network([3, 4, 2], WRONG, loss=wrong), X, Y)
    assert [(c.layer, c.name) for c in report.culprits] == [(1, "wrong"), (None, "bad")]
    assert "the loss 'bad': its derivative is not that of its value" in str(report)


def test_a_folded_pair_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    right = losses.NAMED["cross_entropy"]
    wrong = replace(right.folded["softmax"], derivative=lambda x, p, y: y - p)
    folded = replace(right, folded={"softmax": wrong})
    monkeypatch.setitem(losses.NAMED, "cross_entropy", folded)
    net = cr.Network([3, 4, 2], "tanh", "softmax", "cross_entropy")
    report = cr.check_gradients(net, X, Y, engine="numpy")
    assert [(c.layer, c.name) for c in report.culprits] == [(None, "cross_entropy")]


def test_a_mistake_too_small_for_differences_is_placed_by_what_is_right_above_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tanh = replace(activations.NAMED["tanh"], prime_from_output=lambda y: (1 - y * y) * (1 + 1e-7))
    monkeypatch.setitem(activations.NAMED, "tanh", tanh)
    report = cr.check_gradients(cr.Network([3, 4, 4, 2], ["tanh", "sigmoid"]), X, Y, engine="numpy")
    assert [(c.layer, c.name) for c in report.culprits] == [(1, "tanh")]
    assert "the gradients above it are right" in str(report)


def test_nobody_is_blamed_for_what_is_right() -> None:
    assert cr.check_gradients(cr.Network([3, 4, 2], "relu"), X, Y).culprits == ()
