"""Networks broken on purpose, one function for each way; `i` varies size, data and strength."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

import chainrule as cr

Array = npt.NDArray[Any]
Case = tuple[cr.Network, Array, Array, dict[str, Any]]
WAYS: dict[Callable[[int], Case], str] = {}
"""Each way with the cause that it must be given."""
HIDDEN = ([32], [64, 32], [16, 16, 16])


def leads_to(cause: str) -> Callable[[Callable[[int], Case]], Callable[[int], Case]]:
    def note(way: Callable[[int], Case]) -> Callable[[int], Case]:
        WAYS[way] = cause
        return way

    return note


def samples(i: int, n: int = 300) -> tuple[Array, Array, bool]:
    """Return inputs and targets: three classes for even i, else numbers."""
    rng = np.random.default_rng(i)
    X = rng.normal(size=(n, (5, 12, 30)[i % 3]))
    signal = np.tanh(X[:, 0]) + 0.5 * X[:, 1] * X[:, 2]
    if i % 2:
        return X, signal + 0.1 * rng.normal(size=n), False
    return X, np.digitize(signal, [-0.4, 0.4]), True


def network(
    X: Array, classes: bool, i: int, hidden: list[int] | None = None, act: str = "relu", **more: Any
) -> cr.Network:
    hidden = HIDDEN[i % 3] if hidden is None else hidden
    given: dict[str, Any] = {"seed": i, **more}
    if classes:
        given = {"output_activation": "softmax", "loss": "cross_entropy", **given}
    return cr.Network([X.shape[1], *hidden, 3 if classes else 1], act, **given)


def case(i: int, hidden: list[int] | None = None, act: str = "relu", **more: Any) -> Case:
    X, Y, classes = samples(i)
    return network(X, classes, i, hidden, act, **more), X, Y, {}


def train(net: cr.Network, X: Array, Y: Array, **settings: Any) -> None:
    with contextlib.suppress(cr.DivergenceError):
        net.fit(X, Y, **settings)


@leads_to("dead relus")
def biases_below_zero(i: int) -> Case:
    net, X, Y, given = case(i)
    L = i % len(net.biases[:-1])
    net.biases[L] = np.full(net.layer_sizes[L + 1], (-60, -100, -1000)[i % 3])
    return net, X, Y, given


@leads_to("dead relus")
def two_thirds_dead(i: int) -> Case:
    net, X, Y, given = case(i, [48])
    net.biases[0] = np.where(np.arange(48) < 32, -80, 0)
    return net, X, Y, given


@leads_to("dead relus")
def negative_weights_on_positive_inputs(i: int) -> Case:
    net, X, Y, given = case(i)
    net.weights[0] = -np.abs(net.weights[0])
    return net, np.abs(X), Y, given


@leads_to("saturated units")
def large_weights_before_sigmoids(i: int) -> Case:
    net, X, Y, given = case(i, act=("sigmoid", "tanh", "softsign")[i % 3])
    net.weights = [W * (20, 30, 50)[i % 3] for W in net.weights]
    return net, X, Y, given


@leads_to("saturated units")
def large_biases_before_sigmoids(i: int) -> Case:
    net, X, Y, given = case(i, act=("sigmoid", "tanh")[i % 2])
    net.biases[0] = np.full(net.layer_sizes[1], 15)
    return net, X, Y, given


@leads_to("vanishing lambda")
def many_sigmoids(i: int) -> Case:
    return case(i, [16] * (6, 8, 12)[i % 3], "sigmoid")


@leads_to("vanishing lambda")
def small_weights(i: int) -> Case:
    net, X, Y, given = case(i, [24] * (4, 5, 6)[i % 3], ("relu", "tanh")[i % 2])
    net.weights = [W * 0.1 for W in net.weights]
    return net, X, Y, given


@leads_to("exploding lambda")
def large_weights_in_a_deep_network(i: int) -> Case:
    return case(i, [40] * (5, 7, 10)[i % 3], ("relu", "leaky_relu")[i % 2], weight_init="normal")


@leads_to("exploding lambda")
def large_weights_in_a_shallow_network(i: int) -> Case:
    net, X, Y, given = case(i, [32, 32])
    net.weights = [W * (10, 20, 50)[i % 3] for W in net.weights]
    return net, X, Y, given


@leads_to("symmetric weights")
def equal_weights(i: int) -> Case:
    value = (0.0, 0.1, 1.0)[i % 3]
    net, X, Y, given = case(i, weight_init=lambda _, shape: np.full(shape, value))
    if i % 2:
        train(net, X, Y, epochs=5)
    return net, X, Y, given


@leads_to("inputs not scaled")
def large_inputs(i: int) -> Case:
    net, X, Y, given = case(i)
    return net, X * (255, 1e3, 1e5)[i % 3], Y, given


@leads_to("inputs not scaled")
def one_large_column(i: int) -> Case:
    net, X, Y, given = case(i)
    X[:, -1] *= (1e3, 1e4, 1e6)[i % 3]
    train(net, X, Y, epochs=3, optimizer=("adam", "sgd")[i % 2], learning_rate=1e-2)
    return net, X, Y, given


@leads_to("inputs not scaled")
def offset_inputs(i: int) -> Case:
    net, X, Y, given = case(i)
    return net, X + (30, 100, 2000)[i % 3], Y, given


@leads_to("inputs not scaled")
def tiny_inputs(i: int) -> Case:
    net, X, Y, given = case(i)
    return net, X * (1e-3, 1e-5, 1e-6)[i % 3], Y, given


@leads_to("constant inputs")
def constant_inputs(i: int) -> Case:
    net, X, Y, given = case(i)
    return net, np.full_like(X, (0, 1, 0.5)[i % 3]), Y, given


@leads_to("targets not scaled")
def large_targets(i: int) -> Case:
    X, Y, _ = samples(2 * i + 1)
    return network(X, False, i), X, Y * (1e3, 1e5, 300)[i % 3] + 1e3, {}


@leads_to("constant targets")
def constant_targets(i: int) -> Case:
    net, X, Y, given = case(i)
    return net, X, np.ones_like(Y), given


@leads_to("labels that look like numbers")
def class_numbers_as_numbers(i: int) -> Case:
    X, Y, _ = samples(2 * i)
    net = network(X, False, i, loss=("squared_error", "huber", "absolute_error")[i % 3])
    if i % 2:
        train(net, X, Y, epochs=20)
    return net, X, (Y, Y + 1, (Y - Y.mean()) / Y.std())[i % 3], {}


@leads_to("output activation does not fit the targets")
def outputs_that_cannot_reach(i: int) -> Case:
    X, Y, _ = samples(2 * i + 1)
    output = ("sigmoid", "relu", "tanh")[i % 3]
    return network(X, False, i, output_activation=output), X, 2 * Y, {}


@leads_to("output activation does not fit the targets")
def softmax_of_several_labels(i: int) -> Case:
    X, _, _ = samples(2 * i)
    return network(X, True, i), X, (X[:, :3] > -0.3).astype(float), {}


@leads_to("output activation does not fit the loss")
def cross_entropy_of_sigmoids(i: int) -> Case:
    X, Y, _ = samples(2 * i)
    return network(X, True, i, output_activation="sigmoid"), X, Y, {}


@leads_to("loss does not fit the targets")
def minus_one_for_binary_cross_entropy(i: int) -> Case:
    X, Y, _ = samples(2 * i)
    net = network(X, False, i, output_activation="sigmoid", loss="binary_cross_entropy")
    return net, X, np.where(Y > 0, 1, -1), {}


@leads_to("learning rate too high")
def trained_too_fast(i: int) -> Case:
    net, X, Y, given = case(i)
    optimizer, rate = (("adam", 3.0), ("sgd", 30.0), ("momentum", 10.0))[i % 3]
    train(net, X, Y, optimizer=optimizer, learning_rate=rate, epochs=10)
    return net, X, Y, given


@leads_to("learning rate too high")
def about_to_be_trained_too_fast(i: int) -> Case:
    net, X, Y, _ = case(i)
    return net, X, Y, {"learning_rate": (2.0, 10.0, 100.0)[i % 3]}


@leads_to("learning rate too low")
def trained_too_slowly(i: int) -> Case:
    net, X, Y, _ = case(i)
    optimizer, rate = (("adam", 1e-6), ("sgd", 1e-5), ("adam", 1e-7))[i % 3]
    train(net, X, Y, optimizer=optimizer, learning_rate=rate, epochs=10)
    return net, X, Y, {"history": net.history}


@leads_to("learning rate too low")
def about_to_be_trained_too_slowly(i: int) -> Case:
    net, X, Y, _ = case(i)
    return net, X, Y, {"learning_rate": (1e-6, 1e-7, 1e-8)[i % 3]}


@leads_to("regularization too strong")
def penalties_that_win(i: int) -> Case:
    net, X, Y, given = case(i, [32])
    train(net, X, Y, epochs=40, learning_rate=3e-3, **({"l2": 3.0}, {"l1": 0.5})[i % 2])
    return net, X, Y, given


@leads_to("too few epochs")
def hardly_begun(i: int) -> Case:
    X, Y, classes = samples(i, 1000)
    net = network(X, classes, i, [32])
    train(net, X, Y, epochs=1, learning_rate=2e-3, batch_size=64)
    return net, X, Y, {}


@leads_to("inputs not scaled")
def a_large_constant_column(i: int) -> Case:
    net, X, Y, given = case(i)
    X[:, -1] = (1e3, 1e4, 1e5)[i % 3]
    return net, X, Y, given


@leads_to("targets unrelated to the inputs")
def shuffled_targets_learnt_by_heart(i: int) -> Case:
    X, Y, classes = samples(i, 600)
    Y = np.random.default_rng(i).permutation(Y)
    net = network(X, classes, i, [64])
    train(net, X, Y, epochs=40, learning_rate=2e-3)
    return net, X, Y, {}


@leads_to("dropout too high")
def so_much_dropout_that_relus_die(i: int) -> Case:
    X, Y = load_digits(return_X_y=True)
    net = cr.Network([64, 32, 32, 10], output_activation="softmax", loss="cross_entropy", seed=i)
    train(net, X / 16, Y, epochs=20, learning_rate=3e-3, dropout=0.92)
    return net, X / 16, Y, {}


@leads_to("dropout too high")
def hardly_a_unit_left(i: int) -> Case:
    net, X, Y, given = case(i, [32, 32])
    train(net, X, Y, epochs=10, dropout=(0.9, 0.95, 0.85)[i % 3])
    return net, X, Y, given


@leads_to("overfitting")
def few_samples_of_noise(i: int) -> Case:
    rng = np.random.default_rng(i)
    X = rng.normal(size=(240, 20))
    Y = (X[:, 0] + rng.normal(size=240) > 0).astype(int)
    net = network(X, True, i, [128])
    train(net, X[:40], Y[:40], epochs=200, learning_rate=3e-3, validation_data=(X[40:], Y[40:]))
    return net, X[:40], Y[:40], {}


@leads_to("too few units")
def one_unit(i: int) -> Case:
    rng = np.random.default_rng(i)
    X = rng.normal(size=(400, 2))
    Y = X[:, 0] * X[:, 1] > 0
    net = network(X, True, i, [1], "tanh")
    train(net, X, Y.astype(int), epochs=60, learning_rate=1e-2)
    return net, X, Y.astype(int), {}


@leads_to("no nonlinearity")
def hidden_identities(i: int) -> Case:
    rng = np.random.default_rng(i)
    X = rng.normal(size=(400, 2))
    net = network(X, False, i, ([32], [16, 16], [])[i % 3], "identity")
    train(net, X, X[:, 0] * X[:, 1], epochs=60, learning_rate=3e-3)
    return net, X, X[:, 0] * X[:, 1], {}


@leads_to("targets unrelated to the inputs")
def shuffled_targets(i: int) -> Case:
    X, Y, classes = samples(i, 600)
    Y = np.random.default_rng(i).permutation(Y)
    net = network(X, classes, i, [32])
    train(net, X, Y, epochs=5)
    return net, X, Y, {}


@leads_to("missing bias")
def targets_far_from_zero(i: int) -> Case:
    X, Y, _ = samples(2 * i + 1)
    return network(X, False, i, act="tanh", bias=False), X, Y + (5, 8, 10)[i % 3], {}


@leads_to("imbalanced classes")
def one_class_of_nearly_all(i: int) -> Case:
    rng = np.random.default_rng(i)
    X = rng.normal(size=(1000, 6))
    Y = (X[:, 0] + 2 * rng.normal(size=1000) > 4.5).astype(int)
    net = network(X, True, i)
    train(net, X, Y, epochs=10)
    return net, X, Y, {}


@leads_to("inputs not finite")
def a_missing_value(i: int) -> Case:
    net, X, Y, given = case(i)
    X[3, 1] = (np.nan, np.inf)[i % 2]
    return net, X, Y, given


@leads_to("weights not finite")
def a_weight_that_is_nan(i: int) -> Case:
    net, X, Y, given = case(i)
    net.parameters[i] = np.nan
    return net, X, Y, given
