"""Estimators that were trained before: warm starts, epochs one by one, pickles, failed calls."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import SGDClassifier

import chainrule as cr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = np.digitize(X[:, 0] + X[:, 1], [-0.7, 0.7])
NUMBERS = X[:, 0] * X[:, 1]
SHORT: dict[str, Any] = {"tol": 1e9, "n_iter_no_change": 1, "random_state": 0}
"""Ends after three epochs, because none of them improves by that much."""


def parameters(model: Any) -> Any:
    return model.network_.parameters


@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "adam"},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 2},
    ],
    ids=str,
)
def test_a_pickle_goes_on_where_it_was(settings: dict[str, Any]) -> None:
    model = cr.MLPRegressor(batch_size=7, random_state=0, **settings)
    packed = cr.MLPRegressor(batch_size=7, random_state=0, **settings)
    for _ in range(8):
        model.partial_fit(X, NUMBERS)
        packed = pickle.loads(pickle.dumps(packed)).partial_fit(X, NUMBERS)
        assert packed.history_.learning_rate == model.history_.learning_rate
    if settings["solver"] == "sgd":
        assert model.history_.learning_rate[-1] < 0.001
    np.testing.assert_array_equal(parameters(packed), parameters(model))
    assert packed.loss_curve_ == model.loss_curve_


def test_the_samples_to_validate_on_are_not_kept() -> None:
    many: Any = np.tile(X, (300, 1))
    labels, there = np.tile(Y, 300), weakref.ref(many)
    model = cr.MLPClassifier((3,), scoring="accuracy", early_stopping=True, **SHORT)
    model.fit(X, Y, validation_data=(many, labels))
    assert len(pickle.dumps(model)) < 20_000 < many.nbytes / 20
    del many
    gc.collect()
    assert there() is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"optimizer": "momentum"}, {"optimizer": "rmsprop"}),
        ({"solver": "adam"}, {"solver": "sgd"}),
        ({"solver": "sgd"}, {"solver": "adam"}),
    ],
    ids=str,
)
def test_another_optimizer_starts_afresh(before: dict[str, Any], after: dict[str, Any]) -> None:
    model = cr.MLPRegressor(batch_size=20, shuffle=False, random_state=0, **before)
    for _ in range(3):
        model.partial_fit(X, NUMBERS)
    fresh = copy.deepcopy(model).set_params(**after, warm_start=True, max_iter=1)
    with pytest.warns(ConvergenceWarning):  # fit makes a new optimizer
        fresh.fit(X, NUMBERS)
    model.set_params(**after).partial_fit(X, NUMBERS)
    np.testing.assert_array_equal(parameters(model), parameters(fresh))


def test_weights_of_classes_and_a_chunk_that_lacks_one() -> None:
    weights, some = {0: 3.0, 2: 5.0}, Y != 2
    by_class, by_sample = (
        cr.MLPClassifier(class_weight=given, random_state=0) for given in (weights, None)
    )
    for rows in (some, slice(None)):
        by_class.partial_fit(X[rows], Y[rows], classes=[0, 1, 2])
        weight = np.array([weights.get(label, 1.0) for label in Y[rows]])
        by_sample.partial_fit(X[rows], Y[rows], weight, classes=[0, 1, 2])
    np.testing.assert_array_equal(parameters(by_class), parameters(by_sample))


@pytest.mark.parametrize("weights", [{2: 5.0}, {0: 1.0, 7: 5.0}, {7: 5.0}], ids=str)
def test_weights_of_classes_are_refused_where_another_classifier_does(weights: Any) -> None:
    some, said = Y != 2, []
    for made in (cr.MLPClassifier, SGDClassifier):
        try:
            made(class_weight=weights).partial_fit(X[some], Y[some], classes=[0, 1, 2])
            said.append("")
        except ValueError as error:
            said.append(str(error))
    assert said[0] == said[1]


def test_after_a_divergence_a_smaller_learning_rate_goes_on() -> None:
    model = cr.MLPRegressor(solver="sgd", batch_size=5, random_state=0)
    model.partial_fit(X, NUMBERS)
    with pytest.raises(cr.DivergenceError):
        model.set_params(learning_rate_init=1e6).partial_fit(X, NUMBERS)
    model.set_params(learning_rate_init=0.01)
    losses = [model.partial_fit(X, NUMBERS).loss_ for _ in range(5)]
    assert losses[-1] < losses[0] < 10


def test_partial_fit_has_no_schedule() -> None:
    with pytest.raises(cr.InputError, match="partial_fit makes one epoch at a time"):
        cr.MLPRegressor(schedule="cosine").partial_fit(X, NUMBERS)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_warm_start_draws_new_dropout(dropout: float) -> None:
    model = cr.MLPRegressor(
        dropout=dropout, learning_rate_init=1e-12, shuffle=False, warm_start=True, **SHORT
    )
    losses = [model.fit(X, NUMBERS).history_.loss[0] for _ in range(3)]
    assert len(np.unique(np.round(losses, 6))) == (3 if dropout else 1)


def test_a_warm_start_keeps_the_dtype() -> None:
    model = cr.MLPRegressor(warm_start=True, **SHORT).fit(X, NUMBERS)
    model.fit(X.astype(np.float32), NUMBERS)
    assert {array.dtype.name for array in model.coefs_ + model.intercepts_} == {"float64"}
    assert model.predict(X.astype(np.float32)).dtype == np.float64


class SignDescent(cr.Optimizer):
    """An optimizer that the native engine does not know."""

    def update(self, theta: Any, g: Any, state: Any, eta: float, t: int) -> None:
        theta -= eta * np.sign(g)


OWN = cr.Loss("quartic", lambda p, y: (p - y) ** 4, lambda p, y: 4 * (p - y) ** 3)
WRONG: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "optimizer": ({"optimizer": "adagard"}, {}),
    "schedule": ({"schedule": "cosin"}, {}),
    "scoring": ({"scoring": "acuracy"}, {}),
    "method": ({"optimizer": "lm"}, {}),
    "method and dropout": ({"solver": "lbfgs", "dropout": 0.5}, {}),
    "method and schedule": ({"solver": "lbfgs", "schedule": "cosine"}, {}),
    "engine": ({"engine": "native", "loss": OWN}, {}),
    "weight_init": ({"weight_init": "he_"}, {}),
    "score": ({"scoring": lambda *_: "good", "early_stopping": True}, {}),
    "class_weight": ({"class_weight": {7: 1}}, {}),
    "validation_data": ({}, {"validation_data": (X, 3 + Y)}),
    "y": ({}, {"y": np.array([*Y[1:], None])}),
    "X": ({}, {"X": X[:, :2], "y": Y[:3]}),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_wrong_call_leaves_a_model_as_it_was(wrong: str, warm_start: bool) -> None:
    settings, given = WRONG[wrong]
    call = {"X": X, "y": Y} | given
    model = cr.MLPClassifier(warm_start=warm_start, **SHORT).fit(X, Y % 2)
    model.set_params(**settings)
    before, predicted = dict(vars(model)), model.predict_proba(X)
    kept = model.loss_, model.n_iter_, list(model.loss_curve_)
    with pytest.raises(ValueError, match=r"."):
        model.fit(**call)
    assert set(vars(model)) == set(before)
    assert all(value is before[name] for name, value in vars(model).items())
    assert (model.loss_, model.n_iter_, model.loss_curve_) == kept
    np.testing.assert_array_equal(model.predict_proba(X), predicted)


@pytest.mark.parametrize(
    ("settings", "given"),
    [
        ({"optimizer": "adagard"}, {}),
        ({"schedule": "cosine"}, {}),
        ({"engine": "native", "optimizer": SignDescent()}, {}),
        ({}, {"y": np.array([*Y[1:], 7])}),
        ({}, {"X": X[:, :2]}),
    ],
    ids=["optimizer", "schedule", "engine", "y", "X"],
)
def test_a_wrong_epoch_leaves_a_model_as_it_was(
    settings: dict[str, Any], given: dict[str, Any]
) -> None:
    model, same = (
        cr.MLPClassifier(random_state=0).partial_fit(X, Y, classes=[0, 1, 2]) for _ in range(2)
    )
    usual = {name: model.get_params()[name] for name in settings}
    with pytest.raises(ValueError, match=r"."):
        model.set_params(**settings).partial_fit(**{"X": X, "y": Y} | given)
    model.set_params(**usual).partial_fit(X, Y)
    np.testing.assert_array_equal(parameters(model), parameters(same.partial_fit(X, Y)))
    assert model.loss_curve_ == same.loss_curve_


def test_a_wrong_warm_start_leaves_the_learning_rate_as_it_was() -> None:
    model = cr.MLPRegressor(
        solver="sgd", learning_rate="adaptive", warm_start=True, tol=10.0, n_iter_no_change=2
    )
    for _ in range(4):
        model.partial_fit(X, NUMBERS)
    reduced = model.partial_fit(X, NUMBERS).history_.learning_rate[-1]
    assert reduced < 0.001
    with pytest.raises(cr.InputError, match="pass one of them"):
        model.set_params(schedule="cosine").fit(X, NUMBERS)
    model.set_params(schedule=None).partial_fit(X, NUMBERS)
    assert model.history_.learning_rate[-1] == reduced


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_call_fits_nothing(wrong: str) -> None:
    settings, given = WRONG[wrong]
    model = cr.MLPClassifier(**SHORT).set_params(**settings)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=r"."):
        model.fit(**{"X": X, "y": Y} | given)
    assert vars(model) == before
    with pytest.raises(NotFittedError):
        model.predict(X)
