"""The native engine computes what the NumPy engine computes, which is the derivation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import equations, optimizers, schedules
from chainrule.engines import NATIVE, NUMPY, Data
from tests.test_gradients import ELEMENTWISE, PAIRS, Array, targets

# Losses whose derivatives are steps: sums of them cancel to nothing but rounding, which
# optimizers that divide by the gradient's size, or take its sign, would blow up.
STEPS = ("absolute_error", "quantile", "hinge")
BY_SIZE = ("rmsprop", "adagrad", "adam", "adamw", "nadam", "lion", "rprop")
OPTIMIZERS = [
    *(kind() for kind in optimizers.NAMED.values()),
    optimizers.Momentum(momentum=0.8, nesterov=True),
    optimizers.RMSprop(decay=0.9, epsilon=1e-6),
    optimizers.Adam(beta1=0.8, beta2=0.99, epsilon=1e-7),
    optimizers.Adam(epsilon=1e-3, epsilon_hat=True),
    optimizers.AdamW(weight_decay=0.3),
    optimizers.NAdam(momentum_decay=0.1),
    optimizers.Lion(beta1=0.8, beta2=0.95, weight_decay=0.2),
    optimizers.Rprop(shrink=0.4, grow=1.3, smallest=1e-4, largest=0.011),
]
RELATIVE = 1e-10


def samples(
    net: cr.Network, n: int = 41, seed: int = 0, weighted: bool = False
) -> tuple[Array, Array, Array | None]:
    """Return X, Y and, if wanted, weights of which every fourth is zero."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, net.layer_sizes[0]))
    Y = targets(net.architecture.loss.name, rng, n, net.layer_sizes[-1])
    weight = rng.uniform(0.5, 2, n) * (np.arange(n) % 4 > 0) if weighted else None
    return X, Y, weight


def network(sizes: list[int], seed: int = 0, **options: Any) -> cr.Network:
    """Return a network in float64 whose biases are not zero."""
    net = cr.Network(sizes, **{"activation": "tanh", "dtype": "float64", "seed": seed, **options})
    rng = np.random.default_rng(seed)
    for b in net.biases:
        if b is not None:
            b[:] = rng.normal(scale=0.1, size=b.shape)
    if net.biases[-1] is not None:
        # Away from 0, where a relu loses log(output), and a gaussian log(1 - output).
        net.biases[-1] += 1.0
    return net


def require_close(native: Any, numpy: Any, relative: float = RELATIVE) -> None:
    """Require equality up to this part of the largest entry."""
    native, numpy = np.asarray(native), np.asarray(numpy)
    assert native.shape == numpy.shape
    assert native.dtype == numpy.dtype
    assert np.isfinite(numpy).all()
    np.testing.assert_allclose(native, numpy, rtol=0, atol=relative * np.abs(numpy).max(initial=0))


def require_same_training(
    net: cr.Network,
    n: int = 41,
    weighted: bool = False,
    relative: float = RELATIVE,
    **options: Any,
) -> None:
    """Train copies of a network with both engines, and compare weights and losses."""
    X, Y, weight = samples(net, n, weighted=weighted)
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 16, "learning_rate": 0.01, **options}
    native, numpy = net.copy(), net.copy()
    found = native.fit(X, Y, sample_weight=weight, engine="native", **settings)
    expected = numpy.fit(X, Y, sample_weight=weight, engine="numpy", **settings)
    assert (found.engine, expected.engine) == ("native", "numpy")
    assert found.epochs == expected.epochs == settings["epochs"]
    assert found.learning_rate == expected.learning_rate
    require_close(found.loss, expected.loss, relative)
    require_close(found.penalty, expected.penalty, relative)
    require_close(native.parameters, numpy.parameters, relative)


def require_same_answers(
    net: cr.Network, X: Any, Y: Array, weight: Array | None, relative: float = RELATIVE
) -> None:
    """Compare outputs, loss, all gradients and the Jacobian of both engines."""
    a, theta, data = net.architecture, net.parameters, Data(X, Y, weight)
    require_close(NATIVE.predict(a, theta, X), NUMPY.predict(a, theta, X), relative)
    require_close(NATIVE.loss(a, theta, data), NUMPY.loss(a, theta, data), relative)
    found, expected = (e.gradients(a, theta, data) for e in (NATIVE, NUMPY))
    assert found.inputs is not None
    assert expected.inputs is not None
    require_close(found.loss, expected.loss, relative)
    require_close(found.parameters, expected.parameters, relative)
    require_close(found.inputs, expected.inputs, relative)
    alone = NATIVE.gradients(a, theta, data, inputs=False)
    assert alone.inputs is None
    require_close(alone.parameters, found.parameters, relative / 10)
    require_close(NATIVE.jacobian(a, theta, X), NUMPY.jacobian(a, theta, X), relative)


