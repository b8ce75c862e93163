"""Bad data is refused in words that help, and odd data trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array

import chainrule as cr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = (X[:, 0] > 0).astype(int)
NUMBERS = 2 * X[:, 0]
WORDS = np.array(["no", "yes"], object)[Y]
BOTH = pytest.mark.parametrize("made", [cr.MLPClassifier, cr.MLPRegressor])


def with_one(values: Any, wrong: Any) -> Any:
    """Return the values as objects, with a wrong one in row 3."""
    changed = np.array(values, object)
    changed[3] = wrong
    return changed


# Inputs.


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.where(np.arange(4) == 1, np.nan, X), "Input X contains NaN"),
        (pd.DataFrame(X).astype("Float64").mask(X > 2), "Input X contains NaN"),
        (csr_array(np.where(X > 2, np.nan, X)), "Input X contains NaN"),
        (np.where(X > 2, np.inf, X), "Input X contains infinity"),
        (X + 1j, "Complex data not supported"),
        (np.array([["a", "b"]] * 60), "could not convert string to float"),
        (pd.DataFrame(X, columns=list("abcd")).assign(e="x"), "could not convert string to float"),
        (pl.DataFrame({"a": ["x"] * 60}), "could not convert string to float"),
        (X[:, :, None], "Found array with dim 3"),
        (X[:, 0], "Expected 2D array, got 1D array"),
        (X[:, :0], r"0 feature\(s\)"),
        (X[:0], r"0 sample\(s\)"),
        (X[:5], "inconsistent numbers of samples"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
@BOTH
def test_inputs_that_are_refused(made: Any, inputs: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made().fit(inputs, Y)


@BOTH
def test_predictions_refuse_what_training_does(made: Any) -> None:
    model = made(max_iter=2).fit(X, Y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.predict(np.where(X > 2, np.nan, X))
    with pytest.raises(ValueError, match="X has 3 features, but"):
        model.predict(X[:, :3])


@BOTH
def test_names_of_columns_that_are_no_names(made: Any) -> None:
    with pytest.raises(TypeError, match="convert them all to strings"):
        made().fit(pd.DataFrame(X, columns=["a", 1, 2, 3]), Y)
    with pytest.raises(Exception, match=r"(?i)unique column names"):
        made().fit(pd.DataFrame(X, columns=["a", "b", "c", "a"]), Y)
    assert not hasattr(made(max_iter=2).fit(pd.DataFrame(X), Y), "feature_names_in_")


def test_columns_that_are_constant_teach_nothing_and_do_no_harm() -> None:
    constant = np.where(np.arange(4) == 2, 5.0, X)
    model = cr.MLPClassifier(max_iter=50, learning_rate_init=0.02, random_state=0)
    assert model.fit(constant, Y).score(constant, Y) > 0.9


# Targets.


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (with_one(Y, None), "y contains None in row 3, which is no label"),
        (with_one(WORDS, None), "y contains None in row 3, which is no label"),
        (with_one(WORDS, np.nan), "y contains NaN in row 3, which is no label"),
        (pd.Series(with_one(WORDS, None), dtype="string"), "y contains <NA> in row 3"),
        (pd.Series(with_one(Y, pd.NA), dtype="Int64"), "y contains (NaN|<NA>)"),
        (pd.Series(with_one(WORDS, None), dtype="category"), "y contains NaN in row 3"),
        (pl.Series(with_one(WORDS, None).tolist()), "y contains None in row 3"),
        (pl.Series(with_one(Y, None).tolist()), "Input y contains NaN"),
        (np.where(Y == 1, np.inf, 0), "Input y contains infinity"),
        (with_one(WORDS, 7), r"types int, str, which have no order.*astype\(str\)"),
        (NUMBERS, "Unknown label type: continuous"),
        (Y + 1j, "Complex data not supported"),
        (None, "requires y to be passed"),
        ([], r"0 sample\(s\)"),
        (np.zeros((60, 0), int), r"0 feature\(s\)"),
        (np.stack([Y + Y[::-1], Y], axis=1), "(?i)multioutput target data is not supported"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_labels_that_are_refused(y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cr.MLPClassifier().fit(X, y)


def test_labels_that_were_not_there_before_are_named() -> None:
    model = cr.MLPClassifier(max_iter=2).partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"y has the labels 2, 3, which are not among \[0 1\]"):
        model.partial_fit(X, Y + 2)
    with pytest.raises(cr.InputError, match="validation_data: y has the labels 2, 3, which"):
        model.fit(X, Y, validation_data=(X, Y + 2))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (with_one(NUMBERS, None), "contains NaN|has nan in row 3"),
        (with_one(NUMBERS, np.nan), "contains NaN|has nan in row 3"),
        (np.where(Y == 1, np.nan, 0), "Input y contains NaN"),
        (pd.Series(with_one(Y, pd.NA), dtype="Int64"), "Input y contains NaN"),
        (pl.Series(with_one(NUMBERS, None).tolist()), "Input y contains NaN"),
        (np.where(Y == 1, np.inf, 0), "Input y contains infinity"),
        (NUMBERS + 1j, "Complex data not supported"),
        (WORDS, "could not convert string to float"),
        (None, "requires y to be passed"),
        ([], r"0 sample\(s\)"),
        (np.zeros((60, 2, 2)), "Found array with dim 3"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_numbers_that_are_refused(y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cr.MLPRegressor().fit(X, y)


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        ("poisson", NUMBERS, "poisson takes targets of at least 0, but Y has -.* in row 1"),
        ("gamma", 0 * NUMBERS, "gamma takes targets above 0, but Y has 0.0 in row 0"),
        ("binary_cross_entropy", NUMBERS, r"takes targets in \[0, 1\]"),
        ("hinge", Y, "takes targets -1 and 1"),
    ],
)
def test_numbers_that_a_loss_does_not_take(loss: str, y: Any, message: str) -> None:
    with pytest.raises(cr.InputError, match=message):
        cr.MLPRegressor(loss).fit(X, y)


def test_numbers_that_are_too_large_are_told_of() -> None:
    with pytest.raises(cr.DivergenceError, match=r"may contain large values.*became inf"):
        cr.MLPRegressor().fit(X, 1e200 * NUMBERS)
    with pytest.raises(cr.InputError, match=r"too large for float32: scale it"):
        cr.MLPRegressor().fit(X.astype(np.float32), 1e100 * NUMBERS)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({0: -1}, "class_weight must be finite numbers of at least 0"),
        ({0: np.nan}, "class_weight must be finite numbers of at least 0"),
        ({0: 0, 1: 0}, "above 0 somewhere"),
        ({2: 1}, r"The classes, \[0, 1\], are not in class_weight"),
        ({0: 1, 7: 1}, r"The classes, \[1\], are not in class_weight"),
        ("balance", "class_weight"),
    ],
    ids=str,
)
def test_weights_of_classes_that_are_refused(weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cr.MLPClassifier(class_weight=weights).fit(X, Y)


# Little to learn from.


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_one_row_is_enough(solver: str) -> None:
    one = cr.MLPClassifier(max_iter=5, solver=solver).fit(X[:1], ["only"])
    assert one.predict(X).tolist() == ["only"] * 60
    number = cr.MLPRegressor(max_iter=3000, solver=solver, alpha=0)
    number.set_params(tol=1e-9, random_state=0)
    assert number.fit(X[:1], [3.0]).predict(X[:1])[0] == pytest.approx(3, abs=0.1)


@BOTH
def test_one_value_is_found(made: Any) -> None:
    model = made(max_iter=400, learning_rate_init=0.02, random_state=0).fit(X, [3] * 60)
    np.testing.assert_allclose(model.predict(X), 3, atol=0.2)


@BOTH
def test_too_few_samples_to_hold_some_out(made: Any) -> None:
    for n in (1, 2):
        with pytest.raises(cr.InputError, match=f"of( the)? {n} samples.*pass") as error:
            made(early_stopping=True).fit(X[:n], [0, 1][:n])
        assert made is cr.MLPClassifier or "class" not in str(error.value)


def test_a_class_of_one_sample_and_early_stopping() -> None:
    with pytest.raises(cr.InputError, match=r"too few members are: .* or more samples"):
        cr.MLPClassifier(early_stopping=True).fit(X, ["rare", *["often"] * 59])
    # of three classes scikit-learn does not keep the proportion, so that this trains
    three = cr.MLPClassifier(early_stopping=True, max_iter=5, random_state=0)
    assert len(three.fit(X, ["rare", *["a"] * 29, *["b"] * 30]).classes_) == 3


@pytest.mark.parametrize("made", [csr_array, np.asarray])
def test_several_sparse_targets(made: Any) -> None:
    numbers = np.where(np.abs(X[:, :2]) > 0.5, X[:, :2], 0)
    model = cr.MLPRegressor(max_iter=5, early_stopping=True, random_state=0)
    wanted = model.fit(X, numbers).predict(X)
    np.testing.assert_array_equal(model.fit(X, made(numbers)).predict(X), wanted)
    labels = (X[:, :3] > 0).astype(int)
    found = cr.MLPClassifier(max_iter=5, random_state=0).fit(X, made(labels)).predict(X)
    assert isinstance(found, np.ndarray) == (made is np.asarray)
