"""From the outputs of the networks to predictions: of networks whose outputs are chosen here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = np.digitize(X[:, 0] + X[:, 1], [-0.7, 0.7])
NUMBERS = X[:, 0] * X[:, 1]
SHORT: dict[str, Any] = {"tol": 1e9, "n_iter_no_change": 1, "random_state": 0}
"""Ends after three epochs, because none of them improves by that much."""


def answering(model: Any, *outputs: Any) -> Any:
    """Return the model, whose networks now answer to anything with these numbers."""
    for network, numbers in zip(model.networks_, outputs, strict=True):
        network.weights[-1][:] = 0
        network.biases[-1][:] = numbers
    return model


# Regression.


@pytest.mark.parametrize(
    ("levels", "middle"),
    [((0.4, 0.5, 0.6), 3.0), ((0.1, 0.3, 0.45), 5.0), ((0.6, 0.9, 0.95), 1.0)],
)
def test_quantiles_that_cross_are_sorted(levels: tuple[float, ...], middle: float) -> None:
    model = cr.MLPRegressor("quantile", quantiles=levels, **SHORT).fit(X, NUMBERS)
    answering(model, 5.0, 1.0, 3.0)
    np.testing.assert_array_equal(model.predict_quantiles(X[:2]), [[1, 3, 5], [1, 3, 5]])
    np.testing.assert_array_equal(model.predict(X[:2]), [middle, middle])


def test_the_spread_is_that_of_the_mixture() -> None:
    model = cr.MLPRegressor(n_estimators=3, **SHORT).fit(X, NUMBERS)
    np.testing.assert_allclose(
        answering(model, 0.0, 1.0, 5.0).predict_std(X[:1]), np.std([0, 1, 5])
    )
    model = cr.MLPRegressor("gaussian_nll", n_estimators=2, **SHORT).fit(X, NUMBERS)
    answering(model, [0.0, np.log(1.0)], [2.0, np.log(3.0)])
    assert model.predict(X[:1]) == pytest.approx([1.0])
    assert model.predict_std(X[:1]) ** 2 == pytest.approx([(1 + 3) / 2 + np.var([0, 2])])


@pytest.mark.parametrize("loss", ["squared_error", "gaussian_nll"])
def test_outputs_are_counted_as_those_of_y(loss: str) -> None:
    model = cr.MLPRegressor(loss, **SHORT)
    assert model.fit(X, X[:, :2]).n_outputs_ == 2
    assert model.predict(X).shape == (60, 2)
    assert model.fit(X, X[:, 0]).n_outputs_ == 1


# Classification.


@pytest.mark.parametrize("y", [Y % 2, (X[:, :3] > 0).astype(int)], ids=["binary", "multilabel"])
def test_decisions_agree_with_predictions(y: Any) -> None:
    model = cr.MLPClassifier(loss="squared_error", output_activation="identity", random_state=0)
    model.set_params(learning_rate_init=0.02, tol=1e-3).fit(X, y)
    outputs = model.network_.predict(X)
    assert ((outputs > 0) & (outputs < 0.5)).any()
    np.testing.assert_array_equal(model.decision_function(X) > 0, model.predict(X))


@pytest.mark.parametrize("share", [0.45, 0.55])
def test_two_softmax_outputs_decide_at_one_half(share: float) -> None:
    model = cr.MLPClassifier(loss="cross_entropy", **SHORT).fit(X, Y % 2)
    answering(model, np.log([1 - share, share]))
    np.testing.assert_allclose(model.predict_proba(X[:1]), [[1 - share, share]])
    assert model.predict(X[:1]) == [share > 0.5]


def test_sigmoids_that_are_all_zero_say_nothing() -> None:
    model = cr.MLPClassifier(loss="binary_cross_entropy", **SHORT).fit(X, Y)
    answering(model, [-1e4, -1e4, -1e4])
    np.testing.assert_array_equal(model.network_.predict(X[:1]), [[0, 0, 0]])
    np.testing.assert_allclose(model.predict_proba(X[:1]), [[1 / 3, 1 / 3, 1 / 3]])


def test_predictions_are_of_the_loss_that_was_trained_with() -> None:
    model = cr.MLPClassifier(random_state=0, learning_rate_init=0.02, tol=1e-3).fit(X, Y % 2)
    before = model.predict(X)
    assert set(before) == {0, 1}
    np.testing.assert_array_equal(model.set_params(loss="hinge").predict(X), before)


# Parameters.


def test_one_layer_can_be_assigned() -> None:
    model = cr.MLPRegressor(hidden_layer_sizes=(), **SHORT).fit(X, NUMBERS)
    model.coefs_[0] = np.ones((4, 1))
    model.intercepts_[0] = np.array([2.0])
    np.testing.assert_allclose(model.predict(X), X.sum(axis=1) + 2)
    with pytest.raises(cr.InputError, match="coefs_"):
        model.coefs_[0] = np.ones((1, 4))
    with pytest.raises(cr.InputError, match="intercepts_"):
        model.intercepts_[0] = np.ones(4)
    np.testing.assert_allclose(model.predict(X), X.sum(axis=1) + 2)


def test_parameters_cannot_be_assigned_before_fit() -> None:
    with pytest.raises(cr.InputError, match=r"coefs_ cannot be set before fit.*call fit"):
        cr.MLPRegressor().coefs_ = [np.ones((4, 1))]
    with pytest.raises(cr.InputError, match=r"intercepts_ cannot be set before fit.*call fit"):
        cr.MLPRegressor().intercepts_ = [np.ones(1)]