@pytest.mark.parametrize("activation", [*ELEMENTWISE, "leaky_relu(0.3)", "elu(0.5)", "celu(2.0)"])
def test_every_hidden_activation(activation: str) -> None:
    net = network([5, 33, 18, 3], activation=activation)
    require_same_training(net)
    require_same_answers(net, *samples(net))


@pytest.mark.parametrize("activation", ELEMENTWISE)
def test_layers_of_few_units(activation: str) -> None:
    # Over many steps, so that what lies beside the few units of a layer could grow.
    for sizes in ([3, 4, 3, 2, 1], [1, 1, 1], [5, 3, 20, 4, 2]):
        net = network(sizes, activation=activation)
        net.parameters *= 0.3
        require_same_training(net, batch_size=2, epochs=4, learning_rate=1e-3)
        require_same_answers(net, *samples(net, 600))


def test_layers_of_different_activations() -> None:
    for first in range(len(ELEMENTWISE)):
        chosen = [ELEMENTWISE[(first + 5 * i) % len(ELEMENTWISE)] for i in range(4)]
        require_same_training(network([3, 7, 6, 5, 4, 2], activation=chosen), epochs=1)


@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_every_pair_of_loss_and_output_activation(loss: str, output: str) -> None:
    net = network([3, 9, 4], loss=loss, output_activation=output)
    require_same_answers(net, *samples(net, 11))
    require_same_answers(net, *samples(net, 11, weighted=True))
    require_same_training(net, n=11, batch_size=4, optimizer="sgd", weighted=True)


@pytest.mark.parametrize("outputs", [2, 15, 16, 17, 32, 33, 70])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])  # folded and not
def test_softmax_of_any_width(loss: str, outputs: int) -> None:
    net = network([3, 5, outputs], loss=loss, output_activation="softmax")
    require_same_answers(net, *samples(net, 9))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_every_optimizer(optimizer: optimizers.Optimizer) -> None:
    require_same_training(network([5, 33, 3]), optimizer=optimizer, weighted=True)
    require_same_training(network([5, 9, 3], bias=False), optimizer=optimizer, gradient_clip=0.1)


@pytest.mark.parametrize(
    "optimizer", [optimizers.Adam(epsilon=0.0), optimizers.RMSprop(epsilon=0.0)], ids=str
)
def test_an_epsilon_of_zero(optimizer: optimizers.Optimizer) -> None:
    require_same_training(network([5, 33, 3]), optimizer=optimizer)


@pytest.mark.parametrize("schedule", schedules.NAMED)
def test_every_schedule(schedule: str) -> None:
    require_same_training(network([5, 9, 3]), schedule=schedule, epochs=6)
    require_same_training(network([5, 9, 3]), schedule=schedule, epochs=6, optimizer="nadam")


@pytest.mark.parametrize(
    "options",
    [
        {"l2": 0.1},
        {"l1": 0.01},
        {"l2": 0.1, "l1": 0.01, "bias": False},
        {"dropout": 0.1},
        {"dropout": 0.5, "activation": ["relu", "gelu"]},
        {"dropout": 0.5, "activation": ["identity", "sigmoid"], "batch_size": 5},
        {"gradient_clip": 1e-3},
        {"gradient_clip": 1e9},
        {"gradient_clip": 0.5, "l2": 1.0, "l1": 0.1, "dropout": 0.3, "batch_size": 7},
        {"shuffle": False},
        {"seed": 2**64 - 1, "dropout": 0.2},
    ],
    ids=str,
)
def test_every_setting(options: dict[str, Any]) -> None:
    of_network = {name: options[name] for name in ("activation", "bias") if name in options}
    rest = {name: value for name, value in options.items() if name not in of_network}
    for optimizer in ("sgd", "adam"):
        net = network([5, 33, 18, 3], **of_network)
        require_same_training(net, optimizer=optimizer, **rest)
        require_same_training(net, optimizer=optimizer, weighted=True, **rest)


