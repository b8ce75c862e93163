"""Scores, their intervals, baselines, and what predictions depend on."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

import chainrule as cr
from chainrule.evaluation import baselines, importance
from chainrule.evaluation.metrics import METRICS, bootstrap, find
from chainrule.evaluation.model import Model
from chainrule.numerics import Array
from chainrule.runs.config import Config
from chainrule.runs.preparing import prepare

RNG = np.random.default_rng(0)


def probabilities(n: int, k: int, rng: np.random.Generator = RNG) -> Array:
    p = rng.random((n, k)) + 0.01
    return p / p.sum(axis=1, keepdims=True)


@given(st.integers(2, 5), st.integers(0, 1000))
def test_scores_of_classes_are_scikit_learns(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.append(rng.integers(k, size=30), np.arange(k))
    p = probabilities(len(truth), k, rng)
    chosen = p.argmax(axis=1)
    auc = sk.roc_auc_score(truth, p[:, 1] if k == 2 else p, multi_class="ovr")
    expected = {
        "accuracy": sk.accuracy_score(truth, chosen),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, chosen),
        "f1": sk.f1_score(truth, chosen, average="macro", zero_division=0),
        "log_loss": sk.log_loss(truth, p),
        "roc_auc": auc,
    }
    for name, value in expected.items():
        assert METRICS[name].evaluate(truth, p) == pytest.approx(value)


@given(st.integers(0, 1000))
def test_scores_of_numbers_are_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, found = rng.normal(size=(2, 30))
    expected = {
        "rmse": sk.root_mean_squared_error(truth, found),
        "mae": sk.mean_absolute_error(truth, found),
        "median_error": sk.median_absolute_error(truth, found),
        "r2": sk.r2_score(truth, found),
    }
    for name, value in expected.items():
        assert METRICS[name].evaluate(truth, found) == pytest.approx(value)


def test_what_is_not_defined_is_nan() -> None:
    one, p = np.zeros(5, int), probabilities(5, 2)
    assert math.isnan(METRICS["roc_auc"].evaluate(one, p))
    assert math.isnan(METRICS["r2"].evaluate(np.ones(5), np.zeros(5)))
    assert math.isnan(METRICS["log_loss"].evaluate(one - 1, p))
    assert METRICS["accuracy"].evaluate(one - 1, p) == 0  # of a class never seen, all are wrong


def test_a_score_lies_in_its_interval_and_covers_what_it_should() -> None:
    metric = METRICS["rmse"]
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        score = bootstrap(metric, rng.normal(size=200), np.zeros(200), seed=seed)
        assert score.low < score.value < score.high
        covered += score.low < 1 < score.high
    assert 34 <= covered  # of 95%, 38 are expected


def test_many_rows_narrow_the_interval() -> None:
    truth = RNG.normal(size=40_000)
    few = bootstrap(METRICS["rmse"], truth[:10_000], np.zeros(10_000))
    many = bootstrap(METRICS["rmse"], truth, np.zeros(40_000))
    assert many.low < many.value < many.high
    assert (many.high - many.low) == pytest.approx((few.high - few.low) / 2, rel=0.3)


def test_all_rows_right_are_no_certainty() -> None:
    truth = np.zeros(30, int)
    score = bootstrap(METRICS["accuracy"], truth, np.eye(2)[truth])
    assert score.value == 1
    assert score.low == pytest.approx(0.8865, abs=1e-4)  # Wilson's for 30 of 30
    assert score.high == pytest.approx(1.0)


@pytest.mark.parametrize(("sign", "name"), [(1, "accuracy"), (-1, "log_loss")])
def test_better_is_positive_whatever_the_direction(sign: int, name: str) -> None:
    truth = RNG.integers(2, size=300)
    good, bad = 0.6 * np.eye(2)[truth] + 0.2, np.full((300, 2), 0.5)
    gain = bootstrap(METRICS[name], truth, good, bad)
    assert gain.low > 0
    assert bootstrap(METRICS[name], truth, bad, good).high < 0
    assert METRICS[name].greater_is_better is (sign > 0)


def test_metrics_have_defaults_and_tasks() -> None:
    assert find(None, "classification").name == "accuracy"
    assert find(None, "regression").name == "rmse"


def test_baselines_learn_and_see_only_their_inputs() -> None:
    X = RNG.normal(size=(400, 3)).astype(np.float32)
    y = X[:, 0] * 3 + (X[:, 1] > 0)
    (linear, boosting) = baselines.learned(X[:300], y[:300], X[300:], np.array([0, 1]), 0, 0)
    for found in (linear, boosting):
        assert METRICS["r2"].evaluate(y[300:], found.predicted) > 0.9
    blind = next(baselines.learned(X[:300], y[:300], X[300:], np.array([2]), 0, 0))
    assert METRICS["r2"].evaluate(y[300:], blind.predicted) < 0.2


def test_baselines_of_classes_give_probabilities_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MOST_ROWS", 50)
    X = RNG.normal(size=(200, 2))
    y = np.where(X[:, 0] > 0, 2, 0)  # class 1 is not there
    for found in baselines.learned(X, y, X, np.array([0, 1]), 3, 0):
        assert found.predicted.shape == (200, 3)
        assert found.n_rows == 50
        np.testing.assert_allclose(found.predicted.sum(axis=1), 1)
        assert METRICS["accuracy"].evaluate(y, found.predicted) > 0.9
    guess = baselines.naive(y, 3, 5)
    np.testing.assert_allclose(guess.predicted[0], np.bincount(y, minlength=3) / 200)


@pytest.fixture(scope="module")
def known() -> tuple[Model, Array, Array, pl.DataFrame]:
    """A network of known weights: 2 a + (city = Rome), and nothing of b."""
    n = 400
    frame = pl.DataFrame(
        {"a": RNG.normal(size=n), "b": RNG.normal(size=n), "city": ["Oslo", "Rome"] * (n // 2)}
    )
    frame = frame.with_columns(y=2 * pl.col("a") + (pl.col("city") == "Rome"))
    prepared = prepare(frame.clone(), None, Config(tables=("t",), target="y", hidden=()))
    columns = prepared.preprocessing
    net = cr.Network([len(columns.inputs), 1], dtype="float32")
    net.weights[0] = np.zeros_like(net.weights[0])
    net.weights[0][0, columns.inputs.index("a (scaled)")] = 1
    net.weights[0][0, columns.inputs.index("city = Rome")] = 0.5
    return Model(net, columns), prepared.held.X, prepared.held.truth, prepared.held.frame


def test_importance_finds_what_matters(known: tuple[Model, Array, Array, pl.DataFrame]) -> None:
    model, X, truth, _ = known
    before = X.copy()
    found, left_out = importance.permutation(model, METRICS["rmse"], X, truth, 0)
    assert [i.column for i in found] == ["a", "city", "b"]
    assert found[0].fall > 5 * abs(found[1].fall) > 0
    assert found[2].fall == 0
    assert left_out == 0
    np.testing.assert_array_equal(X, before)


def test_dependence_follows_a_column(known: tuple[Model, Array, Array, pl.DataFrame]) -> None:
    model, X, _, frame = known
    a, city = importance.partial_dependence(model, X, frame, ["a", "city"], 0)
    curve = np.array(a.curves["y"])
    assert (np.diff(curve) >= 0).all()
    assert curve[-1] > curve[0] + 1
    heights = dict(zip(city.values, city.curves["y"], strict=True))
    scale = model.preprocessing.target.scale
    assert heights["Rome"] - heights["Oslo"] == pytest.approx(0.5 * scale, rel=0.2)
    assert sum(city.counts) == len(frame)


def test_of_very_many_columns_the_strongest_are_tried(
    known: tuple[Model, Array, Array, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, X, truth, _ = known
    monkeypatch.setattr(importance, "_MOST_COLUMNS", 1)
    found, left_out = importance.permutation(model, METRICS["rmse"], X, truth, 0)
    assert ([i.column for i in found], left_out) == (["a"], 2)
