"""Many networks trained at once are what each would be alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.callbacks import Progress
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


def test_networks_trained_alone_diverge_alone_too() -> None:
    own = cr.Activation("cubed", lambda x: x**3, lambda x: 3 * x**2)
    rows = X.astype("float64")
    far = cr.Network([3, 8, 2], "identity", dtype="float64", loss="squared_error")
    far.weights[0] *= 1e200
    nets = [
        networks()[0],
        cr.Network([3, 8, 2], own, seed=1),
        cr.Network([3, 8, 2], own, seed=2),
        far,
        cr.Network([3, 8, 2], "tanh", seed=3),
    ]
    with (
        pytest.warns(UserWarning, match="network 1 of 5: training diverged") as told,
        pytest.warns(UserWarning, match="network 3 of 5: training diverged"),
        pytest.warns(UserWarning, match="'cubed' is your own"),
    ):
        _, histories = cr.train_many(
            nets, rows, Y, epochs=3, optimizer=["sgd", "sgd", "sgd", "lbfgs", "lm"],
            learning_rate=[0.01, 1e30, 0.01, 0.01, 0.01],
        )  # fmt: skip
    reasons = [history.stop_reason for history in histories]
    assert reasons == ["epochs", "diverged", "epochs", "diverged", "epochs"]
    assert all(np.isfinite(net.parameters).all() for net in nets)
    assert {warning.filename for warning in told} == {__file__}


def interrupt(progress: Progress) -> None:
    if progress.epoch == 2:
        raise KeyboardInterrupt


@pytest.mark.parametrize("interrupted", [0, 1])
def test_ctrl_c_ends_those_too_that_take_turns(interrupted: int) -> None:
    nets = networks(dtype="float64")
    before = nets[2].parameters.copy()
    callbacks: list[list[Any]] = [[], [], []]
    callbacks[interrupted] = [interrupt]
    with pytest.warns(UserWarning, match="interrupted") as told:
        _, histories = cr.train_many(
            nets, X, Y, epochs=5, optimizer=["adam", "lbfgs", "lm"], callbacks=callbacks
        )
    assert [history.epochs for history in histories] == [[2, 0, 0], [5, 2, 0]][interrupted]
    reasons = [history.stop_reason for history in histories]
    assert reasons == ["epochs"] * interrupted + ["interrupted"] * (3 - interrupted)
    assert np.array_equal(nets[2].parameters, before)
    assert [warning.filename for warning in told] == [__file__]


class Ends(cr.Callback):
    def __init__(self, raises_in: str = "") -> None:
        self.told: list[str] = []
        self.raises_in = raises_in

    def tell(self, what: str) -> None:
        self.told.append(what)
        if what == self.raises_in:
            raise RuntimeError(what)

    def on_train_begin(self, progress: Progress) -> None:
        self.tell("begin")

    def on_epoch_end(self, progress: Progress) -> None:
        if progress.epoch == 4:
            self.tell("epoch")

    def on_train_end(self, progress: Progress) -> None:
        self.tell("end")


@pytest.mark.parametrize("where", ["begin", "epoch", "end"])
def test_all_are_told_of_the_end_when_a_callback_raises(where: str) -> None:
    nets, ends = networks(), [Ends(), Ends(raises_in=where), Ends()]
    kept: list[Any] = []

    def change(progress: Progress) -> None:
        kept.append(progress.parameters.copy())
        progress.parameters[:] += 0.01  # the best ones are those before

    with pytest.raises(RuntimeError, match=where):
        cr.train_many(
            nets, X, Y, epochs=5, early_stopping=[50, None, None],
            callbacks=[[ends[0], change], [ends[1]], [ends[2]]],
        )  # fmt: skip
    assert ends[0].told[-1] == "end"
    assert (ends[2].told or ["end"])[-1] == "end"
    assert ("end" in ends[1].told) == (where != "begin")
    if kept:
        assert any(np.array_equal(nets[0].parameters, best) for best in kept)


def test_a_warning_of_the_slower_engine_points_at_the_caller() -> None:
    own = cr.Activation("fourfold", lambda x: 4 * x, lambda x: 4 + 0 * x)
    with pytest.warns(UserWarning, match="'fourfold' is your own") as told:
        cr.train_many([cr.Network([3, 4, 2], own)], X, Y, epochs=1)
    assert told[0].filename == __file__


def test_a_list_of_callbacks_is_for_all_and_a_list_of_lists_for_each() -> None:
    told: list[str] = []
    nets = networks()[:2]

    def first(_: Progress) -> None:
        told.append("first")

    def second(_: Progress) -> None:
        told.append("second")

    cr.train_many(nets, X, Y, epochs=1, callbacks=[first, second])
    assert told == ["first", "second"] * 2
    told.clear()
    cr.train_many(nets, X, Y, epochs=[2, 1], callbacks=[[first], (second,)])
    assert sorted(told) == ["first", "first", "second"]
    cr.train_many(nets, X, Y, epochs=1, callbacks=[])


@pytest.mark.parametrize("given", [np.array, list])
def test_numbers_for_each_may_be_an_array(given: Any) -> None:
    nets, alone = networks(), networks()
    cr.train_many(nets, X, Y, epochs=1, learning_rate=given([0.1, 0.2, 0.3]), seed=given([4, 5, 6]))
    for i, net in enumerate(alone):
        net.fit(X, Y, epochs=1, learning_rate=[0.1, 0.2, 0.3][i], seed=4 + i)
        assert np.array_equal(net.parameters, nets[i].parameters)


def test_each_network_has_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    nets, straight = networks(), networks()
    files = [tmp_path / "0", None, tmp_path / "2"]
    cr.train_many(nets, X, Y, epochs=2, checkpoint=files)
    for path, net in zip(files, straight, strict=True):
        if path:
            net.fit(X, Y, epochs=2, checkpoint=path, resume=True)
            assert np.array_equal(net.parameters, nets[straight.index(net)].parameters)
    for shared in (tmp_path / "one", [tmp_path / "one", None, str(tmp_path / "one")]):
        with pytest.raises(cr.InputError, match=r"one file for several networks.*a list"):
            cr.train_many(nets, X, Y, epochs=1, checkpoint=shared)
    assert not (tmp_path / "one").exists()
    cr.train_many(nets[:1], X, Y, epochs=1, checkpoint=tmp_path / "one")
    assert (tmp_path / "one").exists()


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
        (
            (X, Y),
            {"optimizer": ["adam", "adam", "lbfgs"], "dropout": 0.1},
            "lbfgs needs a cost that does not change",
        ),
        (
            (X, Y),
            {"optimizer": ["adam", "lbfgs", "lm"], "l1": 0.1},
            "lm minimises squared_error",
        ),
        (
            (X, Y),
            {"validation_data": [X, Y]},
            "one tuple .* for each network, but this one has a ndarray: pass a tuple",
        ),
        ((X, Y), {"callbacks": [[print], print, print]}, "callbacks has both lists and callbacks"),
        ((X, Y), {"callbacks": [[print], [print]]}, "callbacks has 2 entries for 3 networks"),
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
