"""When the estimators stop, what they are scored on until then, and what is warned of.

A warning that is not expected fails a test, so that those without `pytest.warns` state that there
is none.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

import chainrule as cr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = (X[:, 0] + 0.5 * RNG.normal(size=60) > 0).astype(int)
NUMBERS = X[:, 0] * X[:, 1]
RARE = np.where(np.arange(60) % 10 == 0, "rare", "often")
SHORT: dict[str, Any] = {"tol": 1e9, "n_iter_no_change": 1, "random_state": 0}
"""Ends after three epochs, because none of them improves by that much."""


class OnlyOf(cr.Callback):
    """Does something after each epoch of some networks of an ensemble."""

    def __init__(self, places: set[int], act: Callable[[Any], Any]) -> None:
        self.places, self.act = places, act
        self.seen: list[Any] = []

    def on_train_begin(self, progress: Any) -> None:
        self.seen.append(progress)

    def on_epoch_end(self, progress: Any) -> None:
        if any(self.seen[place] is progress for place in self.places):
            self.act(progress)


# Warnings.


@pytest.mark.parametrize("reason", ["good enough", "epochs", "max_fun"])
def test_an_end_that_a_callback_asked_for_is_not_warned_of(reason: str) -> None:
    model = cr.MLPClassifier(random_state=0).set_callbacks(lambda progress: progress.stop(reason))
    assert model.fit(X, Y).n_iter_ == 1
    assert model.history_.stop_reason == reason


def test_early_stopping_as_a_callback_restores_the_best_weights() -> None:
    model = cr.MLPRegressor(learning_rate_init=0.05, random_state=0)
    model.set_callbacks(cr.EarlyStopping(patience=2))
    model.fit(X[:30], NUMBERS[:30], validation_data=(X[30:], NUMBERS[30:]))
    losses = model.history_.val_loss
    assert model.history_.stop_reason == "early stopping"
    assert min(losses) < losses[-1]
    assert model.network_.loss_value(X[30:], NUMBERS[30:]) == pytest.approx(min(losses))


def test_early_stopping_as_a_callback_waits_for_each_network_by_itself() -> None:
    model = cr.MLPRegressor(n_estimators=3, learning_rate_init=0.05, random_state=0)
    model.set_callbacks(cr.EarlyStopping(patience=3))
    model.fit(X[:30], NUMBERS[:30], validation_data=(X[30:], NUMBERS[30:]))
    assert [h.epochs - h.best_epoch for h in model.histories_] == [3, 3, 3]


def test_lbfgs_without_enough_evaluations_is_warned_of() -> None:
    model = cr.MLPRegressor(solver="lbfgs", max_fun=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match="larger max_fun"):
        model.fit(X, NUMBERS)


def test_a_schedule_with_a_plan_is_followed_to_its_end() -> None:
    model = cr.MLPRegressor(schedule="cosine", max_iter=30, **SHORT).fit(X, NUMBERS)
    assert model.n_iter_ == 30


def test_a_schedule_without_an_end_may_not_converge() -> None:
    model = cr.MLPRegressor(schedule="step", max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\) reached"):
        model.fit(X, NUMBERS)


def test_the_networks_that_did_not_converge_are_counted() -> None:
    stop = OnlyOf({0, 2}, lambda progress: progress.stop())
    model = cr.MLPRegressor(n_estimators=3, max_iter=3, random_state=0).set_callbacks(stop)
    with pytest.warns(ConvergenceWarning, match=r"^1 of 3 networks: Maximum iterations \(3\)"):
        model.fit(X, NUMBERS)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_one_network_of_several_diverges(early_stopping: bool) -> None:
    def ruin(progress: Any) -> None:
        progress.parameters[:] = math.nan

    model = cr.MLPRegressor(n_estimators=2, early_stopping=early_stopping, **SHORT)
    model.set_callbacks(OnlyOf({0}, ruin))
    if early_stopping:
        with pytest.warns(ConvergenceWarning, match="diverged"):
            model.fit(X, NUMBERS)
        # the epoch after which it was ruined, and the one that was not completed
        assert model.validation_scores_ == pytest.approx([math.nan, math.nan], nan_ok=True)
        assert model.n_iter_ == 1
    else:
        with pytest.raises(cr.DivergenceError, match="non-finite"):
            model.fit(X, NUMBERS)
    assert [history.stop_reason for history in model.histories_] == ["diverged", "converged"]


# Scores.


@pytest.mark.parametrize("loss", ["gaussian_nll", cr.losses.gaussian_nll, "quantile(0.9)"], ids=str)
def test_losses_that_are_of_no_mean_are_followed_themselves(loss: Any) -> None:
    held = (X[30:], NUMBERS[30:])
    model = cr.MLPRegressor(loss, early_stopping=True, n_iter_no_change=3, learning_rate_init=0.05)
    model.set_params(random_state=0).fit(X[:30], NUMBERS[:30], validation_data=held)
    losses = model.history_.val_loss
    np.testing.assert_array_equal(model.validation_scores_, -np.array(losses))
    assert min(losses) < losses[-1]
    assert model.network_.loss_value(*held) == pytest.approx(min(losses))


def test_weights_in_validation_data_change_the_scores() -> None:
    held = (X[30:], Y[30:], np.where(Y[30:] == 1, 7.0, 0.5))
    model = cr.MLPClassifier(**SHORT).fit(X[:30], Y[:30], validation_data=held)
    assert model.validation_scores_[-1] == model.score(*held)
    assert model.score(*held) != model.score(*held[:2])
    assert model.history_.val_loss[-1] == pytest.approx(
        model.network_.loss_value(held[0], held[1][:, None], held[2])
    )


def test_weights_of_classes_do_not_enter_the_score_of_samples_held_out() -> None:
    model = cr.MLPClassifier(class_weight={0: 1, 1: 9}, early_stopping=True, **SHORT)
    by_loss, by_probability = (
        model.set_params(scoring=scoring).fit(X, Y).validation_scores_
        for scoring in ("loss", "neg_log_loss")
    )
    np.testing.assert_allclose(by_loss, by_probability)

    told: list[Any] = []

    def scorer(*_: Any, sample_weight: Any = None) -> float:
        told.append(sample_weight)
        return 0.0

    model.set_params(scoring=scorer).fit(X, Y)
    assert {weight is None for weight in told} == {True}
    told.clear()
    weights = np.random.default_rng(1).uniform(1, 2, 60)
    model.fit(X, Y, sample_weight=weights)
    assert all(np.isin(weight, weights).all() for weight in told)


@pytest.mark.parametrize("loss", ["log_loss", "cross_entropy"])
def test_two_classes_keep_their_proportion_among_samples_held_out(loss: str) -> None:
    rare: list[int] = []

    def scorer(*given: Any) -> float:
        rare.append((given[-1] == "rare").sum())
        return 0.0

    for seed in range(5):
        model = cr.MLPClassifier(loss=loss, early_stopping=True, validation_fraction=1 / 6)
        model.set_params(**SHORT | {"random_state": seed}, scoring=scorer).fit(X, RARE)
    assert set(rare) == {1}


def test_validation_data_alone_neither_stops_nor_restores() -> None:
    settings: dict[str, Any] = {"learning_rate_init": 0.02, "tol": 1e-3, "random_state": 0}
    alone = cr.MLPClassifier(**settings).fit(X, Y)
    scored = cr.MLPClassifier(**settings).fit(X, Y, validation_data=(X, 1 - Y))
    assert max(scored.validation_scores_) > scored.validation_scores_[-1]
    assert scored.n_iter_ == alone.n_iter_ > 20
    np.testing.assert_array_equal(scored.network_.parameters, alone.network_.parameters)


def test_a_score_that_is_nan_is_not_the_best() -> None:
    # the first is asked for before any epoch, to see whether the scorer works
    given = iter([0.0, math.nan, 0.5, math.nan, 0.4, *[0.3] * 20])
    model = cr.MLPClassifier(early_stopping=True, scoring=lambda model, X, y: next(given))
    model.set_params(n_iter_no_change=2, random_state=0).fit(X, Y)
    assert model.validation_scores_[:4] == pytest.approx(
        [math.nan, 0.5, math.nan, 0.4], nan_ok=True
    )
    assert model.best_validation_score_ == 0.5


def test_predictions_that_are_not_finite_score_nan() -> None:
    def ruin(progress: Any) -> None:
        progress.parameters[:] = math.nan
        progress.stop()

    model = cr.MLPRegressor(early_stopping=True, random_state=0).set_callbacks(ruin)
    model.fit(X, NUMBERS)
    assert model.validation_scores_ == pytest.approx([math.nan], nan_ok=True)


def test_a_frame_and_a_scorer_are_not_warned_of() -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = cr.MLPClassifier(early_stopping=True, scoring="accuracy", **SHORT)
    assert len(model.fit(frame, Y).validation_scores_) == model.n_iter_


@pytest.mark.parametrize("weighted", [False, True])
def test_scorers_that_fail_are_refused_before_any_epoch(weighted: bool) -> None:
    epochs: list[Any] = []

    def takes_no_weights(*_: Any) -> float:
        return 0.0

    def fails(*_: Any) -> float:
        raise KeyError("column")

    model = cr.MLPClassifier(scoring=takes_no_weights if weighted else fails, early_stopping=True)
    model.set_callbacks(epochs.append)
    weights = "with their weights" if weighted else ""
    with pytest.raises(cr.InputError, match=f"scoring=.* fails on the samples.*{weights}"):
        model.fit(X, Y, sample_weight=np.ones(60) if weighted else None)
    assert not epochs
    assert not hasattr(model, "networks_")


def test_networks_hold_out_samples_of_their_own_and_those_of_all_quantiles_share_them() -> None:
    held: dict[str, dict[int, tuple[float, ...]]] = defaultdict(dict)

    def scorer(model: Any, _: Any, y: Any) -> float:
        held[model.network_.architecture.loss.name][id(model.network_)] = tuple(y)
        return 0.0

    model = cr.MLPRegressor("quantile", quantiles=(0.2, 0.8), n_estimators=3, scoring=scorer)
    model.set_params(early_stopping=True, **SHORT).fit(X, NUMBERS)
    low, high = (list(by_network.values()) for by_network in held.values())
    assert len(set(low)) == 3
    assert low == high


def test_a_callback_that_changes_the_weights_changes_the_best_ones() -> None:
    def bound(progress: Any) -> None:
        for W in progress.weights:
            np.clip(W, -0.1, 0.1, out=W)

    held = (X[30:], Y[30:])
    model = cr.MLPClassifier(early_stopping=True, random_state=0, learning_rate_init=0.05)
    model.set_callbacks(bound).fit(X[:30], Y[:30], validation_data=held)
    assert max(np.abs(W).max() for W in model.coefs_) <= 0.1
    assert model.score(*held) == model.best_validation_score_


# lbfgs.


def test_early_stopping_has_no_effect_on_lbfgs() -> None:
    alone, early, watched = (
        cr.MLPClassifier((3,), solver="lbfgs", alpha=1.0, early_stopping=early, random_state=0)
        for early in (False, True, True)
    )
    alone.fit(X, Y)
    early.fit(X, Y)
    watched.fit(X, Y, validation_data=(X, 1 - Y))
    assert max(watched.validation_scores_) > watched.validation_scores_[-1]
    for model in (early, watched):
        np.testing.assert_array_equal(model.network_.parameters, alone.network_.parameters)


def test_divergence_of_lbfgs_with_early_stopping_is_a_warning() -> None:
    model = cr.MLPRegressor(solver="lbfgs", early_stopping=True, random_state=0)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X, 1e200 * NUMBERS)
    assert np.isfinite(model.predict(X)).all()
