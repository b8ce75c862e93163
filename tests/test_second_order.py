"""Methods that see all the data in each iteration: L-BFGS and Levenberg-Marquardt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines import NATIVE, NUMPY, Data
from chainrule.optimizers import LBFGS
from tests.problems import Array, network, problem


def test_lbfgs_reaches_what_adam_does_not() -> None:
    X, Y = problem()
    adam, lbfgs = network(), network()
    adam.fit(X, Y, epochs=200, learning_rate=0.01)
    history = lbfgs.fit(X, Y, optimizer="lbfgs", epochs=300)
    assert lbfgs.loss_value(X, Y) < adam.loss_value(X, Y)
    assert history.loss[-1] == pytest.approx(lbfgs.loss_value(X, Y), rel=1e-12)
    assert history.stop_reason in ("epochs", "converged")
    assert all(b <= a for a, b in zip(history.loss, history.loss[1:], strict=False))


def test_lbfgs_early_stopping_and_l2() -> None:
    X, Y = problem(n=30)
    rng = np.random.default_rng(1)
    noise = (rng.normal(size=(30, 3)), rng.normal(size=(30, 2)))
    net = network()
    history = net.fit(X, Y, optimizer="lbfgs", epochs=500, validation_data=noise, early_stopping=3)
    assert history.stop_reason == "early stopping"
    assert net.loss_value(*noise) == min(history.val_loss)
    small = network()
    small.fit(X, Y, optimizer="lbfgs", epochs=100, l2=1.0)
    assert sum((w**2).sum() for w in small.weights) < sum((w**2).sum() for w in net.weights) / 4


def test_lbfgs_by_name_is_lbfgs_with_its_defaults() -> None:
    X, Y = problem(n=30)
    nets = [network() for _ in range(4)]
    first = nets[0].fit(X, Y, optimizer="lbfgs", epochs=20, l2=0.01)
    second = nets[1].fit(X, Y, optimizer=LBFGS(), epochs=20, l2=0.01)
    _, others = cr.train_many(nets[2:], X, Y, optimizer=["lbfgs", LBFGS()], epochs=20, l2=0.01)
    for net, history in zip(nets[1:], [second, *others], strict=True):
        assert np.array_equal(net.parameters, nets[0].parameters)
        assert history.loss == first.loss
        assert history.optimizer == "lbfgs"


def largest_entry(net: cr.Network, X: Array, Y: Array, l2: float) -> float:
    """Return that of the gradient of C with its penalty."""
    found = net.gradients(X, Y)
    by_weights = [g + l2 * w for g, w in zip(found.weights, net.weights, strict=True)]
    return max(float(np.abs(g).max()) for g in (*by_weights, *found.biases) if g is not None)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
def test_lbfgs_ends_when_no_entry_of_the_gradient_is_larger_than_its_tolerance(
    tolerance: float,
) -> None:
    X, Y = problem(n=30)
    net, largest = network(), list[float]()
    history = net.fit(
        X, Y, optimizer=LBFGS(gradient_tolerance=tolerance, loss_tolerance=0), epochs=500, l2=0.01,
        callbacks=lambda _: largest.append(largest_entry(net, X, Y, 0.01)),
    )  # fmt: skip
    assert history.stop_reason == "converged"
    assert largest[-1] <= tolerance < min(largest[:-1])


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
def test_lbfgs_ends_when_an_iteration_gains_less_than_its_tolerance(tolerance: float) -> None:
    X, Y = problem(n=30)
    method = LBFGS(gradient_tolerance=0, loss_tolerance=tolerance)
    history = network().fit(X, Y, optimizer=method, epochs=500, l2=0.01)
    assert history.stop_reason == "converged"
    objective = np.add(history.loss, history.penalty)
    gains = -np.diff(objective) / np.maximum(objective[:-1], 1)
    assert gains[-1] <= tolerance < gains[:-1].min()


def test_lbfgs_says_whether_iterations_or_evaluations_were_used_up() -> None:
    X, Y = problem(n=30)
    exact = LBFGS(gradient_tolerance=0, loss_tolerance=0)
    assert network().fit(X, Y, optimizer=exact, epochs=7).stop_reason == "epochs"
    few = LBFGS(gradient_tolerance=0, loss_tolerance=0, max_evaluations=7)
    history = network().fit(X, Y, optimizer=few, epochs=50)
    assert history.stop_reason == "evaluations"
    assert 1 <= history.epochs <= 7


@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_lbfgs_converts_the_data_once(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y = problem(n=30)
    given: list[Data] = []
    chosen = type(NATIVE if engine == "native" else NUMPY)
    gradients = chosen.gradients

    def keep(self: Any, architecture: Any, theta: Array, data: Data, inputs: bool) -> Any:
        given.append(data)
        return gradients(self, architecture, theta, data, inputs)

    monkeypatch.setattr(chosen, "gradients", keep)
    cr.Network([3, 4, 2]).fit(
        X.astype(np.float32), np.round(Y).astype(np.int8), optimizer="lbfgs", epochs=3,
        sample_weight=np.ones(30, np.int32), engine=engine,
    )  # fmt: skip
    assert len(given) > 3
    assert len({id(data) for data in given}) == 1
    for array in (given[0].X, given[0].Y, given[0].sample_weight):
        assert array is not None
        assert array.dtype == np.float64


def franke(n: int = 500) -> tuple[Array, Array]:
    """Franke's surface, the usual test of interpolation."""
    x, y = np.random.default_rng(0).uniform(size=(2, n))
    a, b = 9 * x, 9 * y
    surface = (
        0.75 * np.exp(-((a - 2) ** 2) / 4 - (b - 2) ** 2 / 4)
        + 0.75 * np.exp(-((a + 1) ** 2) / 49 - (b + 1) / 10)
        + 0.5 * np.exp(-((a - 7) ** 2) / 4 - (b - 3) ** 2 / 4)
        - 0.2 * np.exp(-((a - 4) ** 2) - (b - 7) ** 2)
    )
    return np.stack([2 * x - 1, 2 * y - 1], axis=1), surface


