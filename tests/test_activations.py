"""Activations against mpmath and PyTorch, at the extremes, and a user's own."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import activations
from chainrule.activations import NAMED, Activation
from tests import torch_reference

FAMILIES = ["leaky_relu(0.2)", "elu(0.5)", "celu(2.0)"]
ELEMENTWISE = [a.name for a in NAMED.values() if a.elementwise] + FAMILIES
# Their derivative is constant on each piece, whatever the argument.
PIECEWISE_LINEAR = ("identity", "relu", "leaky_relu", "hard_tanh", "leaky_relu(0.2)")


def _elu(alpha: float, scale: Any = 1) -> Callable[[Any], Any]:
    return lambda x: scale * (x if x > 0 else alpha * (mpmath.exp(x) - 1))


# Written from the definitions, in 50 digits.
FORMULAS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "tanh": lambda x: (mpmath.exp(2 * x) - 1) / (mpmath.exp(2 * x) + 1),
    "relu": lambda x: max(x, 0),
    "leaky_relu": lambda x: x if x > 0 else x * 0.01,
    "leaky_relu(0.2)": lambda x: x if x > 0 else x * 0.2,
    "elu": _elu(1),
    "elu(0.5)": _elu(0.5),
    "selu": _elu(
        mpmath.mpf("1.6732632423543772848170429916717"),
        mpmath.mpf("1.0507009873554804934193349852946"),
    ),
    "celu": _elu(1),
    "celu(2.0)": lambda x: x if x > 0 else 2 * (mpmath.exp(x / 2) - 1),
    "gelu": lambda x: x * mpmath.ncdf(x),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "mish": lambda x: x * mpmath.tanh(mpmath.log(1 + mpmath.exp(x))),
    "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "hard_tanh": lambda x: min(max(x, -1), 1),
    "sin": mpmath.sin,
    "gaussian": lambda x: mpmath.exp(-(x**2)),
    "exponential": mpmath.exp,
}
# Numbers that float32 holds too, on both sides of every kink and far into saturation.
POINTS = np.concatenate(
    [
        np.linspace(-6.03, 6.07, 60),
        [-40.0, -20.0, -12.0, -1.01, -0.99, -1e-3, -1e-6, 1e-6, 1e-3, 0.99, 1.01, 12.0, 20.0, 40.0],
    ]
).astype(np.float32)


def exact(name: str) -> tuple[list[float], list[float], list[float]]:
    """Return the values and numerical derivatives, first and second, of the formula at `POINTS`."""
    formula = FORMULAS[name]
    with mpmath.workdps(50):
        x = [mpmath.mpf(float(point)) for point in POINTS]
        first, second = (
            [float(mpmath.diff(formula, point, order, h=1e-15)) for point in x] for order in (1, 2)
        )
        return [float(formula(point)) for point in x], first, second


def double_prime(activation: Activation) -> Callable[[Any], Any]:
    """Return sigma''."""
    assert activation.sigma_double_prime is not None
    return activation.sigma_double_prime


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 2e-15), ("float32", 1e-6)])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_value_and_derivatives_are_those_of_the_formula(
    name: str, dtype: str, tolerance: float
) -> None:
    activation = activations.get(name)
    x = POINTS.astype(dtype)
    values, derivatives, second_derivatives = exact(name)
    y = activation.sigma(x)
    np.testing.assert_allclose(y, values, rtol=tolerance, atol=tolerance)
    for derivative in (activation.sigma_prime(x), activation.slope(x, y)):
        np.testing.assert_allclose(derivative, derivatives, rtol=tolerance, atol=tolerance)
    found = double_prime(activation)(x)
    np.testing.assert_allclose(found, second_derivatives, rtol=tolerance, atol=2 * tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-15), ("float32", 2e-7)])
@pytest.mark.parametrize(
    "name", ["sigmoid", "softplus", "exponential", "gaussian", "elu", "selu", "celu", "celu(2.0)"]
)
def test_small_values_keep_their_digits(name: str, dtype: str, tolerance: float) -> None:
    """Relative, where the naive formula would cancel or underflow."""
    values, _, _ = exact(name)
    found = activations.get(name).sigma(POINTS.astype(dtype))
    normal = np.abs(values) > np.finfo(dtype).tiny
    relative = 50 * tolerance if name == "gaussian" else 4 * tolerance  # x^2 is rounded first
    np.testing.assert_allclose(found[normal], np.array(values)[normal], rtol=relative, atol=0)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_value_and_derivative_are_torchs(name: str) -> None:
    activation = activations.get(name)
    x = POINTS.astype(np.float64)
    t = torch.tensor(x, requires_grad=True)
    value = torch_reference.ACTIVATIONS[name](t)
    (derivative,) = torch.autograd.grad(value.sum(), t)
    np.testing.assert_allclose(activation.sigma(x), value.detach().numpy(), rtol=1e-14, atol=1e-14)
    if name == "softplus":  # torch returns x itself above 20
        derivative[t.detach() >= 20] = torch.sigmoid(t.detach()[t.detach() >= 20])
    np.testing.assert_allclose(
        activation.sigma_prime(x), derivative.numpy(), rtol=1e-14, atol=1e-14
    )


@pytest.mark.parametrize("kind", ["value", "pull_back"])
def test_softmax_is_torchs(kind: str) -> None:
    rng = np.random.default_rng(0)
    x, g = rng.normal(scale=5, size=(2, 20, 4))
    t = torch.tensor(x, requires_grad=True)
    value = torch.softmax(t, dim=1)
    y = NAMED["softmax"].sigma(x)
    if kind == "value":
        np.testing.assert_allclose(y, value.detach().numpy(), rtol=1e-13)
    else:
        (expected,) = torch.autograd.grad(value, t, torch.tensor(g))
        found = NAMED["softmax"].pull_back(g, x, y)
        np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-14)


def test_softmax_has_no_elementwise_derivative_and_says_what_to_use() -> None:
    with pytest.raises(cr.InputError, match="pull_back"):
        NAMED["softmax"].sigma_prime(np.zeros((1, 2)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*ELEMENTWISE, "softmax"])
def test_extremes_are_finite_without_a_warning(name: str, dtype: str) -> None:
    activation = activations.get(name)
    x = np.array([[-1e4, 1e4, -1e3, 1e3, -104, 89, 710, 0.0, -0.0]], dtype)
    with np.errstate(all="raise", under="ignore"):
        y = activation.sigma(x)
        slopes = (
            [activation.sigma_prime(x), activation.slope(x, y), double_prime(activation)(x)]
            if activation.elementwise
            else []
        )
        back = activation.pull_back(np.ones_like(x), x, y)
    for found in (y, back, *slopes):
        assert np.isfinite(found).all()
    low, high = activation.range
    assert low <= y.min()
    assert y.max() <= high


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_nan_in_gives_nan_out(name: str, dtype: str) -> None:
    activation = activations.get(name)
    x = np.array([np.nan, 0.5], dtype)
    y = activation.sigma(x)
    assert np.isnan(y).tolist() == [True, False]
    if name not in PIECEWISE_LINEAR:
        second = double_prime(activation)(x)
        for slope in (activation.sigma_prime(x), activation.slope(x, y), second):
            assert np.isnan(slope).tolist() == [True, False]


def test_nan_in_gives_a_nan_row_of_softmax() -> None:
    y = NAMED["softmax"].sigma(np.array([[np.nan, 0.5], [1.0, 0.5]]))
    assert np.isnan(y).tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize("shape", [(0,), (5,), (2, 3), (2, 0), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_shape_and_dtype_are_kept(name: str, dtype: str, shape: tuple[int, ...]) -> None:
    activation = activations.get(name)
    x = np.linspace(-2, 2, int(np.prod(shape))).reshape(shape).astype(dtype)
    before, y = x.copy(), activation.sigma(x)
    second = double_prime(activation)(x)
    for found in (y, activation.sigma_prime(x), activation.slope(x, y), second):
        assert found.shape == shape
        assert found.dtype == dtype
    assert (x == before).all()


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_kinks_are_where_the_derivative_jumps(name: str) -> None:
    activation, eps = activations.get(name), 1e-9
    places = np.array([-1.0, 0.0, 1.0])
    jump = np.abs(activation.sigma_prime(places + eps) - activation.sigma_prime(places - eps))
    assert tuple(places[jump > 1e-6]) == activation.kinks


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "selu", "elu(0.5)", "elu", "celu(2.0)"])
def test_on_a_kink_the_second_derivative_is_from_the_side_of_the_first(name: str) -> None:
    activation = activations.get(name)
    at, below = activation.sigma_prime(np.array([0.0, -1e-12]))
    assert at == pytest.approx(below)
    at, below = double_prime(activation)(np.array([0.0, -1e-12]))
    assert at == pytest.approx(below, abs=1e-11)


def test_softmax_has_no_elementwise_second_derivative() -> None:
    assert NAMED["softmax"].sigma_double_prime is None


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("leaky_relu(0.2)", "leaky_relu(0.2)"),
        ("elu(0.5)", "elu(0.5)"),
        ("celu(2)", "celu(2.0)"),
        ("leaky_relu(1e-3)", "leaky_relu(0.001)"),
    ],
)
def test_families_take_their_parameter_in_parentheses(name: str, canonical: str) -> None:
    assert activations.get(name).name == canonical
    assert activations.get(canonical) == activations.get(name)
    net = cr.Network([2, 3, 1], name, dtype="float64")
    assert net.architecture.activations[0].name == canonical


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("leaky_relu(-1)", "leaky_relu takes one positive number"),
        ("elu(0)", "elu takes one positive number"),
        ("celu(nan)", "celu takes one positive number"),
        ("elu(inf)", "elu takes one positive number"),
        ("elu(a)", "elu takes one positive number"),
        ("tanh(2)", "not known"),
        ("rely", "did you mean 'relu'"),
        (3, "not known"),
    ],
)
def test_unknown_names_and_parameters_are_refused(name: Any, message: str) -> None:
    with pytest.raises(cr.InputError, match=message):
        activations.get(name)


def test_softmax_in_a_hidden_layer_is_refused() -> None:
    with pytest.raises(cr.InputError, match="hidden layer 1"):
        cr.Network([2, 3, 2], "softmax")


@pytest.mark.parametrize("name", [*ELEMENTWISE, "softmax"])
def test_named_activations_survive_pickling(name: str) -> None:
    activation = activations.get(name)
    twin = pickle.loads(pickle.dumps(activation))
    assert twin == activation
    assert hash(twin) == hash(activation)
    x = np.linspace(-2, 2, 6).reshape(2, 3)
    np.testing.assert_array_equal(twin.sigma(x), activation.sigma(x))


def test_a_named_activation_is_found_once() -> None:
    assert all(activations.get(name) is activation for name, activation in NAMED.items())
    assert activations.get(NAMED["tanh"]) is NAMED["tanh"]


# A user's own.


def cube(x: Any) -> Any:
    return x**3


def cube_prime(x: Any) -> Any:
    return 3 * x**2


OWN = {
    "wrong derivative": (
        Activation("mine", cube, lambda x: 2 * x**2),
        "sigma_prime of activation 'mine' is not the derivative of its sigma: at .* gives",
    ),
    "wrong derivative in one place": (
        Activation("mine", cube, lambda x: np.where(x > 2.5, 0, 3 * x**2)),
        "sigma_prime of activation 'mine' is not the derivative",
    ),
    "wrong shape of sigma_prime": (
        Activation("mine", cube, lambda x: np.float64(1.0)),  # type: ignore[arg-type, return-value]
        r"sigma_prime of activation 'mine' must keep the shape .*\(40,\) and returned \(\)",
    ),
    "not elementwise": (
        Activation("mine", lambda x: x - x.mean(), np.ones_like),
        "sigma of activation 'mine' must treat every element by itself",
    ),
    "wrong derivative by its output": (
        Activation(
            "mine",
            np.tanh,
            lambda x: 1 - np.tanh(x) ** 2,
            prime_from_output=lambda y: 1 + y * y,
        ),
        "prime_from_output of activation 'mine' is not the derivative of its sigma",
    ),
    "wrong second derivative": (
        Activation("mine", cube, cube_prime, sigma_double_prime=lambda x: 5 * x),
        "sigma_double_prime of activation 'mine' is not the derivative of its sigma_prime: at ",
    ),
    "wrong shape of the second derivative": (
        Activation("mine", cube, cube_prime, sigma_double_prime=lambda x: 6 * x[1:]),
        r"sigma_double_prime of activation 'mine' must keep the shape .* returned \(39,\)",
    ),
    "derivative that is not finite where sigma is": (
        Activation("mine", cube, lambda x: np.where(x < 0, np.nan, 3 * x**2)),
        "sigma_prime of activation 'mine' is not the derivative of its sigma: at .* gives nan",
    ),
    "nowhere finite": (
        Activation("mine", lambda x: x * np.nan, lambda x: x * np.nan),
        "activation 'mine' is not finite anywhere",
    ),
}


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("layer", ["activation", "output_activation"])
def test_a_wrong_activation_is_refused_by_the_network(kind: str, layer: str) -> None:
    own, message = OWN[kind]
    with pytest.raises(cr.InputError, match=message):
        cr.Network(**{"layer_sizes": [2, 3, 2], layer: own})  # type: ignore[arg-type]


def test_a_sigma_of_the_wrong_shape_is_refused() -> None:
    own = Activation("mine", np.sum, np.ones_like)
    with pytest.raises(cr.InputError, match=r"must keep the shape .*\(40,\) and returned \(\)"):
        activations.check_derivative(own)


ONE = np.ones((4, 2)) / 3


def test_an_own_activation_is_checked_on_first_use_only(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[Activation] = []
    monkeypatch.setattr(activations, "check_derivative", checked.append)
    own = Activation("mine", cube, cube_prime)
    net = cr.Network([2, 3, 2], own)
    for _ in range(3):
        net.gradients(ONE, ONE)
    assert checked == [own]


def test_check_false_lets_a_wrong_derivative_pass() -> None:
    own = Activation("mine", cube, lambda x: 2 * x**2, check=False)
    assert np.isfinite(cr.Network([2, 3, 2], own).gradients(ONE, ONE).loss)


@pytest.mark.parametrize("kinks", [(), (0.0,)])
def test_a_right_activation_passes_with_and_without_declared_kinks(
    kinks: tuple[float, ...],
) -> None:
    own = Activation("mine", np.abs, np.sign, sigma_double_prime=np.zeros_like, kinks=kinks)
    assert np.isfinite(cr.Network([2, 3, 2], own).gradients(ONE, ONE).loss)


def test_an_own_activation_trains_as_the_named_one_does() -> None:
    own = Activation("my_tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2)
    mine, named = (cr.Network([2, 3, 2], a, dtype="float64") for a in (own, "tanh"))
    for net in (mine, named):
        net.fit(ONE, ONE, epochs=5, batch_size=4, engine="numpy")
    np.testing.assert_allclose(mine.parameters, named.parameters, rtol=1e-12)


def test_own_activations_with_importable_functions_survive_pickling() -> None:
    own = Activation("cube", cube, cube_prime, kinks=(1.0,), range=(-8, 8))
    twin = pickle.loads(pickle.dumps(own))
    assert (twin.name, twin.kinks, twin.range, twin.own) == ("cube", (1.0,), (-8, 8), True)
    assert twin.sigma(np.array([2.0]))[0] == 8


def test_own_activations_are_equal_only_to_themselves() -> None:
    assert Activation("tanh", cube, cube_prime) != NAMED["tanh"]
    assert Activation("cube", cube, cube_prime) != Activation("cube", cube, cube_prime)
