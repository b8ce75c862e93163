"""Each update rule against torch.optim's, Lion against its formula; each one trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import chainrule as cr
from chainrule import optimizers
from chainrule.optimizers import (
    LBFGS,
    Adagrad,
    Adam,
    AdamW,
    GradientDescent,
    Lion,
    Momentum,
    NAdam,
    Optimizer,
    RMSprop,
    Rprop,
)

Array = npt.NDArray[Any]
ETA = 0.03

PAIRS: dict[str, tuple[Optimizer, Callable[[Any], torch.optim.Optimizer]]] = {
    "gradient_descent": (GradientDescent(), lambda p: torch.optim.SGD(p, ETA)),
    "momentum": (Momentum(), lambda p: torch.optim.SGD(p, ETA, momentum=0.9)),
    "momentum 0.5": (Momentum(momentum=0.5), lambda p: torch.optim.SGD(p, ETA, momentum=0.5)),
    "nesterov": (
        Momentum(nesterov=True),
        lambda p: torch.optim.SGD(p, ETA, momentum=0.9, nesterov=True),
    ),
    "rmsprop": (RMSprop(), lambda p: torch.optim.RMSprop(p, ETA)),
    "rmsprop 0.9": (
        RMSprop(decay=0.9, epsilon=1e-3),
        lambda p: torch.optim.RMSprop(p, ETA, alpha=0.9, eps=1e-3),
    ),
    "adagrad": (Adagrad(), lambda p: torch.optim.Adagrad(p, ETA)),
    "adam": (Adam(), lambda p: torch.optim.Adam(p, ETA)),
    "adam, other parameters": (
        Adam(beta1=0.7, beta2=0.95, epsilon=1e-2),
        lambda p: torch.optim.Adam(p, ETA, betas=(0.7, 0.95), eps=1e-2),
    ),
    "adamw": (AdamW(), lambda p: torch.optim.AdamW(p, ETA)),
    "adamw 0.3": (
        AdamW(weight_decay=0.3),
        lambda p: torch.optim.AdamW(p, ETA, weight_decay=0.3),
    ),
    "nadam": (NAdam(), lambda p: torch.optim.NAdam(p, ETA)),
    "nadam, other parameters": (
        NAdam(beta1=0.8, beta2=0.9, epsilon=1e-3, momentum_decay=0.1),
        lambda p: torch.optim.NAdam(p, ETA, betas=(0.8, 0.9), eps=1e-3, momentum_decay=0.1),
    ),
    "rprop": (Rprop(), lambda p: torch.optim.Rprop(p, ETA)),
    "rprop, other parameters": (
        Rprop(shrink=0.3, grow=1.5, smallest=0.01, largest=0.1),
        lambda p: torch.optim.Rprop(p, ETA, etas=(0.3, 1.5), step_sizes=(0.01, 0.1)),
    ),
}


def quadratic() -> tuple[Array, Array, Array]:
    """Return A, b and a start for f = theta A theta / 2 - b theta."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(7, 7))
    return root @ root.T / 7 + 0.1 * np.eye(7), rng.normal(size=7), rng.normal(size=7)


def path(optimizer: Optimizer, theta: Array, eta: float, steps: int) -> Array:
    """Return the parameters after each step on the quadratic."""
    A, b, _ = quadratic()
    A, b = A.astype(theta.dtype), b.astype(theta.dtype)
    theta, visited = theta.copy(), []
    state = optimizer.init(theta)
    for t in range(1, steps + 1):
        optimizer.update(theta, A @ theta - b, state, eta, t)
        visited.append(theta.copy())
    return np.array(visited)


