"""The room Step without a browser: its numbers, its pictures, its proofs."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pytest

import chainrule as cr
from chainrule import tracing
from chainrule.studio import diagnose_room, pictures, proving, steps
from chainrule.studio.state import State
from chainrule.studio.workspace import Given, Workspace
from tests.studio.spaces import opened

FORMS = ["paths", "omega", "lambda"]


def numbers(markup: str) -> list[float]:
    """Return every number that a piece of the page has with all its digits, in order."""
    return [float(text) for text in re.findall(r'title="([^"]+)"', markup)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("data", ["xor", "blobs", "wave"])
def test_page_json_and_equations_have_the_same_numbers(form: str, data: str) -> None:
    space = opened(State(data=data, form=form, layers=((3, "tanh"),), steps=25))
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
    assert lit["W", 2] == steps.Lit(edges=frozenset({2}))
    assert lit["B", 2] == steps.Lit(units=frozenset({2}))
    picture = pictures.network(trace, items[:2], lit["rho", 1])
    assert picture.count('class="edge lit"') == 6
    assert picture.count('class="unit lit"') == 5


@pytest.mark.parametrize(("rate", "told"), [(0.01, "fell"), (1000.0, "did not fall")])
def test_the_last_step_says_whether_the_cost_fell(rate: float, told: str) -> None:
    space = Workspace(State(data="wave", learning_rate=rate), Given())
    assert f"the cost {told}" in space.trace()[1][-1].spoken


def test_of_many_entries_some_hundred_are_proved() -> None:
    net = cr.Network([30, 20, 1], "tanh", dtype="float64")
    trace = tracing.trace(net, np.linspace(-1, 1, 30)[None], [[1.0]])
    found = proving.prove(net.architecture, trace, "grad_W", 1)
    assert (len(found.shown), found.n_left_out) == (400, 200)
    assert found.worst < 1e-6


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


def test_the_bars_of_a_diagnosis_are_as_long_as_its_numbers() -> None:
    net = cr.Network([2, 6, 6, 1], "sigmoid", dtype="float64")
    net.biases[0] = np.full(6, 20.0)
    X = np.random.default_rng(0).normal(size=(50, 2))
    found = cr.diagnose(net, X, X[:, 0])

    def widths(picture: str) -> list[float]:
        return [float(w) for w in re.findall(r'<rect [^>]*width="([\d.]+)"', picture)]

    flat = widths(diagnose_room.shares(found, {1}))
    assert flat[0] == 240.0  # all of the layer
    assert flat[2] == 0
    norms = [row.lambda_norm for row in found.table]
    lengths = widths(diagnose_room.bars("lambda", found, norms, set()))
    steps_of = np.diff(lengths) / np.diff(np.log10(norms))
    np.testing.assert_allclose(steps_of, steps_of[0], rtol=0.01)  # a logarithmic scale
    assert (np.argsort(lengths) == np.argsort(norms)).all()
    wrong = diagnose_room.bars("lambda", found, [np.nan, np.inf, 0.0], set())
    assert widths(wrong) == [0, 0, 0]
