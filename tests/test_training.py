"""Training: what is learned and what is recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.callbacks import Progress
from tests.problems import Array, fit, network, problem


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_loss_falls_and_is_recorded(dtype: str) -> None:
    X, Y = problem(dtype=dtype)
    net = network(dtype=dtype)
    before = net.loss_value(X, Y)
    history = net.fit(X, Y, epochs=50, learning_rate=0.01, validation_data=(X, Y))
    assert net.loss_value(X, Y) < before / 10
    assert len(history.loss) == len(history.val_loss) == history.epochs == 50
    assert history.val_loss[-1] == net.loss_value(X, Y)
    assert history.engine == "native"
    assert history.engine_reason
    assert history.stop_reason == "epochs"
    assert net.predict(X).dtype == dtype


def test_one_step_is_one_step_of_gradient_descent() -> None:
    X, Y = problem()
    net = network()
    g, before = net.gradients(X, Y), [w.copy() for w in net.weights]
    net.fit(X, Y, optimizer="gradient_descent", learning_rate=0.1, epochs=1, batch_size=len(X))
    for w, w0, dw in zip(net.weights, before, g.weights, strict=True):
        np.testing.assert_allclose(w, w0 - 0.1 * dw, rtol=1e-12)


def test_recorded_loss_is_the_mean_over_the_samples_before_each_step() -> None:
    X, Y = problem(n=10)
    net, twin = network(), network()
    history = net.fit(X, Y, learning_rate=1e-300, epochs=1, batch_size=4)  # the last has 2
    assert history.loss[0] == pytest.approx(twin.loss_value(X, Y), rel=1e-12)


@pytest.mark.parametrize("batch_size", [1, 7, 200, 1000])
def test_any_batch_size_visits_every_sample_once(batch_size: int) -> None:
    X, Y = problem()
    weight = np.zeros(200)
    weight[17] = 1.0  # only this sample moves the weights
    net = network()
    before = net.parameters.copy()
    net.fit(
        X, Y, optimizer="sgd", learning_rate=0.1, epochs=1, batch_size=batch_size,
        sample_weight=weight,
    )  # fmt: skip
    alone = network()
    alone.fit(X[17:18], Y[17:18], optimizer="sgd", learning_rate=0.1, epochs=1)
    np.testing.assert_allclose(net.parameters, alone.parameters, rtol=1e-10)
    assert not np.array_equal(net.parameters, before)


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    X, Y = problem()

    def trained(seed: int) -> Array:
        net = network()
        net.fit(X, Y, epochs=3, dropout=0.2, seed=seed)
        return net.parameters

    assert np.array_equal(trained(1), trained(1))
    assert not np.array_equal(trained(1), trained(2))


def test_shuffle_can_be_switched_off() -> None:
    X, Y = problem()
    first, second = network(), network()
    first.fit(X, Y, epochs=2, shuffle=False, seed=1)
    second.fit(X, Y, epochs=2, shuffle=False, seed=2)
    assert np.array_equal(first.parameters, second.parameters)


def test_l2_and_l1_change_the_step_by_their_gradients_and_leave_biases_alone() -> None:
    X, Y = problem()
    plain, penalised = network(), network()
    options: dict[str, Any] = {"optimizer": "sgd", "epochs": 1, "batch_size": 200}
    start = [w.copy() for w in plain.weights]
    plain.fit(X, Y, learning_rate=0.1, **options)
    penalised.fit(X, Y, learning_rate=0.1, l2=0.3, l1=0.02, **options)
    for w, v, w0 in zip(penalised.weights, plain.weights, start, strict=True):
        np.testing.assert_allclose(w, v - 0.1 * (0.3 * w0 + 0.02 * np.sign(w0)), rtol=1e-9)
    for b, c in zip(penalised.biases, plain.biases, strict=True):
        assert b is not None
        assert c is not None
        np.testing.assert_array_equal(b, c)


@pytest.mark.parametrize("engine", ["native", "numpy"])
@pytest.mark.parametrize("weighted", [False, True])
def test_penalties_per_sample_are_divided_by_the_weight_of_each_step(
    engine: str, weighted: bool
) -> None:
    X, Y = problem(n=14)
    weight = np.r_[1.0, 0, 2, 3, 0.5, 0.5, 0.5, 0, 4, 5, 0, 0, 0, 0] if weighted else np.ones(14)
    options: dict[str, Any] = {
        "optimizer": "sgd", "learning_rate": 0.1, "shuffle": False, "engine": engine,
        "epochs": 1, "batch_size": 5,
    }  # fmt: skip
    net, step_by_step = network(), network()
    fit(net, X, Y, weight if weighted else None, per_sample=True, l2=0.3, l1=0.2, **options)
    for rows in (slice(0, 5), slice(5, 10), slice(10, 14)):
        total = float(weight[rows].sum())
        if total:  # a step without any weight has no penalty, either
            step_by_step.fit(
                X[rows], Y[rows], sample_weight=weight[rows], l2=0.3 / total, l1=0.2 / total,
                **options,
            )  # fmt: skip
    np.testing.assert_allclose(net.parameters, step_by_step.parameters, rtol=1e-12, atol=1e-15)


def penalty_of(net: cr.Network, l2: float, l1: float) -> float:
    return sum(float(l2 / 2 * (w**2).sum() + l1 * np.abs(w).sum()) for w in net.weights)


@pytest.mark.parametrize("engine", ["native", "numpy"])
@pytest.mark.parametrize("gradient_clip", [None, 0.1])
@pytest.mark.parametrize("per_sample", [False, True])
def test_the_penalty_is_recorded_as_the_loss_is(
    engine: str, gradient_clip: float | None, per_sample: bool
) -> None:
    # from the weights before each step, averaged with the weights of the steps' samples
    X, Y = problem(n=14)
    weight = np.random.default_rng(0).uniform(0, 2, 14)
    options: dict[str, Any] = {
        "learning_rate": 0.1, "shuffle": False, "engine": engine, "epochs": 1, "batch_size": 5,
        "optimizer": "sgd", "gradient_clip": gradient_clip,
    }  # fmt: skip
    net, step_by_step = network(), network()
    told: list[float] = []
    history = fit(
        net, X, Y, weight, per_sample, l2=0.3, l1=0.2,
        callbacks=[lambda progress: told.append(progress.penalty)], **options,
    )  # fmt: skip
    losses, penalties, totals = [], [], []
    for rows in (slice(0, 5), slice(5, 10), slice(10, 14)):
        totals.append(weight[rows].sum())
        divisor = totals[-1] if per_sample else 1.0
        l2, l1 = 0.3 / divisor, 0.2 / divisor
        penalties.append(penalty_of(step_by_step, l2, l1))
        losses.append(step_by_step.loss_value(X[rows], Y[rows], weight[rows]))
        step_by_step.fit(X[rows], Y[rows], sample_weight=weight[rows], l2=l2, l1=l1, **options)
    assert history.penalty == told == [pytest.approx(np.average(penalties, weights=totals))]
    assert history.loss == [pytest.approx(np.average(losses, weights=totals))]


@pytest.mark.parametrize("optimizer", ["lbfgs", "lm"])
def test_methods_that_see_all_data_record_the_penalty_where_they_record_the_loss(
    optimizer: str,
) -> None:
    X, Y = problem(n=20)
    net = network()
    history = net.fit(X, Y, optimizer=optimizer, epochs=4, l2=0.02)
    assert len(history.penalty) == len(history.loss) == 4
    assert history.penalty[-1] == pytest.approx(penalty_of(net, 0.02, 0), rel=1e-12)
    assert history.loss[-1] == pytest.approx(net.loss_value(X, Y), rel=1e-12)
    objective = np.add(history.loss, history.penalty)
    assert (np.diff(objective) < 0).all()


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_penalty_is_shown_where_there_is_one(optimizer: str) -> None:
    X, Y = problem(n=20)
    history = network().fit(X, Y, optimizer, epochs=2)
    assert history.penalty == [0.0, 0.0]
    assert "penalty" not in history.columns()
    history = network().fit(X, Y, optimizer, epochs=2, l2=0.1)
    assert list(history.columns())[:3] == ["epoch", "loss", "penalty"]
    record = history.to_dict()
    assert cr.History.from_dict(record) == history
    del record["penalty"]  # as of a history that was recorded before there was one
    assert "penalty" not in cr.History.from_dict(record).columns()


@pytest.mark.parametrize("optimizer", ["lbfgs", "lm"])
def test_penalties_per_sample_where_a_step_sees_all_data(optimizer: str) -> None:
    X, Y = problem(n=20)
    weight = np.linspace(0, 2, 20)
    net, divided = network(), network()
    options: dict[str, Any] = {"optimizer": optimizer, "epochs": 5, "sample_weight": weight}
    fit(net, X, Y, per_sample=True, l2=3.0, **options)
    divided.fit(X, Y, l2=3.0 / weight.sum(), **options)
    np.testing.assert_allclose(net.parameters, divided.parameters, rtol=1e-9)


def test_gradient_clip_bounds_the_length_of_the_step() -> None:
    X, Y = problem()
    net = network()
    before = net.parameters.copy()
    net.fit(X, 100 * Y, optimizer="sgd", learning_rate=1.0, epochs=1, batch_size=200,
            gradient_clip=0.5)  # fmt: skip
    assert np.linalg.norm(net.parameters - before) == pytest.approx(0.5)


def test_dropout_is_inverted_and_off_when_predicting() -> None:
    # A linear hidden layer with dropout: the gradient of the output bias, averaged over many
    # masks, is that without dropout only if the kept units are scaled up.
    X, Y = np.ones((20_000, 1)), np.zeros((20_000, 1))
    net = cr.Network([1, 8, 1], activation="identity", dtype="float64")
    outputs = net.predict(X[:1])[0, 0]
    net.fit(X, Y, optimizer="sgd", learning_rate=1.0, epochs=1, batch_size=len(X), dropout=0.5)
    bias = net.biases[-1]
    assert bias is not None
    assert -bias[0] == pytest.approx(outputs, rel=0.05)
    assert np.ptp(net.predict(X)) == 0


def test_early_stopping_restores_the_best_weights() -> None:
    X, Y = problem(n=40)
    rng = np.random.default_rng(1)
    noise = (rng.normal(size=(40, 3)), rng.normal(size=(40, 2)))  # nothing to generalise to
    net = network()
    history = net.fit(X, Y, learning_rate=0.02, epochs=500, validation_data=noise,
                      early_stopping=5)  # fmt: skip
    assert history.stop_reason == "early stopping"
    assert history.epochs == history.best_epoch + 5
    assert net.loss_value(*noise) == min(history.val_loss)


def test_a_fraction_holds_out_samples_for_validation() -> None:
    X, Y = problem()
    history = network().fit(X, Y, epochs=2, validation_data=0.25)
    assert len(history.val_loss) == 2


def test_a_schedule_multiplies_the_learning_rate_in_every_step() -> None:
    X, Y = problem()
    net, by_hand = network(), network()
    options: dict[str, Any] = {"optimizer": "sgd", "shuffle": False, "batch_size": 200}
    net.fit(X, Y, epochs=2, learning_rate=0.1, schedule=cr.schedules.exponential(0.5), **options)
    by_hand.fit(X, Y, epochs=1, learning_rate=0.1, **options)
    by_hand.fit(X, Y, epochs=1, learning_rate=0.05, **options)
    np.testing.assert_allclose(net.parameters, by_hand.parameters, rtol=1e-12)


def test_callbacks_are_told_and_can_stop() -> None:
    X, Y = problem()
    seen: list[str] = []

    class Recorder(cr.Callback):
        def on_train_begin(self, progress: Progress) -> None:
            seen.append("begin")

        def on_epoch_end(self, progress: Progress) -> None:
            seen.append(f"epoch {progress.epoch}")
            if progress.epoch == 3:
                progress.stop("enough")

        def on_train_end(self, progress: Progress) -> None:
            seen.append("end")

    losses: list[float] = []
    history = network().fit(
        X, Y, epochs=10, callbacks=[Recorder(), lambda progress: losses.append(progress.loss)]
    )
    assert seen == ["begin", "epoch 1", "epoch 2", "epoch 3", "end"]
    assert losses == history.loss
    assert history.stop_reason == "enough"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_textbook_run(dtype: str) -> None:
    """One hidden layer of 30 sigmoids, squared error, plain gradient descent, eta 3, batch 10.

    The textbook reports about 95% on 784-pixel digits after 30 epochs (Nielsen, chapter 1);
    here on the 64-pixel digits that scikit-learn ships.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X / 16, y, test_size=0.25, stratify=y, random_state=0
    )
    net = cr.Network([64, 30, 10], activation="sigmoid", output_activation="sigmoid", dtype=dtype)
    net.fit(X_train, np.eye(10)[y_train], optimizer="gradient_descent", learning_rate=3.0,
            batch_size=10, epochs=30)  # fmt: skip
    assert (net.predict(X_test).argmax(axis=1) == y_test).mean() >= 0.95


