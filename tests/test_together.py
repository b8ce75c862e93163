"""Many networks trained at once are what each would be alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.problems import problem

X, Y = problem(n=60)


def networks(**options: Any) -> list[cr.Network]:
    shapes = [[X.shape[1], 8, Y.shape[1]], [X.shape[1], 5, 5, Y.shape[1]], [X.shape[1], Y.shape[1]]]
    return [cr.Network(sizes, "tanh", seed=i, **options) for i, sizes in enumerate(shapes)]


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_each_network_is_trained_as_if_alone(n_threads: int, engine: str) -> None:
    together, alone = networks(), networks()
    rates, seeds = [1e-2, 1e-3, 3e-3], [5, 5, 7]
    found, histories = cr.train_many(
        together, X, Y, epochs=3, batch_size=8, learning_rate=rates, seed=seeds,
        n_threads=n_threads, engine=engine,
    )  # fmt: skip
    assert all(a is b for a, b in zip(found, together, strict=True))
    for i, net in enumerate(alone):
        history = net.fit(
            X, Y, epochs=3, batch_size=8, learning_rate=rates[i], seed=seeds[i], engine=engine
        )
        assert np.array_equal(net.parameters, together[i].parameters)
        assert (history.loss, history.engine) == (histories[i].loss, engine)
        assert histories[i].stop_reason == "epochs"


def test_early_stopping_and_callbacks_are_of_each_network() -> None:
    told: list[int] = []
    nets = networks()
    _, histories = cr.train_many(
        nets, X, Y, epochs=[30, 2, 4], validation_data=(X, Y), early_stopping=[None, None, 1],
        learning_rate=[1e-3, 1e-3, 5.0], callbacks=lambda progress: told.append(progress.epoch),
    )  # fmt: skip
    assert [history.epochs for history in histories][:2] == [30, 2]
    assert histories[2].stop_reason == "early stopping"
    assert len(told) == sum(history.epochs for history in histories)


def test_one_early_stopping_for_all_counts_for_each_alone() -> None:
    shared = cr.EarlyStopping(patience=2)
    nets, alone = networks(), networks()
    _, histories = cr.train_many(nets, X, Y, epochs=40, learning_rate=0.3, early_stopping=shared)
    for net, history in zip(alone, histories, strict=True):
        expected = net.fit(X, Y, epochs=40, learning_rate=0.3, early_stopping=2)
        assert history.loss == expected.loss


def test_a_network_that_diverges_ends_alone() -> None:
    nets = networks()
    with pytest.warns(UserWarning, match="network 1 of 3: training diverged"):
        _, histories = cr.train_many(
            nets, X, Y, epochs=6, optimizer="sgd", learning_rate=[0.01, 1e30, 0.01]
        )
    assert [history.stop_reason for history in histories] == ["epochs", "diverged", "epochs"]
    assert all(np.isfinite(net.parameters).all() for net in nets)


def test_methods_that_see_all_data_at_once_take_turns() -> None:
    nets, alone = networks(dtype="float64"), networks(dtype="float64")
    _, histories = cr.train_many(nets, X, Y, epochs=3, optimizer=["lbfgs", "adam", "lm"])
    for i, optimizer in enumerate(["lbfgs", "adam", "lm"]):
        alone[i].fit(X, Y, epochs=3, optimizer=optimizer)
        assert np.array_equal(alone[i].parameters, nets[i].parameters)
    assert [history.epochs for history in histories] == [3, 3, 3]


def test_networks_that_want_other_samples_of_the_same_arrays() -> None:
    labels = np.arange(60) % 3
    nets = [
        cr.Network([2, 4, 3], output_activation="softmax", loss="cross_entropy", dtype=dtype)
        for dtype in ("float32", "float64")
    ]
    _, histories = cr.train_many(nets, X[:, :2], labels, epochs=2)
    assert histories[0].loss == pytest.approx(histories[1].loss, rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X, Y), {"seed": [1, 2]}, "seed has 2 entries for 3 networks"),
        ((X, Y), {"rate": 0.1}, "no option 'rate'"),
        ((X[:5], Y), {}, "X has 5 samples but Y has 60"),
        ((X, Y), {"learning_rate": [0.1, -1, 0.1]}, "learning_rate must be a number above 0"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(
    arguments: Any, options: Any, message: str
) -> None:
    nets = networks()
    before = [net.parameters.copy() for net in nets]
    with pytest.raises(cr.InputError, match=message):
        cr.train_many(nets, *arguments, **options)
    assert all(np.array_equal(a, net.parameters) for a, net in zip(before, nets, strict=True))


def test_a_network_twice_and_things_that_are_no_networks() -> None:
    net = networks()[0]
    with pytest.raises(cr.InputError, match="stands twice"):
        cr.train_many([net, net], X, Y)
    with pytest.raises(cr.InputError, match="list of Network"):
        cr.train_many([net, "net"], X, Y)  # type: ignore[list-item]
    assert cr.train_many([], X, Y) == ([], [])