def test_levenberg_marquardt_fits_a_smooth_function_to_many_digits() -> None:
    X, Y = franke()
    net = cr.Network([2, 12, 12, 1], activation="tanh", dtype="float64")
    history = net.fit(X, Y, optimizer="lm", epochs=150)
    assert np.sqrt(2 * history.loss[-1]) < 1e-3
    assert all(b < a for a, b in zip(history.loss, history.loss[1:], strict=False))


@pytest.mark.parametrize("l2", [0.0, 1e-4])
def test_levenberg_marquardt_is_the_same_in_both_engines_and_for_every_number_of_threads(
    l2: float,
) -> None:
    X, Y = franke(200)
    weight = np.random.default_rng(1).uniform(0.5, 2, 200)
    found = []
    for engine, n_threads in (("numpy", 1), ("native", 1), ("native", 3)):
        net = cr.Network([2, 6, 6, 1], activation="tanh", dtype="float64", seed=3)
        history = net.fit(
            X, Y, optimizer="lm", epochs=8, l2=l2, sample_weight=weight, engine=engine,
            n_threads=n_threads,
        )  # fmt: skip
        assert history.engine == engine
        found.append((net.parameters, history.loss))
    assert np.array_equal(found[1][0], found[2][0])
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-6)


def test_levenberg_marquardt_takes_the_native_engine_by_itself() -> None:
    X, Y = problem()
    assert network().fit(X, Y, optimizer="lm", epochs=1).engine == "native"


def test_levenberg_marquardt_refuses_what_it_cannot_do() -> None:
    X, Y = problem()
    with pytest.raises(cr.InputError, match=r"lm minimises squared_error.*'lbfgs'"):
        network(loss="absolute_error").fit(X, Y, optimizer="lm")
    with pytest.raises(cr.InputError, match="at most 5,000"):
        cr.Network([3, 80, 80, 2]).fit(X, Y, optimizer="lm")


def test_levenberg_marquardt_survives_dead_units_and_constant_targets() -> None:
    X, _ = problem()
    net = network(activation="relu")
    net.biases[0] = np.full(16, -1e3)  # nothing in the hidden layer has any influence
    history = net.fit(X, np.zeros((200, 2)), optimizer="lm", epochs=20)
    assert history.stop_reason in ("epochs", "converged")
    assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize("optimizer", ["lm", "lbfgs"])
def test_methods_that_see_all_data_say_when_the_loss_is_not_finite(optimizer: str) -> None:
    X, Y = problem()
    net = network(activation="identity")
    net.parameters[:] = 1e200
    with pytest.raises(cr.DivergenceError, match=r"epoch 1 of 5: the loss became (inf|nan)"):
        net.fit(X, Y, optimizer=optimizer, epochs=5)
    assert (net.parameters == 1e200).all()


@pytest.mark.parametrize("optimizer", ["rprop", "lbfgs", "lm"])
def test_methods_that_need_all_data_take_all_data(optimizer: str) -> None:
    X, Y = problem()
    assert network().fit(X, Y, optimizer=optimizer, epochs=2, batch_size=16).batch_size == 200
    with pytest.raises(cr.InputError, match="chooses its own steps"):
        network().fit(X, Y, optimizer=optimizer, schedule="cosine")