@pytest.mark.parametrize("backend", ["polars", "pandas"])
def test_history_becomes_a_frame(backend: str) -> None:
    X, Y = problem()
    history = network().fit(X, Y, epochs=3, validation_data=(X, Y))
    frame = history.to_frame(backend)
    assert list(frame.columns) == ["epoch", "loss", "val_loss", "learning_rate", "seconds"]
    assert list(frame["loss"]) == history.loss


def test_history_plots() -> None:
    import matplotlib

    matplotlib.use("Agg")
    X, Y = problem()
    axes = network().fit(X, Y, epochs=3, validation_data=(X, Y)).plot()
    assert [line.get_label() for line in axes.lines][:2] == ["training", "validation"]
    matplotlib.pyplot.close(axes.figure)


def test_verbose_prints_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    X, Y = problem()
    network().fit(X, Y, epochs=100, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert 20 <= len(lines) <= 22
    assert lines[0].startswith("epoch 1/100  loss ")
    assert lines[-1].startswith("epoch 100/100")


def test_an_optimizer_of_your_own() -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class SignDescent(cr.Optimizer):
        def update(self, theta: Array, g: Array, state: Any, eta: float, t: int) -> None:
            theta -= eta * np.sign(g)

    X, Y = problem()
    net = network()
    before = net.loss_value(X, Y)
    assert (
        net.fit(X, Y, optimizer=SignDescent(), epochs=5, engine="numpy").optimizer == "SignDescent"
    )
    assert net.loss_value(X, Y) < before


@pytest.mark.parametrize("layer_sizes", [[10**10, 10**10], [2**31, 2**30]], ids=str)
def test_a_network_larger_than_any_array(layer_sizes: list[int]) -> None:
    with pytest.raises(cr.InputError, match=r"make [\d,]+ parameters, which need .* GiB"):
        cr.Network(layer_sizes)


def test_a_sparse_matrix_keeps_the_types_of_its_indices() -> None:
    from scipy.sparse import csr_matrix

    X, Y = problem(20)
    given = csr_matrix(X)
    given.indices, given.indptr = given.indices.astype(np.int16), given.indptr.astype(np.int64)
    kept = given.data, given.indices, given.indptr
    net, twin = network(), network()
    net.fit(given, Y, epochs=2)
    twin.fit(X, Y, epochs=2)
    assert np.array_equal(net.predict(given), twin.predict(X))
    assert all(a is b for a, b in zip(kept, (given.data, given.indices, given.indptr), strict=True))