@pytest.fixture
def torch_scalars_in_float64() -> Iterator[None]:
    """Torch keeps scalar state, such as NAdam's product of momenta, in the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("torch_scalars_in_float64")
@pytest.mark.parametrize("name", PAIRS)
def test_twenty_steps_are_torchs(name: str) -> None:
    ours, make = PAIRS[name]
    A, b, start = quadratic()
    found = path(ours, start, ETA, 20)
    theta = torch.tensor(start, requires_grad=True)
    theirs = make([theta])
    for t in range(20):
        here = theta.detach().numpy().copy()
        theta.grad = torch.tensor(A @ here - b)
        theirs.step()  # type: ignore[no-untyped-call, unused-ignore]
        expected = theta.detach().numpy()
        np.testing.assert_allclose(found[t], expected, rtol=1e-12, atol=1e-12, err_msg=f"step {t}")


@pytest.mark.parametrize("size", [1.0, 1e-7, 1e-9])  # of gradients: epsilon is 1e-8
@pytest.mark.parametrize("settings", [{}, {"beta1": 0.7, "beta2": 0.95, "epsilon": 1e-7}], ids=str)
def test_adam_with_epsilon_hat_is_scikit_learns(settings: dict[str, Any], size: float) -> None:
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer

    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=7), size * rng.normal(size=(20, 7))
    names = {"beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}
    theirs = start.copy()
    sklearns = AdamOptimizer([theirs], ETA, **{names[k]: v for k, v in settings.items()})
    ours, other = start.copy(), start.copy()
    hat, plain = Adam(**settings, epsilon_hat=True), Adam(**settings)
    state, of_other = hat.init(ours), plain.init(other)
    for t, g in enumerate(gradients, 1):
        sklearns.update_params([theirs], [g])
        hat.update(ours, g, state, ETA, t)
        plain.update(other, g, of_other, ETA, t)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15, err_msg=f"step {t}")
    difference = float(np.abs(other - theirs).max())
    assert difference > 1e-3 if size < 1e-6 else difference < 1e-6


@pytest.mark.parametrize(
    "settings",
    [{}, {"beta1": 0.5, "beta2": 0.8, "weight_decay": 0.2}],
    ids=["defaults", "other parameters"],
)
def test_lion_is_its_formula(settings: dict[str, float]) -> None:
    beta1, beta2 = settings.get("beta1", 0.9), settings.get("beta2", 0.99)
    decay = settings.get("weight_decay", 0.0)
    A, b, start = quadratic()
    found = path(Lion(**settings), start, ETA, 20)
    theta, m = [float(x) for x in start], [0.0] * 7
    for t in range(20):
        g = [sum(float(A[i, j]) * theta[j] for j in range(7)) - float(b[i]) for i in range(7)]
        for i in range(7):
            c = beta1 * m[i] + (1 - beta1) * g[i]
            sign = 0.0 if c == 0 else math.copysign(1, c)
            theta[i] -= ETA * (sign + decay * theta[i])
            m[i] = beta2 * m[i] + (1 - beta2) * g[i]
        np.testing.assert_allclose(found[t], theta, rtol=1e-12, atol=1e-12)


def test_lion_stands_still_where_there_is_no_gradient() -> None:
    theta = np.array([1.0, -2.0])
    Lion().update(theta, np.zeros(2), Lion().init(theta), ETA, 1)
    assert theta.tolist() == [1.0, -2.0]


@pytest.mark.parametrize("name", optimizers.NAMED)
def test_float32_stays_float32_and_in_place(name: str) -> None:
    A, b, start = quadratic()
    optimizer = optimizers.NAMED[name]()
    theta = start.astype(np.float32)
    state = optimizer.init(theta)
    arrays = {id(theta), *(id(a) for a in state.values())}
    for t in range(1, 4):
        gradient = (A @ theta - b).astype(np.float32)
        before = gradient.copy()
        optimizer.update(theta, gradient, state, ETA, t)
        np.testing.assert_array_equal(gradient, before)
    assert arrays == {id(theta), *(id(a) for a in state.values())}
    assert theta.dtype == np.float32
    assert all(state[slot].dtype == np.float32 for slot in optimizer.slots)
    np.testing.assert_allclose(theta, path(optimizer, start, ETA, 3)[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", optimizers.NAMED)
def test_each_entry_is_updated_by_itself(name: str) -> None:
    """So that an optimizer can act on one flat array and knows nothing of layers."""
    optimizer = optimizers.NAMED[name]()
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=6), rng.normal(size=(4, 6))

    def run(part: slice) -> Array:
        theta = start[part].copy()
        state = optimizer.init(theta)
        for t, g in enumerate(gradients, 1):
            optimizer.update(theta, g[part], state, ETA, t)
        return theta

    parts = np.concatenate([run(slice(0, 2)), run(slice(2, 6))])
    np.testing.assert_array_equal(run(slice(0, 6)), parts)


@pytest.mark.parametrize("name", [*optimizers.NAMED, "nesterov"])
def test_each_lowers_the_loss_on_a_real_problem(name: str) -> None:
    from sklearn.datasets import load_iris

    X, classes = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    net = cr.Network([4, 8, 3], "tanh", "softmax", "cross_entropy")
    before = net.loss_value(X, classes)
    rate = {"gradient_descent": 0.3, "adagrad": 0.1, "lion": 3e-3}.get(name, 0.02)
    net.fit(X, classes, name, rate, epochs=30, batch_size=150 if name == "rprop" else 32)
    assert net.loss_value(X, classes) < before / 4


OUT_OF_RANGE: list[tuple[type[Optimizer | LBFGS], str, Any]] = [
    (GradientDescent, "learning_rate", -0.1),
    (Adam, "learning_rate", math.nan),
    (Adam, "learning_rate", math.inf),
    (Adam, "learning_rate", "fast"),
    (Momentum, "momentum", 1.1),
    (Momentum, "momentum", -0.1),
    (RMSprop, "decay", 1.0),
    (RMSprop, "epsilon", -1e-8),
    (Adagrad, "epsilon", -1.0),
    (Adam, "beta1", 1.0),
    (Adam, "beta2", 1.5),
    (AdamW, "weight_decay", -0.01),
    (NAdam, "beta1", -0.5),
    (NAdam, "momentum_decay", -1.0),
    (Lion, "beta2", math.nan),
    (Rprop, "smallest", -1.0),
    (LBFGS, "gradient_tolerance", -1e-5),
    (LBFGS, "loss_tolerance", math.nan),
    (LBFGS, "max_evaluations", "many"),
]


@pytest.mark.parametrize(("kind", "parameter", "value"), OUT_OF_RANGE)
def test_parameters_out_of_range_are_refused(
    kind: type[Optimizer | LBFGS], parameter: str, value: Any
) -> None:
    with pytest.raises(cr.InputError, match=f"{parameter} of {kind.__name__} must be a number in"):
        kind(**{parameter: value})


@pytest.mark.parametrize("value", [0, 0.5, 2.0])
def test_evaluations_are_counted_in_whole_numbers(value: Any) -> None:
    with pytest.raises(cr.InputError, match=f"max_evaluations .* whole number .* is {value}"):
        LBFGS(max_evaluations=value)


def test_names_and_aliases() -> None:
    assert {name: type(optimizers.get(name)) for name in optimizers.NAMED} == optimizers.NAMED
    assert optimizers.get("sgd") == GradientDescent()
    assert optimizers.get("nesterov") == Momentum(nesterov=True)
    kind: Any = Adam
    assert optimizers.get(kind) == Adam()
    assert optimizers.get("lbfgs") == optimizers.LBFGS()
    assert optimizers.get("lm") == optimizers.LevenbergMarquardt()
    mine = Adam(beta1=0.5)
    assert optimizers.get(mine) is mine


def test_an_unknown_name_names_the_closest() -> None:
    with pytest.raises(cr.InputError, match="did you mean 'adam'"):
        optimizers.get("adm")


def test_the_optimizers_own_learning_rate_takes_the_place_of_fits() -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(20, 2)), rng.normal(size=(20, 1))
    a, b = cr.Network([2, 3, 1]), cr.Network([2, 3, 1])
    a.fit(X, Y, Momentum(0.05), learning_rate=1.0, epochs=2)
    b.fit(X, Y, Momentum(), learning_rate=0.05, epochs=2)
    np.testing.assert_array_equal(a.parameters, b.parameters)


def test_rprop_sees_the_sign_of_the_smallest_gradients() -> None:
    """Their product underflows in float32."""
    theta, state = np.zeros(1, np.float32), Rprop().init(np.zeros(1, np.float32))
    for t in (1, 2, 3):
        Rprop().update(theta, np.full(1, 1e-25, np.float32), state, 0.1, t)
    assert theta[0] == pytest.approx(-(0.1 + 0.12 + 0.144))
