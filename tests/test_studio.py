"""The studio without a browser: its links, its training, what a tab works on."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optimizers
from chainrule.errors import InputError
from chainrule.studio import datasets, steps
from chainrule.studio.session import Session, Settings
from chainrule.studio.state import State
from chainrule.studio.workspace import Given, Workspace
from tests.studio.spaces import opened, query


def test_a_link_says_everything_that_is_chosen() -> None:
    state = State(
        room="step", data="blobs", target="a b&c", layers=((3, "relu"), (2, "gelu")), steps=7,
        output="softmax", loss="cross_entropy", optimizer="momentum", learning_rate=0.0123456789,
        batch_size=8, seed=5, sample=4, form="paths", at=9, taken=((3, 4), (7, 0)),
    )  # fmt: skip
    assert State.of(query(state)) == state
    assert State.of({}) == State()
    assert State(layers=()).link() == "/?layers=none"
    assert State.of({"layers": "none"}).layers == ()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("learning_rate", "1e300", "a number from 1e-09 to 1e+06"),
        ("room", "kitchen", "room 'kitchen' is not known"),
        ("layers", "3.tan", "did you mean 'tanh'"),
        ("layers", "-", "activation '' is not known"),
        ("layers", "3.softmax", "activation 'softmax' is not known"),
        ("layers", "100000.tanh", "from 1 to 512"),
        ("layers", "-".join(["2.tanh"] * 9), "may have 8 hidden layers"),
        ("learning_rate", "-1", "a number from 1e-09 to 1e+06"),
        ("learning_rate", "nan", "a number from 1e-09 to 1e+06"),
        ("steps", "1e3", "a whole number from 0"),
        ("taken", "5.3-4.3", "in the order in which"),
        ("taken", "5.x", "a whole number from 0"),
        ("taken", "-".join(["1.1"] * 201), "may have 200 steps"),
        ("seed", "-1", "a whole number from 0"),
        ("target", "x" * 201, "at most 200"),
    ],
)
def test_a_link_that_the_page_did_not_write_is_refused(name: str, value: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        State.of({name: value})


def test_what_the_weights_follow_from_starts_training_anew() -> None:
    state = State(steps=50)
    assert state.replace(seed=1).steps == 0
    assert state.replace(learning_rate=0.1).steps == 0
    assert state.replace(room="step", sample=3, form="omega", at=2).steps == 50


def small_session(**settings: Any) -> Session:
    data = datasets.named("circles")
    net = cr.Network([2, 5, 1], "tanh", "sigmoid", "binary_cross_entropy")
    return Session(net, data.X, data.Y, data.X_test, data.Y_test, Settings(**settings))


def test_steps_give_the_same_weights_however_they_are_asked_for() -> None:
    at_once, piecemeal = small_session(), small_session()
    at_once.run(35)
    first = at_once.wait()
    for until in (1, 2, 9, 10, 11, 27, 35):
        piecemeal.run(until)
        second = piecemeal.wait()
    assert first.steps == second.steps == 35
    np.testing.assert_array_equal(first.parameters, second.parameters)
    assert first.losses == pytest.approx(second.losses, rel=1e-12)


@pytest.mark.parametrize("optimizer", list(optimizers.NAMED))
def test_a_session_trains_as_fit_does(optimizer: str) -> None:
    session = small_session(optimizer=optimizer, learning_rate=0.02)
    data = datasets.named("circles")
    net = cr.Network([2, 5, 1], "tanh", "sigmoid", "binary_cross_entropy")
    net.fit(data.X, data.Y, optimizer=optimizer, learning_rate=0.02, epochs=4)
    session.run(4 * session.steps_per_epoch)
    np.testing.assert_array_equal(session.wait().parameters, net.parameters)


def test_epoch_goes_to_the_end_of_the_epoch_and_step_one_step() -> None:
    session = small_session()
    session.step()
    assert session.wait().steps == 1
    session.epoch()
    assert session.wait().steps == session.steps_per_epoch
    session.epoch()
    assert session.wait().steps == 2 * session.steps_per_epoch
    assert len(session.snapshot.losses) == len(session.snapshot.test_losses) == 2


def test_pausing_ends_the_thread_and_running_goes_on_from_there() -> None:
    session = small_session()
    session.run()
    assert session.snapshot.running
    session.pause()
    paused = session.wait()
    assert not paused.running
    session.run(paused.steps + 3)
    assert session.wait().steps == paused.steps + 3


def test_a_snapshot_does_not_change_any_more() -> None:
    session = small_session()
    before = session.snapshot
    kept = before.parameters.copy()
    session.epoch()
    session.wait()
    np.testing.assert_array_equal(before.parameters, kept)


def test_divergence_ends_training_with_a_remedy() -> None:
    data = datasets.named("wave")
    net = cr.Network([1, 8, 1], "relu")
    settings = Settings("gradient_descent", 1e6)
    session = Session(net, data.X, data.Y, data.X_test, data.Y_test, settings)
    session.run()
    assert "smaller learning rate" in session.wait().message
    session.run()
    assert not session.wait().running


def test_long_runs_keep_few_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.studio.session._MOST_LOSSES", 10)
    session = small_session()
    session.run(40 * session.steps_per_epoch)
    found = session.wait()
    assert found.stride * len(found.losses) == 40
    assert len(found.losses) < 10
    monkeypatch.undo()
    session = small_session()
    session.run(40 * session.steps_per_epoch)
    every = session.wait()
    assert found.losses == every.losses[found.stride - 1 :: found.stride]
    assert found.test_losses == every.test_losses[found.stride - 1 :: found.stride]


def test_an_epoch_that_takes_long_is_made_in_parts_and_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, parts = small_session(optimizer="nadam"), small_session(optimizer="nadam")
    whole.run(25)
    monkeypatch.setattr("chainrule.studio.session._LOOK_EVERY", 1e-9)
    parts.run(25)
    np.testing.assert_array_equal(parts.wait().parameters, whole.wait().parameters)
    assert parts.snapshot.losses == pytest.approx(whole.snapshot.losses, rel=1e-12)


def test_steps_by_hand_are_repeated_where_they_were_taken() -> None:
    space = Workspace(
        State(data="xor", layers=((3, "tanh"),), learning_rate=0.1, sample=7), Given()
    )
    space.take_step()
    for until, sample in ((4, 2), (4, 5), (13, 2)):
        space.session.run(until)
        space.session.wait()
        space.change(sample=sample)
        space.take_step()
    space.session.run(20)
    found = space.session.wait()
    assert found.taken == ((0, 7), (4, 2), (4, 5), (13, 2))
    again = opened(State.of(query(space.now())))
    np.testing.assert_array_equal(again.session.snapshot.parameters, found.parameters)
    without = opened(space.now().replace(taken=()))
    assert not np.array_equal(without.session.snapshot.parameters, found.parameters)
    last = opened(State.of(query(space.now().replace(steps=13))))  # which ends with one by hand
    assert last.session.snapshot.taken == found.taken


def test_a_step_by_hand_lowers_the_cost_of_its_sample() -> None:
    space = Workspace(State(data="wave", learning_rate=0.03, sample=3), Given())
    before, items = space.trace()
    space.take_step()
    after, _ = space.trace()
    assert after.loss < before.loss
    assert after.loss == pytest.approx(float(items[-1].value), rel=1e-6)


def test_training_goes_on_from_a_step_by_hand() -> None:
    space = Workspace(State(data="wave", learning_rate=0.03, sample=3), Given())
    net = space.network()
    trace, _ = space.trace()
    steps.downhill(net, trace, 0.03)
    net.fit(space.data.X, space.data.Y, optimizer="adam", learning_rate=0.03, epochs=2, seed=0)
    space.session._pace = 1e9  # so that epochs are made in one
    space.take_step()
    space.session.run(2 * space.session.steps_per_epoch)
    np.testing.assert_array_equal(space.session.wait().parameters, net.parameters)


def test_leaving_the_room_ends_what_has_no_end_alone() -> None:
    session = small_session()
    session.run(30)
    session.rest()
    assert session.wait().steps == 30
    session.run()
    session.rest()
    assert not session.wait().running


def test_a_change_ends_the_training_of_what_was_before() -> None:
    space = Workspace(State(data="spirals"), Given())
    before = space.session
    before.run()
    space.change(seed=4)
    assert not before.wait().running
    assert space.session is not before
    assert space.network().seed == 4


def test_no_step_by_hand_while_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    space = Workspace(State(), Given())
    space.session.run()
    with pytest.raises(InputError, match="when it is paused"):
        space.take_step()
    space.close()
    space.session.wait()
    space.take_step()
    monkeypatch.setattr("chainrule.studio.session.MOST_TAKEN", 1)
    with pytest.raises(InputError, match="as many as a link can repeat"):
        space.take_step()


def test_a_change_of_the_network_forgets_steps_by_hand_but_not_the_samples() -> None:
    space = Workspace(State(data="xor"), Given())
    data = space.data
    space.take_step()
    space.change(seed=3)
    space.session.run(1)
    space.session.wait()
    assert space.now().taken == ()
    assert space.data is data
    space.change(data="moons")
    assert space.data is not data


def test_a_failure_of_training_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    session = small_session()

    def fail(*_: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(session, "_advance", fail)
    session.run()
    found = session.wait()
    assert found.message == "training failed: no room"
    assert not found.running


def test_two_tabs_share_nothing() -> None:
    one, other = Workspace(State(), Given()), Workspace(State(), Given())
    one.session.run(20)
    one.session.wait()
    assert other.now().steps == 0
    assert other.session.snapshot.parameters.tolist() != one.session.snapshot.parameters.tolist()


def test_the_link_of_a_trained_network_repeats_its_weights() -> None:
    space = Workspace(State(data="xor", layers=((4, "tanh"),)), Given())
    space.session.run(123)
    space.session.wait()
    again = opened(State.of(query(space.now())))
    np.testing.assert_array_equal(
        again.session.snapshot.parameters, space.session.snapshot.parameters
    )


def test_a_change_that_makes_no_network_leaves_everything_as_it_was() -> None:
    space = Workspace(State(data="blobs"), Given())
    session = space.session
    with pytest.raises(InputError):
        space.change(output="softmax", loss="poisson_")
    assert space.session is session
    assert space.state == State(data="blobs")


def test_a_link_of_a_table_or_a_model_says_what_to_bring() -> None:
    with pytest.raises(InputError, match="choose its file under"):
        Workspace(State(data="table"), Given())
    with pytest.raises(InputError, match="model file"):
        Workspace(State(start="model"), Given())