@pytest.mark.parametrize("part", [0.5, 0.99, 1.01, 2.0])
def test_the_norm_from_which_a_gradient_is_clipped(part: float) -> None:
    net = network([5, 40, 3])
    X, Y, _ = samples(net)
    gradient = NATIVE.gradients(net.architecture, net.parameters, Data(X, Y)).parameters
    norm, trained = float(np.linalg.norm(gradient)), net.copy()
    trained.fit(
        X, Y, "sgd", 0.1, epochs=1, batch_size=41, gradient_clip=part * norm, engine="native"
    )
    expected = net.parameters - 0.1 * min(1.0, part) * gradient
    np.testing.assert_allclose(trained.parameters, expected, rtol=1e-12, atol=1e-14)


# but for the one that needs 1 - p of a softmax, of which rounding leaves nothing where p is near 1
@pytest.mark.parametrize(
    ("loss", "output"), [pair for pair in PAIRS if pair != ("binary_cross_entropy", "softmax")]
)
def test_pairs_far_from_the_origin(loss: str, output: str) -> None:
    # Where logarithms and exponentials go on as their tangents, and others are saturated.
    net = network([3, 4], loss=loss, output_activation=output)
    net.parameters *= 30
    require_same_answers(net, *samples(net, 60))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_size", [1, 7, 40, 41, 1000])
def test_every_batch_size(batch_size: int, bias: bool) -> None:
    net = network([5, 18, 3], bias=bias)
    require_same_training(net, batch_size=batch_size)
    require_same_training(net, batch_size=batch_size, dropout=0.3, weighted=True)


def test_batches_that_go_through_in_several_chunks() -> None:
    net = network([300, 40, 3])  # a chunk has less than 800 samples
    require_same_training(net, n=1601, batch_size=800, epochs=1, weighted=True)
    require_same_training(net, n=1601, batch_size=1601, epochs=2, dropout=0.4, gradient_clip=0.05)
    require_same_answers(net, *samples(net, 1601, weighted=True))


def test_batches_without_any_weight_and_weights_of_any_size() -> None:
    net = network([5, 9, 3])
    X, Y, _ = samples(net, 20)
    for weight in (np.arange(20) // 10, np.full(20, 1e-30), np.full(20, 1e30)):
        trained = []
        for engine in ("native", "numpy"):
            copy = net.copy()
            history = copy.fit(
                X, Y, sample_weight=weight, batch_size=5, epochs=2, shuffle=False, engine=engine
            )
            trained.append((copy.parameters, history.loss))
        require_close(trained[0][0], trained[1][0])
        require_close(trained[0][1], trained[1][1])


def test_units_that_get_no_gradient_stay_as_they_are() -> None:
    net = network([3, 20, 2], activation="relu")
    assert net.biases[0] is not None
    net.biases[0][:10] = -1e3
    X, Y, _ = samples(net)
    for optimizer in optimizers.NAMED:
        trained = net.copy()
        trained.fit(X, Y, optimizer=optimizer, engine="native", epochs=2)
        kept = 1 - 1e-3 * 0.01 if optimizer == "adamw" else 1
        np.testing.assert_allclose(trained.weights[0][:10], net.weights[0][:10] * kept**4)
        assert not np.array_equal(trained.weights[0][10:], net.weights[0][10:])


def farthest_from_kinks(net: cr.Network, X: Array) -> float:
    W, B, sigma = net.architecture.for_equations(net.parameters)
    rho = equations.forward(W, B, sigma, X.T).rho[1:]
    pairs = zip(rho, net.architecture.activations, strict=True)
    return min((abs(r - k).min() for r, a in pairs for k in a.kinks), default=1.0)


@pytest.mark.parametrize("activation", ELEMENTWISE)
def test_float32(activation: str) -> None:
    sizes, batch, steps, eta = [5, 10, 7, 3], 6, 8, 1e-3
    # To first order: each sum of a step has at most n_0 + ... + n_l terms on the way of a sample
    # and then one for each sample of the batch, and its relative error is at most that number
    # times the unit roundoff, half of eps, in either engine. A step moves a parameter by less
    # than its size, so the errors of the steps add up to at most
    relative = steps * (sum(sizes) + batch) * float(np.finfo(np.float32).eps)
    # of the largest. That holds where both engines are on the same side of every kink, so the
    # samples are such that the steps, of eta times a gradient of about 1, lead to none.
    for seed in range(20):
        net = network(sizes, seed, activation=activation)
        X, Y, _ = samples(net, 12, seed)
        if farthest_from_kinks(net, X) > 3e-3:
            break
    single = network(sizes, seed, activation=activation, dtype="float32")
    require_same_answers(single, X, Y, None, relative)
    native, numpy, start = single.copy(), single.copy(), single.parameters
    options: dict[str, Any] = {
        "optimizer": "sgd",
        "learning_rate": eta,
        "epochs": 4,
        "batch_size": batch,
    }
    found = native.fit(X, Y, engine="native", **options)
    expected = numpy.fit(X, Y, engine="numpy", **options)
    require_close(native.parameters, numpy.parameters, relative)
    require_close(found.loss, expected.loss, relative)
    assert np.abs(numpy.parameters - start).max() > 10 * relative * np.abs(start).max()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_float32_with_every_optimizer(optimizer: optimizers.Optimizer) -> None:
    # As above; and where the terms of a gradient cancel to a thousandth of their size, a step
    # of eta that is divided by that size has an error as large as 1000 eta times the bound.
    steps, sizes, batch, eta = 4, [4, 9, 2], 12, 1e-3
    relative = steps * (sum(sizes) + batch) * float(np.finfo(np.float32).eps)
    net = network(sizes, dtype="float32", loss="log_cosh")
    require_same_training(
        net, n=24, batch_size=batch, epochs=2, optimizer=optimizer, learning_rate=eta,
        relative=max(1.0, 1000 * eta) * relative,
    )  # fmt: skip


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 1000])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("output", ["identity", "softmax", "gelu"])
def test_predictions_of_few_rows_and_of_many(n: int, bias: bool, output: str) -> None:
    net = network([18, 35, 17], activation="silu", output_activation=output, bias=bias)
    X = samples(net, n)[0]
    require_close(net.predict(X), NUMPY.predict(net.architecture, net.parameters, X))
    assert np.array_equal(net.predict(X), net.predict(X))


