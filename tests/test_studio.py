"""The studio without a browser: its links, its training, its steps, its files."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import numpy as np
import polars as pl
import pytest

import chainrule as cr
from chainrule import tracing
from chainrule.errors import InputError
from chainrule.studio import datasets, pictures, predictions, proving, steps, workspace
from chainrule.studio.session import Session, Settings
from chainrule.studio.state import State
from chainrule.studio.workspace import Given, Workspace


def query(state: State) -> dict[str, str]:
    from urllib.parse import parse_qsl, urlsplit

    return dict(parse_qsl(urlsplit(state.link()).query))


def test_a_link_says_everything_that_is_chosen() -> None:
    state = State(
        room="step", data="blobs", target="a b&c", layers=((3, "relu"), (2, "gelu")), steps=7,
        output="softmax", loss="cross_entropy", optimizer="momentum", learning_rate=0.003,
        batch_size=8, seed=5, sample=4, form="paths", at=9,
    )  # fmt: skip
    assert State.of(query(state)) == state
    assert State.of({}) == State()
    assert State(layers=()).link() == "/?layers=none"
    assert State.of({"layers": "none"}).layers == ()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("room", "kitchen", "room 'kitchen' is not known"),
        ("layers", "3.tan", "did you mean 'tanh'"),
        ("layers", "-", "activation '' is not known"),
        ("layers", "100000.tanh", "from 1 to 512"),
        ("layers", "-".join(["2.tanh"] * 9), "may have 8 hidden layers"),
        ("learning_rate", "-1", "a number above 0"),
        ("learning_rate", "nan", "a number above 0"),
        ("steps", "1e3", "a whole number from 0"),
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


@pytest.mark.parametrize("optimizer", ["gradient_descent", "adam", "rprop"])
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


@pytest.mark.parametrize("name", datasets.NAMES)
def test_each_data_set_can_be_trained_drawn_and_stepped_through(name: str) -> None:
    space = Workspace(State(data=name, steps=30), Given())
    before = space.network().loss_value(space.data.X, space.data.Y)
    assert space.session.wait().steps == 30
    assert space.network().loss_value(space.data.X, space.data.Y) < before
    assert "<svg" in predictions.picture(space.data, space.predict)
    assert "test samples" in predictions.score(space.data, space.predict(space.data.X_test))
    trace, items = space.trace()
    assert "<svg" in pictures.network(trace, items, items[0].lit)


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
    again = Workspace(State.of(query(space.now())), Given())
    np.testing.assert_array_equal(
        again.session.wait().parameters, space.session.snapshot.parameters
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


TABLE = pl.DataFrame(
    {
        "width": np.linspace(0, 1, 60).round(3),
        "colour": ["red", "green", "blue"] * 20,
        "kind": ["a", "b"] * 30,
    }
)


def test_a_saved_network_opens_where_it_was_and_for_predict(tmp_path: Any) -> None:
    given = Given(TABLE, "t.csv")
    space = Workspace(State(data="table", target="kind"), given)
    space.session.run(10)
    space.session.wait()
    content = space.saved()
    net = workspace.opened(content, "t.safetensors")
    np.testing.assert_array_equal(net.parameters, space.session.snapshot.parameters)
    state = workspace.state_of(net)
    assert (state.data, state.target, state.start) == ("table", "kind", "model")
    again = Workspace(state, Given(TABLE, "t.csv", net, "t.safetensors"))
    np.testing.assert_array_equal(
        again.predict(space.data.X_test), space.predict(space.data.X_test)
    )
    (tmp_path / "t.safetensors").write_bytes(content)
    from chainrule import tables

    _, preprocessing = tables.load(tmp_path / "t.safetensors")
    assert preprocessing is not None
    assert preprocessing.target.classes == ("a", "b")


@pytest.mark.parametrize("target", ["kind", "colour", "width"])
def test_a_model_of_chainrule_train_says_the_same_of_its_table(tmp_path: Any, target: str) -> None:
    from chainrule import tables
    from chainrule.cli import main

    table, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    table.write_text(tables.to_csv(TABLE))
    assert main(["train", str(table), "--target", target, "-o", str(model), "--epochs", "2"]) == 0
    net, preprocessing = tables.load(model)
    assert preprocessing is not None
    space = Workspace(workspace.state_of(net).replace(target=target), Given(TABLE, "t.csv", net))
    test = tables.prepare(TABLE, target).test[0]
    wanted = net.predict(preprocessing.encode(test)[0])
    np.testing.assert_allclose(space.predict(space.data.X_test), wanted, rtol=1e-6)
    assert (space.data.output == "sigmoid") == (target == "kind")


def test_a_failure_of_training_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    session = small_session()

    def fail(*_: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(session, "_advance", fail)
    session.run()
    found = session.wait()
    assert found.message == "training failed: no room"
    assert not found.running


def test_a_network_from_elsewhere_opens_with_data_of_its_shape() -> None:
    net = cr.Network([64, 16, 10], output_activation="softmax", loss="cross_entropy")
    state = workspace.state_of(net)
    assert state.data == "digits"
    assert Workspace(state, Given(model=net)).session.snapshot.steps == 0
    with pytest.raises(InputError, match="takes 64 inputs"):
        Workspace(state.replace(data="xor"), Given(model=net))


def test_a_damaged_upload_is_named_by_its_own_name() -> None:
    with pytest.raises(cr.ChainruleError, match=r"mine\.safetensors") as caught:
        workspace.opened(b"not a network", "mine.safetensors")
    assert "/tmp" not in str(caught.value)


FORMS = ["paths", "omega", "lambda"]


def numbers(markup: str) -> list[float]:
    """Return every number that a piece of the page has with all its digits, in order."""
    return [float(text) for text in re.findall(r'title="([^"]+)"', markup)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("data", ["xor", "blobs", "wave"])
def test_page_json_and_equations_have_the_same_numbers(form: str, data: str) -> None:
    space = Workspace(State(data=data, form=form, layers=((3, "tanh"),), steps=25), Given())
    space.session.wait()
    trace, items = space.trace()
    x, y = space.data.X[:1], space.data.Y[:1]
    record = json.loads(tracing.trace(space.network(), x, y, form).to_json())
    by_engine = space.network().gradients(x, y)
    assert len(record["steps"]) < len(items)
    for step, item in zip(record["steps"], items, strict=False):
        value = np.array(step["value"]).ravel()
        shown = numbers(item.markup)[-value.size :]
        assert shown == value.tolist(), item.name
        if item.symbol == "grad_W" and item.L is not None:
            wanted = by_engine.weights[item.L - 1]
            np.testing.assert_allclose(
                np.reshape(shown, wanted.shape), wanted, rtol=1e-4, atol=1e-7
            )
    assert str(trace) == str(tracing.trace(space.network(), x, y, form))


@pytest.mark.parametrize("form", FORMS)
def test_the_update_is_gradient_descents_own_step(form: str) -> None:
    state = State(data="wave", form=form, layers=((3, "tanh"),), learning_rate=0.1)
    space = Workspace(state, Given())
    trace, items = space.trace()
    net = space.network()
    net.fit(
        space.data.X[:1], space.data.Y[:1], optimizer="gradient_descent", learning_rate=0.1,
        epochs=1,
    )  # fmt: skip
    for item in items:
        if item.symbol in ("W", "B"):
            assert item.L is not None
            after = (net.weights if item.symbol == "W" else net.biases)[item.L - 1]
            assert after is not None
            np.testing.assert_allclose(item.value, after, rtol=1e-6, atol=1e-8)
            shown = numbers(item.markup)[-item.value.size :]
            assert shown == item.value.ravel().tolist()
    after_loss = net.loss_value(space.data.X[:1], space.data.Y[:1])
    assert items[-1].value == pytest.approx(after_loss, rel=1e-5)
    assert after_loss < trace.loss


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("output", "loss"),
    [("identity", "squared_error"), ("sigmoid", "binary_cross_entropy"), ("tanh", "huber")],
)
def test_every_derivative_on_the_page_is_that_of_a_difference(
    form: str, output: str, loss: str
) -> None:
    net = cr.Network([2, 3, 2, 1], "tanh", output, loss, dtype="float64", seed=3)
    trace = tracing.trace(net, [[0.4, -0.7]], [[1.0]], form)
    proved = 0
    for step in trace.steps:
        if step.symbol in proving.PROVABLE and step.layer is not None:
            found = proving.prove(net.architecture, trace, step.symbol, step.layer)
            assert found.worst < 1e-6, (step.symbol, step.layer)
            proved += 1
    assert proved >= 8


def test_softmax_is_proved_too_and_a_wrong_number_is_not() -> None:
    net = cr.Network([2, 3, 3], "tanh", "softmax", "cross_entropy", dtype="float64")
    trace = tracing.trace(net, [[0.4, -0.7]], [[0.0, 1.0, 0.0]])
    for symbol, L in (("omega", 2), ("lambda_", 2), ("grad_W", 1), ("omega", 0)):
        assert proving.prove(net.architecture, trace, symbol, L).worst < 1e-6
    trace.grad_W[1][0, 0] *= -1
    assert proving.prove(net.architecture, trace, "grad_W", 1).worst > 0.01


def test_the_proof_does_not_use_backpropagation(monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule import equations

    net = cr.Network([2, 3, 1], "tanh", dtype="float64")
    trace = tracing.trace(net, [[0.4, -0.7]], [[1.0]])
    for name in ("lambda_form", "omega_form", "paths_form"):
        monkeypatch.delattr(equations, name)
    assert proving.prove(net.architecture, trace, "grad_B", 1).worst < 1e-6


def test_the_lit_part_is_what_the_step_computes() -> None:
    space = Workspace(State(data="xor", layers=((3, "tanh"),)), Given())
    trace, items = space.trace()
    lit = {(item.symbol, item.L): item.lit for item in items}
    assert lit["rho", 1] == steps.Lit(frozenset({0, 1}), frozenset({1}))
    assert lit["omega", 1].edges == {2}
    assert lit["grad_W", 2].edges == {2}
    picture = pictures.network(trace, items[:2], lit["rho", 1])
    assert picture.count('class="edge lit"') == 6
    assert picture.count('class="unit lit"') == 5


def test_a_unit_tells_what_has_been_computed_and_nothing_that_has_not() -> None:
    space = Workspace(State(data="xor", layers=((3, "tanh"),)), Given())
    trace, items = space.trace()
    early = html.unescape(pictures.network(trace, items[:2], items[1].lit))
    late = html.unescape(pictures.network(trace, items, items[-1].lit))
    assert "ρ¹ =" in early
    assert "ω¹" not in early
    assert "ω¹ =" in late
    assert "∂C/∂W¹ =" in late


def test_every_step_can_be_heard() -> None:
    for form in FORMS:
        _, items = Workspace(State(data="xor", layers=((3, "tanh"),), form=form), Given()).trace()
        for item in items:
            assert re.fullmatch(r"[\w .,()*+/:-]+", item.spoken), item.spoken
            assert "<math" in item.markup


def test_names_of_a_table_cannot_write_html() -> None:
    frame = TABLE.rename({"kind": "<b>kind</b>", "width": "<i>w</i>"})
    frame = frame.with_columns(pl.Series("<b>kind</b>", ["<u>a</u>", "b"] * 30))
    space = Workspace(State(data="table", target="<b>kind</b>"), Given(frame, "t"))
    picture = predictions.picture(space.data, space.predict)
    assert "<u>" not in picture
    assert "&lt;u&gt;" in picture
