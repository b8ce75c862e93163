"""Diagnosis: it names what is wrong with networks broken on purpose, and is silent on others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_digits, make_moons

import chainrule as cr
from chainrule import activations
from chainrule.cli import main
from chainrule.diagnosis import data_rules, training_rules
from chainrule.diagnosis.evidence import naive_loss
from tests import broken
from tests.broken import Array, Case, case, network, samples, train


@pytest.mark.parametrize("way", broken.WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("i", range(3))
def test_the_right_cause_comes_first(way: Callable[[int], Case], i: int) -> None:
    net, X, Y, given = way(i)
    found = cr.diagnose(net, X, Y, **given)
    assert found.causes[:1] == (broken.WAYS[way],)
    assert re.search(r"\d", found.findings[0].evidence)
    assert found.findings[0].remedy


HIDDEN_ACTIVATIONS = [name for name in activations.NAMED if name not in ("softmax", "exponential")]


@pytest.mark.parametrize("act", HIDDEN_ACTIVATIONS)
@pytest.mark.parametrize("i", range(4))
def test_nothing_is_found_before_and_after_ordinary_training(act: str, i: int) -> None:
    net, X, Y, _ = case(i, ([32], [24, 24])[i // 2], act, dtype=("float32", "float64")[i // 2])
    if act == "identity":  # enough for something linear
        Y = X[:, :1] - X[:, 1:2] if i % 2 else (X[:, 0] > 0).astype(int)
    before = cr.diagnose(net, X, Y, learning_rate=1e-3)
    assert str(before.findings) == "()"
    train(net, X, Y, epochs=15, learning_rate=3e-3)
    assert str(cr.diagnose(net, X, Y).findings) == "()"


@pytest.mark.parametrize("act", ["relu", "tanh", "gelu", "selu"])
@pytest.mark.parametrize("depth", [1, 4, 8])
def test_nothing_is_found_in_depth(act: str, depth: int) -> None:
    net, X, Y, _ = case(1, [32] * depth, act)
    assert str(cr.diagnose(net, X, Y).findings) == "()"


@pytest.mark.parametrize(
    ("optimizer", "rate"),
    [("adam", 3e-4), ("adam", 1e-2), ("sgd", 0.1), ("momentum", 0.01), ("rmsprop", 1e-3)],
)
@pytest.mark.parametrize("i", [0, 1])
def test_nothing_is_found_at_usual_learning_rates(optimizer: str, rate: float, i: int) -> None:
    net, X, Y, _ = case(i)
    given = cr.diagnose(net, X, Y, learning_rate=rate, optimizer=optimizer)
    assert str(given.findings) == "()"
    train(net, X, Y, optimizer=optimizer, learning_rate=rate, epochs=20, validation_data=0.2)
    assert str(cr.diagnose(net, X, Y).findings) == "()"


def test_nothing_is_found_in_the_digits_that_the_command_line_trains() -> None:
    digits = load_digits()
    X, Y = digits.data / 16, digits.target
    net = cr.Network([64, 256, 10], output_activation="softmax", loss="cross_entropy")
    net.fit(X, Y, epochs=20, learning_rate=3e-3, dropout=0.4, schedule="cosine")
    assert str(cr.diagnose(net, X, Y).findings) == "()"


@pytest.mark.parametrize(
    ("loss", "output", "targets"),
    [
        ("poisson", "exponential", lambda s: np.random.default_rng(0).poisson(np.exp(s))),
        ("gamma", "exponential", np.exp),
        ("huber", "identity", lambda s: s),
        ("quantile(0.9)", "identity", lambda s: s),
        ("hinge", "identity", np.sign),
        ("binary_cross_entropy", "sigmoid", lambda s: s > 0),
        ("squared_error", "sigmoid", lambda s: s > 0),
    ],
)
def test_nothing_is_found_with_other_losses(
    loss: str, output: str, targets: Callable[[Array], Array]
) -> None:
    X, signal, _ = samples(1)
    net, Y = network(X, False, 0, output_activation=output, loss=loss), targets(signal)
    assert str(cr.diagnose(net, X, Y).findings) == "()"
    train(net, X, Y, epochs=30, learning_rate=3e-3)
    assert str(cr.diagnose(net, X, Y).findings) == "()"


@pytest.mark.parametrize("i", range(3))
def test_a_weak_signal_is_not_taken_for_none(i: int) -> None:
    rng = np.random.default_rng(i)
    X = rng.normal(size=(1000, 10))
    Y = 0.3 * X[:, 0] + rng.normal(size=1000)
    net = cr.Network([10, 16, 1], seed=i)
    net.fit(X, Y, epochs=15, learning_rate=1e-3)
    assert str(cr.diagnose(net, X, Y).findings) == "()"


def test_counts_are_numbers_and_pictures_may_have_dark_corners() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 4))
    counts = rng.poisson(np.exp(0.5 * X[:, 0])).astype(float)
    assert str(cr.diagnose(cr.Network([4, 16, 1]), X, counts).findings) == "()"
    pixels = load_digits().data / 16
    assert str(cr.diagnose(cr.Network([64, 16, 64]), pixels, pixels).findings) == "()"


def test_weights_of_another_usual_start_are_not_too_small() -> None:
    X, y = make_moons(300, noise=0.15, random_state=0)
    perceptron = cr.MLPClassifier(random_state=0, early_stopping=True, alpha=0.01).fit(X, y)
    assert str(cr.diagnose(perceptron.network_, X, y).findings) == "()"


def test_a_network_is_not_changed() -> None:
    net, X, Y, _ = case(0)
    train(net, X, Y, epochs=2)
    weights, history = net.parameters.copy(), net.history
    cr.diagnose(net, X, Y, learning_rate=10.0)
    np.testing.assert_array_equal(net.parameters, weights)
    assert net.history is history


def test_the_last_training_is_remembered_also_when_it_diverged() -> None:
    X, Y, _ = samples(1)
    net = network(X, False, 0)
    with pytest.raises(cr.DivergenceError):
        net.fit(X, Y, optimizer="sgd", learning_rate=1e6)
    assert net.history is not None
    assert net.history.stop_reason == "diverged"
    first = cr.diagnose(net, X, Y).findings[0]
    assert first.cause == "learning rate too high"
    assert "diverged" in first.evidence


def test_of_two_learning_rates_the_one_passed_counts() -> None:
    net, X, Y, _ = case(0)
    train(net, X, Y, epochs=1, learning_rate=1e-3)
    by_optimizer = cr.optimizers.Adam(learning_rate=30.0)
    given: dict[str, Any]
    for given in ({"learning_rate": 30.0}, {"optimizer": by_optimizer}):
        found = cr.diagnose(net, X, Y, **given)
        assert "learning rate too high" in found.causes


def test_the_factor_per_layer_is_that_of_the_trace() -> None:
    net, X, Y, _ = case(1, [8] * 6, "sigmoid", dtype="float64")
    found, t = cr.diagnose(net, X, Y), cr.trace(net, X, Y)
    norms = [np.sqrt((lam**2).sum()) for lam in t.lambda_[1:]]
    for row, here, above in zip(found.table, norms, norms[1:], strict=False):
        assert row.factor == pytest.approx(here / above)
    assert found.table[-1].factor is None
    factor = (norms[0] / norms[-1]) ** (1 / 6)
    assert f"a factor of {factor:.2g} per layer" in found.findings[0].evidence


def test_the_table_is_of_the_quantities_of_the_trace() -> None:
    net, X, Y, _ = case(0, [6, 4], "tanh", dtype="float64")
    t = cr.trace(net, X, Y)
    for L, row in enumerate(cr.diagnose(net, X, Y).table, 1):
        assert (row.layer, row.units) == (L, net.layer_sizes[L])
        for symbol, scale in (("rho", 1), ("phi", 1), ("omega", len(X)), ("lambda_", len(X))):
            values = getattr(t, symbol)[L] * scale
            expected = (values.mean(), values.std(), values.min(), values.max())
            np.testing.assert_allclose(getattr(row, symbol), expected, atol=1e-12)


def test_the_update_is_that_of_a_step() -> None:
    net, X, Y, _ = case(1, [6], "tanh", dtype="float64")
    found = cr.diagnose(net, X, Y, optimizer="sgd", learning_rate=0.1)
    for row, W, dW in zip(found.table, net.weights, net.gradients(X, Y).weights, strict=True):
        assert row.update == pytest.approx(0.1 * np.linalg.norm(dW) / np.linalg.norm(W))


def test_the_report_in_all_its_forms() -> None:
    net, X, Y, given = broken.biases_below_zero(0)
    found = cr.diagnose(net, X, Y, **given)
    text, record = str(found), json.loads(found.to_json())
    assert "1. dead relus in layer 1: 32 of 32 relu units" in text
    assert text.splitlines()[0].split()[-4:] == ["factor", "flat", "dead", "update/W"]
    assert record["findings"][0]["cause"] == "dead relus"
    assert record["table"][0]["dead"] == 1
    assert "<b>dead relus in layer 1</b>" in found._repr_html_()
    assert not found.healthy
    healthy = cr.diagnose(*case(0)[:3])
    assert healthy.healthy
    assert "Nothing found." in str(healthy)
    assert "Nothing found." in healthy._repr_html_()


def test_json_has_no_numbers_that_json_does_not_know() -> None:
    net, X, Y, given = broken.a_weight_that_is_nan(0)
    record = json.loads(cr.diagnose(net, X, Y, **given).to_json(), parse_constant=pytest.fail)
    assert record["loss"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": 0}, "learning_rate must be a number above 0, but is 0"),
        ({"learning_rate": "fast"}, "learning_rate must be a number above 0, but is 'fast'"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, but is 0"),
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"net": cr.MLPClassifier()}, "a MLPClassifier: of an estimator pass its network_"),
        ({"X": [[1.0]]}, "X has 1 columns, but this network takes 5"),
    ],
)
def test_misuse_is_refused(arguments: dict[str, Any], message: str) -> None:
    net, X, Y, _ = case(0)
    with pytest.raises(cr.InputError, match=re.escape(message)):
        cr.diagnose(**{"net": net, "X": X, "Y": Y, **arguments})


@pytest.mark.parametrize("n", [1, 2])
def test_a_sample_or_two_will_do(n: int) -> None:
    net, X, Y, _ = case(1)
    assert cr.diagnose(net, X[:n], Y[:n], learning_rate=1e-3).n_rows == n


def test_the_best_constant_prediction() -> None:
    Y = np.array([[0.0], [0.0], [3.0]])
    assert naive_loss(cr.losses.get("squared_error"), Y) == pytest.approx(1.0)  # the mean, 1
    assert naive_loss(cr.losses.get("absolute_error"), Y) == pytest.approx(1.0)  # the median, 0
    one_hot = np.array([[1.0, 0], [1, 0], [0, 1]])
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    assert naive_loss(cr.losses.get("cross_entropy"), one_hot) == pytest.approx(entropy)


def test_what_looks_like_classes() -> None:
    def classes(values: list[float]) -> list[float]:
        return data_rules.class_numbers(np.repeat(values, 10)[:, None])

    assert classes([1, 2, 3]) == [1, 2, 3]
    assert classes([-1.5, 0, 1.5]) == [-1.5, 0, 1.5]
    assert classes([0, 1]) == []  # have no order that could be wrong
    assert classes([0.1, 0.27, 0.9]) == []
    assert data_rules.class_numbers(np.arange(100.0)[:, None]) == []


def test_rises_of_a_few_epochs_say_nothing() -> None:
    assert training_rules.rises(cr.History(loss=[1.0, 2.0, 1.0])) == 0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_table(path: Path, scale: float = 1.0) -> None:
    X, Y, _ = samples(0)
    names = np.array(["low", "middle", "high"])[Y]
    frame = pl.DataFrame(X * scale, schema=[f"x{k}" for k in range(5)])
    frame.with_columns(pl.Series("level", names)).write_csv(path)


def test_command_line_with_the_preprocessing_of_training(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(here / "t.csv", scale=1000)  # which the preprocessing takes care of
    options = ["--target", "level", "--epochs", "15", "--hidden", "16"]
    assert main(["train", "t.csv", *options, "-o", "model.safetensors"]) == 0
    capsys.readouterr()
    model = ["diagnose", "model.safetensors", "--data", "t.csv"]
    assert main([*model, "--learning-rate", "0.001"]) == 0
    assert "Nothing found." in capsys.readouterr().out
    assert main([*model, "--target", "level", "--learning-rate", "50", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["findings"][0]["cause"] == "learning rate too high"


def test_command_line_with_a_plain_network(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net, X, _, _ = broken.biases_below_zero(0)
    net.save("m.safetensors")
    frame = pl.DataFrame(X, schema=[f"x{k}" for k in range(5)])
    frame.with_columns(y=pl.Series(samples(0)[1])).write_csv(here / "t.csv")
    assert main(["diagnose", "m.safetensors", "--data", "t.csv", "--target", "y"]) == 0
    assert "dead relus in layer 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "lvl"], "this network was trained to predict 'level', not 'lvl'"),
        (["--learning-rate", "-1"], "learning_rate must be a number above 0"),
    ],
)
def test_command_line_misuse(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    write_table(here / "t.csv")
    options = ["--target", "level", "--epochs", "1", "--hidden", "4"]
    main(["train", "t.csv", *options, "-o", "model.safetensors"])
    capsys.readouterr()
    assert main(["diagnose", "model.safetensors", "--data", "t.csv", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_command_line_of_a_plain_network_needs_the_target(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case(0)[0].save("m.safetensors")
    write_table(here / "t.csv")
    call = ["diagnose", "m.safetensors", "--data", "t.csv"]
    for more, message in (
        ([], "pass --target COLUMN"),
        (["--target", "levl"], "there is no column 'levl' in the table; did you mean 'level'?"),
        (["--target", "level"], "write class numbers from 0"),
    ):
        assert main([*call, *more]) == 2
        assert message in capsys.readouterr().err