def test_outputs_do_not_depend_on_the_rows_beside() -> None:
    net = network([18, 35, 17], output_activation="softmax")
    X = samples(net, 1003)[0]
    assert np.array_equal(net.predict(X)[500:520], net.predict(X[500:520]))


WIDTHS = st.one_of(st.integers(1, 70), st.sampled_from([15, 16, 17, 31, 32, 33, 48, 64, 65]))


@st.composite
def architectures(draw: st.DrawFn) -> cr.Network:
    loss, output = draw(st.sampled_from(PAIRS))
    hidden = draw(st.lists(WIDTHS, max_size=3))
    outputs = draw(WIDTHS)
    if output == "softmax" or loss == "gaussian_nll":
        outputs += outputs % 2
    chosen = [draw(st.sampled_from(ELEMENTWISE)) for _ in hidden]
    net = network(
        [draw(WIDTHS), *hidden, outputs],
        draw(st.integers(0, 1000)),
        activation=chosen,
        output_activation=output,
        loss=loss,
        bias=output in ("relu", "gaussian") or draw(st.booleans()),
    )
    net.parameters *= 0.5  # so that no exponential of a sum of exponentials runs away
    return net


@given(net=architectures(), n=st.integers(1, 80), weighted=st.booleans())
@settings(max_examples=120)
def test_answers_for_any_network(net: cr.Network, n: int, weighted: bool) -> None:
    require_same_answers(net, *samples(net, n + 1, weighted=weighted))


@given(
    net=architectures(),
    n=st.integers(2, 80),
    batch_size=st.integers(1, 90),
    weighted=st.booleans(),
    optimizer=st.sampled_from(list(optimizers.NAMED)),
    dropout=st.sampled_from([0.0, 0.3]),
    gradient_clip=st.sampled_from([None, 0.1, 100.0]),
    l2=st.sampled_from([0.0, 0.01]),
)
@settings(max_examples=150)
def test_training_of_any_network(
    net: cr.Network, optimizer: str, batch_size: int, **options: Any
) -> None:
    if net.architecture.loss.name.startswith(STEPS) and optimizer in BY_SIZE:
        optimizer = "momentum"
    require_same_training(
        net, optimizer=optimizer, learning_rate=1e-3, epochs=2, batch_size=batch_size, **options
    )
