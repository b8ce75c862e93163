"""Losses against PyTorch, folded pairs against unfolded ones, weights, and a user's own."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional

import chainrule as cr
from chainrule import activations, losses
from chainrule.losses import Loss
from tests import torch_reference

Array = npt.NDArray[Any]

LOSSES = [*losses.NAMED, "quantile", "quantile(0.3)", "huber(2.0)"]
FOLDED = [(loss.name, output) for loss in losses.NAMED.values() for output in loss.folded]
N = 50


def samples(name: str, n: int = N) -> tuple[Array, Array]:
    """Return outputs and targets where the loss is defined, none on a kink."""
    rng = np.random.default_rng(0)
    p, y = rng.normal(scale=2, size=(2, n, 4))
    match name:
        case "cross_entropy":
            return rng.dirichlet(np.ones(4), n), rng.dirichlet(np.ones(4), n)
        case "binary_cross_entropy":
            return rng.uniform(0.01, 0.99, (n, 4)), rng.uniform(size=(n, 4))
        case "poisson" | "gamma":
            return np.exp(p), np.exp(y)
        case "hinge":
            return p, rng.choice([-1.0, 1.0], (n, 4))
        case "gaussian_nll":
            return p, y[:, :2]
    return p, y


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_derivative_are_torchs(name: str, dtype: str, tolerance: float) -> None:
    loss = losses.get(name)
    p, y = (a.astype(np.float32).astype(dtype) for a in samples(name))
    t = torch_reference.tensor(p, requires_grad=True)
    each = torch_reference.LOSSES[name](t, torch_reference.tensor(y))
    each = each.sum(dim=1)
    (derivative,) = torch.autograd.grad(each.sum(), t)
    value, slope = loss.per_sample(p, y), loss.derivative(p, y)
    assert value.dtype == slope.dtype == dtype
    assert value.shape == (N,)
    np.testing.assert_allclose(value, each.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(slope, derivative.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", LOSSES)
def test_network_loss_sums_outputs_and_averages_samples(name: str) -> None:
    """With identity weights the outputs are sigma(X), so C can be had from torch alone."""
    output = {
        "cross_entropy": "softmax",
        "binary_cross_entropy": "sigmoid",
        "poisson": "exponential",
        "gamma": "exponential",
    }.get(name, "identity")
    net = cr.Network([4, 4], output_activation=output, loss=name, dtype="float64")
    net.weights[0] = np.eye(4)
    X = np.random.default_rng(1).normal(size=(N, 4))
    _, Y = samples(name)
    w = np.random.default_rng(2).uniform(size=N)
    p = torch_reference.ACTIVATIONS[output](torch_reference.tensor(X))
    for weight in (None, w):
        expected = torch_reference.cost(name, p, torch_reference.tensor(Y), weight).item()
        assert net.loss_value(X, Y, weight) == pytest.approx(expected, rel=1e-12)
        assert net.gradients(X, Y, weight).loss == pytest.approx(expected, rel=1e-12)


def test_cross_entropy_of_class_numbers_is_torchs_mean() -> None:
    net = cr.Network([3, 5], "relu", "softmax", "cross_entropy", dtype="float64")
    rng = np.random.default_rng(0)
    X, classes = rng.normal(size=(N, 3)), rng.integers(0, 5, N)
    logits = torch.tensor(X @ net.weights[0].T)
    expected = functional.cross_entropy(logits, torch.tensor(classes))
    assert net.loss_value(X, classes) == pytest.approx(expected.item(), rel=1e-13)
    assert net.loss_value(X, np.eye(5)[classes]) == pytest.approx(expected.item(), rel=1e-13)


def test_squared_error_is_the_derivations_cost() -> None:
    net = cr.Network([3, 2], dtype="float64")
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(N, 3)), rng.normal(size=(N, 2))
    expected = sum(np.linalg.norm(net.predict(X)[i] - Y[i]) ** 2 for i in range(N)) / (2 * N)
    assert net.loss_value(X, Y) == pytest.approx(expected, rel=1e-13)


# Folded pairs.


def folded(name: str, output: str, x: Array, y: Array) -> tuple[Array, Array]:
    """Return the value of each sample and its derivative by x, in the folded form."""
    p, pair = activations.get(output).sigma(x), losses.get(name).folded[output]
    return pair.value(x, p, y).sum(axis=1), pair.derivative(x, p, y)


def unfolded(name: str, output: str, x: Array, y: Array) -> tuple[Array, Array]:
    """Return the same by the chain rule."""
    loss, activation = losses.get(name), activations.get(output)
    p = activation.sigma(x)
    return loss.per_sample(p, y), activation.pull_back(loss.derivative(p, y), x, p)


def assert_folded_is_unfolded(name: str, output: str, x: Array, y: Array) -> None:
    pairs = zip(folded(name, output, x, y), unfolded(name, output, x, y), strict=True)
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("name", "output"), FOLDED)
def test_folded_pairs_equal_the_unfolded_where_both_are_accurate(name: str, output: str) -> None:
    _, y = samples(name)
    x = np.random.default_rng(3).uniform(-6, 6, y.shape)
    assert_folded_is_unfolded(name, output, x, y)


def test_folded_pairs_are_those_that_cancel() -> None:
    assert FOLDED == [
        ("cross_entropy", "softmax"),
        ("binary_cross_entropy", "sigmoid"),
        ("poisson", "exponential"),
        ("gamma", "exponential"),
    ]


@pytest.mark.parametrize("total", [0.0, 0.5, 2.0])
def test_softmax_cross_entropy_of_targets_that_do_not_sum_to_one(total: float) -> None:
    x = np.random.default_rng(3).uniform(-3, 3, (N, 4))
    y = total * samples("cross_entropy")[1]
    assert_folded_is_unfolded("cross_entropy", "softmax", x, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "output"), FOLDED)
def test_folded_pairs_are_finite_at_the_extremes(name: str, output: str, dtype: str) -> None:
    x = np.array([[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4], [0, -1e4], [64, 65], [90, -104]], dtype)
    for target in ([1, 0], [0, 1], [1, 1], [0.5, 0.5]):
        y = np.full_like(x, target)
        with np.errstate(all="raise", under="ignore"):
            value, slope = folded(name, output, x, y)
        assert np.isfinite(value).all()
        assert np.isfinite(slope).all()
        assert value.dtype == slope.dtype == dtype


@pytest.mark.parametrize(
    ("name", "output", "x", "y", "expected"),
    [
        ("cross_entropy", "softmax", [1e4, -1e4], [0, 1], 2e4),
        ("cross_entropy", "softmax", [1e4, -1e4], [1, 0], 0),
        ("binary_cross_entropy", "sigmoid", [1e4], [0], 1e4),
        ("binary_cross_entropy", "sigmoid", [-1e4], [1], 1e4),
        ("binary_cross_entropy", "sigmoid", [-1e4], [0], 0),
        ("poisson", "exponential", [-1e4], [3], 3e4),
        ("gamma", "exponential", [60], [1], 60),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_folded_values_at_the_extremes(
    name: str, output: str, x: list[float], y: list[float], expected: float, dtype: str
) -> None:
    value, _ = folded(name, output, np.array([x], dtype), np.array([y], dtype))
    assert value[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_finite_without_a_warning_at_the_extremes(name: str, dtype: str) -> None:
    """Outputs as far out as the loss allows, and those that underflowed to the border."""
    loss = losses.get(name)
    low, high = (float(np.clip(bound, -1e4, 1e4)) for bound in loss.domain)
    p = np.array([[low, high], [high, low], [low, low], [high, high]], dtype)
    for target in (1.0, -1.0) if loss.targets[0] < 0 else (1.0, 0.0):
        y = np.full((4, 2 // loss.outputs_per_target), target, dtype)
        with np.errstate(all="raise", under="ignore"):
            value, slope = loss.per_sample(p, y), loss.derivative(p, y)
        assert np.isfinite(value).all()
        assert np.isfinite(slope).all()
        assert slope.dtype == dtype


@pytest.mark.parametrize("name", LOSSES)
def test_nan_outputs_give_nan(name: str) -> None:
    loss = losses.get(name)
    p, y = samples(name, 2)
    p[0, 0] = np.nan
    assert np.isnan(loss.per_sample(p, y)).tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_cosh_is_accurate_near_zero(dtype: str) -> None:
    d = np.array([[1e-2], [0.1], [30.0]], dtype)
    expected = [math.log(math.cosh(float(x))) for x in d[:, 0]]
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(
        losses.get("log_cosh").per_sample(d, np.zeros_like(d)), expected, rtol=4 * eps, atol=4 * eps
    )


def test_gaussian_nll_takes_all_means_first_then_all_log_variances() -> None:
    p = np.array([[1.0, 2.0, 0.0, math.log(4.0)]])
    value = losses.get("gaussian_nll").per_sample(p, np.array([[0.0, 4.0]]))
    assert value[0] == pytest.approx((0 + 1) / 2 + (math.log(4) + 4 / 4) / 2)


def test_derivatives_on_the_kinks_are_subgradients() -> None:
    zero = np.zeros((1, 1))
    for name in ("absolute_error", "quantile(0.3)"):
        assert losses.get(name).derivative(zero, zero).tolist() == [[0.0]]
    assert losses.get("hinge").derivative(zero + 1, zero + 1).tolist() == [[0.0]]


# Sample weights.


@pytest.mark.parametrize("name", LOSSES)
def test_a_weight_of_two_is_a_doubled_row(name: str) -> None:
    output = {
        "cross_entropy": "softmax",
        "binary_cross_entropy": "sigmoid",
        "poisson": "exponential",
        "gamma": "softplus",
    }.get(name, "identity")
    net = cr.Network([3, 5, 4], "tanh", output, name, dtype="float64")
    X = np.random.default_rng(0).normal(size=(6, 3))
    _, Y = samples(name, 6)
    w = np.array([1.0, 2, 1, 0, 3, 1])
    rows = np.repeat(np.arange(6), w.astype(int))
    weighted, repeated = net.gradients(X, Y, w), net.gradients(X[rows], Y[rows])
    assert net.loss_value(X, Y, w) == pytest.approx(weighted.loss, rel=1e-13)
    assert weighted.loss == pytest.approx(repeated.loss, rel=1e-12)
    for what in ("weights", "biases"):
        for a, b in zip(getattr(weighted, what), getattr(repeated, what), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
    by_row = np.array([repeated.inputs[rows == i].sum(axis=0) for i in range(6)])
    np.testing.assert_allclose(weighted.inputs, by_row, rtol=1e-11, atol=1e-13)
    assert net.loss_value(X, Y, 7 * w) == pytest.approx(weighted.loss, rel=1e-12)


# Names, parameters and a user's own.


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("quantile(0)", "one positive number"),
        ("quantile(1)", "strictly between 0 and 1"),
        ("quantile(x)", "one positive number"),
        ("huber(-1)", "one positive number"),
        ("huber(inf)", "one positive number"),
        ("hubert", "did you mean 'huber'"),
        (None, "not known"),
    ],
)
def test_unknown_names_and_parameters_are_refused(name: Any, message: str) -> None:
    with pytest.raises(cr.InputError, match=message):
        losses.get(name)


def test_the_quantile_function_is_itself_a_loss_name() -> None:
    assert losses.get("quantile") == losses.quantile(0.5)
    assert losses.get("quantile(0.30)") == losses.quantile(0.3)
    assert losses.quantile(0.3) != losses.quantile(0.4)


@pytest.mark.parametrize("name", LOSSES)
def test_named_losses_survive_pickling(name: str) -> None:
    loss = losses.get(name)
    twin = pickle.loads(pickle.dumps(loss))
    assert twin == loss
    p, y = samples(name)
    np.testing.assert_array_equal(twin.per_sample(p, y), loss.per_sample(p, y))


@pytest.mark.parametrize(
    ("loss", "output"),
    [
        ("cross_entropy", "identity"),
        ("binary_cross_entropy", "tanh"),
        ("poisson", "leaky_relu"),
        ("gamma", "sin"),
    ],
)
def test_an_output_activation_outside_the_losss_domain_is_refused(loss: str, output: str) -> None:
    with pytest.raises(cr.InputError, match=f"{loss} needs outputs in .* output_activation="):
        cr.Network([2, 2], output_activation=output, loss=loss)


def test_an_odd_number_of_outputs_for_gaussian_nll_is_refused() -> None:
    with pytest.raises(cr.InputError, match="2 outputs for each target"):
        cr.Network([2, 3], loss="gaussian_nll")


def quartic(p: Any, y: Any) -> Any:
    return (p - y) ** 4


def quartic_prime(p: Any, y: Any) -> Any:
    return 4 * (p - y) ** 3


OWN = {
    "wrong derivative": (
        Loss("mine", quartic, lambda p, y: 3 * (p - y) ** 3),
        "the derivative of loss 'mine' is not that of its value: for output .* it gives",
    ),
    "averaged over the outputs": (
        Loss("mine", lambda p, y: quartic(p, y).mean(axis=1), quartic_prime),
        "the derivative of loss 'mine' is not that of its value",
    ),
    "summed over the samples": (
        Loss("mine", lambda p, y: quartic(p, y).sum(), quartic_prime),
        r"the value of loss 'mine' must have the shape .* has shape \(\)",
    ),
    "derivative of the wrong shape": (
        Loss("mine", quartic, lambda p, y: quartic_prime(p, y).sum(axis=1)),
        r"the derivative of loss 'mine' must have the shape of the outputs \(4, 2\)",
    ),
    "not a number": (
        Loss("mine", quartic, lambda p, y: p * np.nan),
        "the derivative of loss 'mine' is not that of its value",
    ),
}
X = np.arange(8.0).reshape(4, 2) / 8
Y = X[::-1] + 1


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("use", ["gradients", "loss_value", "fit"])
def test_a_wrong_loss_is_refused_on_first_use(kind: str, use: str) -> None:
    own, message = OWN[kind]
    net = cr.Network([2, 3, 2], "tanh", loss=own, dtype="float64")
    before = net.parameters.copy()
    with pytest.raises(cr.InputError, match=message):
        getattr(net, use)(X, Y)
    np.testing.assert_array_equal(net.parameters, before)


def test_check_false_lets_a_wrong_derivative_pass() -> None:
    own = Loss("mine", quartic, lambda p, y: 3 * (p - y) ** 3, check=False)
    assert np.isfinite(cr.Network([2, 3, 2], "tanh", loss=own).gradients(X, Y).loss)


@pytest.mark.parametrize("per", ["output", "sample"])
def test_an_own_loss_equals_the_named_one(per: str) -> None:
    value: Any = {
        "output": lambda p, y: (p - y) ** 2 / 2,
        "sample": lambda p, y: ((p - y) ** 2).sum(axis=1) / 2,
    }[per]
    own = Loss("mine", value, lambda p, y: p - y)
    w = np.array([1.0, 2, 3, 0])
    mine, named = (
        cr.Network([2, 3, 2], "tanh", loss=loss, dtype="float64").gradients(X, Y, w)
        for loss in (own, "squared_error")
    )
    assert mine.loss == pytest.approx(named.loss, rel=1e-14)
    np.testing.assert_allclose(mine.weights[0], named.weights[0], rtol=1e-13)


def test_an_own_loss_with_kinks_at_the_targets_passes_the_check() -> None:
    own = Loss("mine", lambda p, y: np.abs(p - y), lambda p, y: np.sign(p - y))
    net = cr.Network([2, 2], loss=own, dtype="float64")
    assert np.isfinite(net.loss_value(X, net.predict(X)))


def test_own_losses_with_importable_functions_survive_pickling() -> None:
    twin = pickle.loads(pickle.dumps(Loss("quartic", quartic, quartic_prime, targets=(0, 1))))
    assert (twin.name, twin.targets, twin.own) == ("quartic", (0, 1), True)
    assert twin.per_sample(X, X).tolist() == [0.0] * 4
    assert Loss("huber", quartic, quartic_prime) != losses.get("huber")


CURVED = [name for name in LOSSES if losses.get(name).curvature is not None]
ROBUST = ("huber", "huber(2.0)", "log_cosh")


def second_derivative(loss: Loss, p: Array, y: Array, k: int) -> Array:
    """Return the second derivative by output k, by a complex step."""
    moved = p.astype(complex)
    moved[:, k] += 1e-30j
    return np.asarray(loss.derivative(moved, y)[:, k].imag / 1e-30)


@pytest.mark.parametrize("name", [name for name in CURVED if name not in ROBUST])
def test_a_curvature_is_the_second_derivative_expected_where_outputs_are_true(name: str) -> None:
    loss = losses.get(name)
    assert loss.curvature is not None
    p, y = samples(name)
    targets = {"squared_error": [y], "cross_entropy": [y]}.get(name, [p])
    if name == "gaussian_nll":  # targets one standard deviation off, on either side
        mean, deviation = p[:, :2], np.exp(p[:, 2:] / 2)
        targets = [mean - deviation, mean + deviation]
    for k in range(p.shape[1]):
        expected = np.mean([second_derivative(loss, p, y, k) for y in targets], axis=0)
        np.testing.assert_allclose(loss.curvature(p, targets[0])[:, k], expected, rtol=1e-12)


@pytest.mark.parametrize("name", ROBUST)
def test_a_robust_losss_curvature_is_that_of_a_parabola_above_it(name: str) -> None:
    loss = losses.get(name)
    assert loss.curvature is not None
    p, y = np.meshgrid(np.linspace(-7, 7, 57), [0.0])
    touch, at = p.T, p
    value, slope, h = (f(touch, 0 * touch) for f in (loss.value, loss.derivative, loss.curvature))
    assert (h > 0).all()
    assert h[touch == 0] == 1
    parabola = value + slope * (at - touch) + h / 2 * (at - touch) ** 2
    assert (parabola >= loss.value(at, y) - 1e-12).all()
    # and it touches at the other side as well, so that no flatter one would do
    np.testing.assert_allclose(np.diag(parabola[::-1]), loss.value(p[0], y[0]), atol=1e-12)


@pytest.mark.parametrize(("name", "output"), FOLDED)
def test_a_folded_curvature_is_the_unfolded_one_through_the_activation(
    name: str, output: str
) -> None:
    loss, activation = losses.get(name), activations.get(output)
    folded = loss.folded[output].curvature
    assert folded is not None
    assert loss.curvature is not None
    x = np.random.default_rng(3).normal(size=(N, 4))
    p = activation.sigma(x)
    if output != "softmax":
        expected = loss.curvature(p, p) * activation.sigma_prime(x) ** 2
        np.testing.assert_allclose(folded(x, p, p), expected, rtol=1e-12)
        return
    y = samples(name)[1] * 3  # targets that do not sum to one
    h = folded(x, p, y)
    matrix = np.einsum("nj,jk->njk", h, np.eye(4)) - np.einsum("nj,nk->njk", h, h) / 3
    for k in range(4):
        moved = x.astype(complex)
        moved[:, k] += 1e-30j
        slope = loss.folded[output].derivative(moved, activation.sigma(moved), y)
        np.testing.assert_allclose(matrix[:, :, k], slope.imag / 1e-30, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CURVED)
def test_curvatures_are_finite_and_not_negative_at_the_ends(name: str, dtype: str) -> None:
    loss = losses.get(name)
    assert loss.curvature is not None
    ends = np.clip([-1e4, -64.0, 0.0, 1e-30, 1.0, 64.0, 1e4], *loss.domain).astype(dtype)
    p, y = (
        a.reshape(-1, 4) for a in np.meshgrid(ends, np.clip([0.0, 1.0, 0.5, 0.25], *loss.targets))
    )
    y = y[:, : 4 // loss.outputs_per_target].astype(dtype)
    h = loss.curvature(p, y)
    assert h.dtype == dtype
    assert h.shape == p.shape
    assert np.isfinite(h).all()
    assert (h >= 0).all()
    for output, folded in loss.folded.items():
        assert folded.curvature is not None
        x = np.array([[-1e4, -64, 64, 1e4]], dtype)
        h = folded.curvature(x, activations.get(output).sigma(x), y[:1])
        assert np.isfinite(h).all()
        assert (h >= 0).all()
