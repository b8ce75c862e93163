"""TableClassifier and TableRegressor: raw tables in, scikit-learn's contract, and refusals."""

from __future__ import annotations

import datetime as dt
import pickle
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import chainrule as cr
from chainrule.tables.encoding import Bends, Columns, SoftRobustScaler, encoder
from chainrule.tables.skewness import ScaledTarget, straight_predicts_better

N = 120
KINDS = [cr.TableClassifier, cr.TableRegressor]


def quick(kind: Any, **parameters: Any) -> Any:
    return kind(**{"n_estimators": 2, "max_iter": 15, "random_state": 0} | parameters)


def table(n: int = N) -> dict[str, list[Any]]:
    """Return columns of every kind, with gaps."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=n)
    return {
        "size": [None if i % 11 == 0 else float(x) for i, x in enumerate(size)],
        "count": rng.integers(0, 5, n).tolist(),
        "colour": [None if i % 13 == 0 else ("red", "green", "blue")[i % 3] for i in range(n)],
        "street": [f"street {i % 30}" for i in range(n)],
        "sold": [dt.datetime(2020, 1, 1) + dt.timedelta(days=i % 50) for i in range(n)],
        "garden": [bool(i % 2) for i in range(n)],
        "empty": [None] * n,
        "country": ["EU"] * n,
    }


def target(kind: Any, n: int = N) -> Any:
    columns = table(n)
    score = np.array([x or 0.0 for x in columns["size"]]) + 2 * np.array(columns["garden"])
    return np.where(score > 1, "yes", "no") if kind is cr.TableClassifier else score


FRAMES = {"pandas": pd.DataFrame, "polars": pl.DataFrame}


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [quick(kind, random_state=None) for kind in KINDS],
    expected_failed_checks=lambda model: {
        "check_sample_weight_equivalence_on_dense_data":
            "medians, folds and held-out rows are of rows, not of weights",
    },
)  # fmt: skip
def test_scikit_learns_contract(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_raw_frame_is_learned_and_predicted(kind: Any, library: str) -> None:
    X, y = FRAMES[library](table()), target(kind)
    model = quick(kind, max_iter=40).fit(X, y)
    assert model.score(X, y) > 0.8
    assert model.feature_names_in_.tolist() == list(table())
    columns = model.pipeline_["columns"]
    assert columns.kinds_ == {
        "size": "number", "count": "number", "colour": "category", "street": "category",
        "sold": "date", "garden": "number",
    }  # fmt: skip
    assert columns.left_out_ == {"empty": "it has no values", "country": "it is always EU"}


@pytest.mark.parametrize("kind", KINDS)
def test_pandas_and_polars_give_the_same_predictions(kind: Any) -> None:
    y = target(kind)
    frames = [frame(table()) for frame in FRAMES.values()]
    np.testing.assert_array_equal(*(quick(kind).fit(X, y).predict(X) for X in frames))


@pytest.mark.parametrize("kind", KINDS)
def test_the_pipeline_predicts_what_the_estimator_does(kind: Any) -> None:
    X = pd.DataFrame(table())
    model = quick(kind).fit(X, target(kind))
    assert isinstance(model.pipeline_, Pipeline)
    np.testing.assert_array_equal(model.pipeline_.predict(X), model.predict(X))
    perceptron = model.pipeline_["network"]
    if kind is cr.TableRegressor:
        perceptron = perceptron.regressor_
    else:
        np.testing.assert_array_equal(model.pipeline_.predict_proba(X), model.predict_proba(X))
    assert isinstance(perceptron, cr.MLPClassifier | cr.MLPRegressor)
    assert len(perceptron.networks_) == 2
    assert perceptron.network_.dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_an_estimator_like_others(kind: Any) -> None:
    X, y = pd.DataFrame(table()), target(kind)
    model = quick(kind)
    assert clone(model).get_params() == model.get_params()
    assert cross_val_score(model, X, y, cv=2).shape == (2,)
    search = GridSearchCV(model, {"hidden_layer_sizes": [(4,), (8,)]}, cv=2).fit(X, y)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))
    assert kind.__name__ in model._repr_html_()
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides(kind: Any) -> None:
    X, y = pd.DataFrame(table()), target(kind)
    method = "predict_proba" if kind is cr.TableClassifier else "predict"
    a, b, c = (getattr(quick(kind, random_state=s).fit(X, y), method)(X) for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_it_is_good_with_its_defaults() -> None:
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    assert cross_val_score(cr.TableClassifier(random_state=0), X, y, cv=3).mean() > 0.96
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    assert cross_val_score(cr.TableRegressor(random_state=0), X, y, cv=3).mean() > 0.44


@pytest.mark.parametrize("kind", KINDS)
def test_validation_data_takes_the_place_of_rows_held_out(kind: Any) -> None:
    X, y = pd.DataFrame(table()), target(kind)
    data = (X[80:], y[80:])
    model = quick(kind, max_iter=3, n_estimators=1).fit(X[:80], y[:80], validation_data=data)
    perceptron = model.pipeline_["network"]
    perceptron = getattr(perceptron, "regressor_", perceptron)
    assert len(perceptron.validation_scores_) == 3
    other = quick(kind, max_iter=3, n_estimators=1).fit(X[:80], y[:80], validation_data=(X, y))
    other = other.pipeline_["network"]
    other = getattr(other, "regressor_", other)
    assert other.loss_curve_ == perceptron.loss_curve_  # what is watched is not trained on
    assert other.validation_scores_ != perceptron.validation_scores_
    with pytest.raises(ValueError, match=r"validation_data must be \(X, y\), but is a float"):
        model.fit(X, y, validation_data=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_callbacks_are_told_of_every_network(kind: Any) -> None:
    seen: list[int] = []
    model = quick(kind, max_iter=2).set_callbacks(lambda progress: seen.append(progress.epoch))
    model.fit(pd.DataFrame(table()), target(kind))
    assert sorted(seen) == [1, 1, 2, 2]


@pytest.mark.parametrize(
    "wrong", [{"batch_size": "big"}, {"max_one_hot": 0}, {"weight_decay": -1}, {"dropout": 2}]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_parameter_is_named(kind: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"'{next(iter(wrong))}' parameter of"):
        quick(kind, **wrong).fit(pd.DataFrame(table()), target(kind))


# Bad input, each refused with what to do, or taken in a way that is sensible.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X: X[list(X)[::-1]], "in the same order"),
        (lambda X: X.drop(columns="size"), "missing"),
        (lambda X: X.rename(columns={"size": "width"}), "width"),
        (lambda X: X.assign(size=np.inf), "column 'size' must hold finite numbers, but row 1"),
        (lambda X: X.assign(size="big"), "column 'size' must hold numbers, but row 1 has 'big'"),
        (lambda X: X.assign(size=10**200), "'size' are too large .*logarithm"),
        (lambda X: X.assign(sold="soon"), "column 'sold' must hold dates"),
    ],
)
def test_other_columns_than_in_training_are_refused(kind: Any, change: Any, words: str) -> None:
    X = pd.DataFrame(table())
    model = quick(kind, max_iter=1).fit(X, target(kind))
    with pytest.raises(ValueError, match=words):
        model.predict(change(X))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("X", "words"),
    [
        (pd.DataFrame(np.eye(N)[:, :3], columns=["a", "b", "a"]), "more than one column a"),
        (pd.DataFrame(index=range(N)), "0 feature"),
        (pl.DataFrame({"a": []}), "0 sample"),
        (pd.DataFrame({"a": [1] * N, "b": None}), "no column to predict from .*always 1.*no val"),
        (pd.DataFrame({"a": [np.inf, *range(N - 1)]}), "row 1 has inf"),
        (np.array([[10**400]] + [[i] for i in range(N - 1)], object), "'x0' are too large"),
        (pl.LazyFrame({"a": range(N)}), "X.collect()"),
    ],
)
def test_tables_that_teach_nothing_are_refused(kind: Any, X: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        quick(kind).fit(X, target(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_with_gaps_is_refused(kind: Any) -> None:
    y = target(kind).astype(object)
    y[[3, 5]] = None
    with pytest.raises(ValueError, match=r"y has 2 missing values .*first in row 4: leave these"):
        quick(kind).fit(pd.DataFrame(table()), y)
    with pytest.raises(ValueError, match="requires y"):
        quick(kind).fit(pd.DataFrame(table()), None)


def test_a_regression_wants_finite_numbers_of_moderate_size() -> None:
    X = pd.DataFrame(table())
    for y, words in (
        (["a"] * N, "y must hold numbers, but has 'a': TableClassifier"),
        ([np.inf] * N, "infinity"),
        ([1e300] * N, "of y are too large"),
    ):
        with pytest.raises(ValueError, match=words):
            quick(cr.TableRegressor).fit(X, y)


def test_class_weights_are_for_classes_there_are() -> None:
    X, y = pd.DataFrame(table()), target(cr.TableClassifier)
    with pytest.raises(ValueError, match="class_weight has the classes maybe, which y has not"):
        quick(cr.TableClassifier, class_weight={"yes": 1, "maybe": 2}).fit(X, y)
    with pytest.raises(ValueError, match="balanced"):
        quick(cr.TableClassifier, class_weight="balance").fit(X, y)
    plain, heavy = (
        quick(cr.TableClassifier, class_weight=weight).fit(X, y).predict_proba(X)[:, 1].mean()
        for weight in (None, {"yes": 50, "no": 1})
    )
    assert heavy > plain


@pytest.mark.filterwarnings("ignore:The number of unique classes")
@pytest.mark.parametrize("n", [2, 3, 12, 25])
@pytest.mark.parametrize("kind", KINDS)
def test_few_rows_and_a_sample_for_each_class(kind: Any, n: int) -> None:
    X = pd.DataFrame({"a": range(n), "b": [f"text {i % 3}" for i in range(n)]})
    y = [f"class {i}" for i in range(n)] if kind is cr.TableClassifier else range(n)
    assert quick(kind, max_iter=2, max_one_hot=2).fit(X, list(y)).predict(X).shape == (n,)


@pytest.mark.parametrize("rare", [0, 1])
def test_one_class_and_a_class_with_one_sample(rare: int) -> None:
    X, y = pd.DataFrame(table()), np.zeros(N, int)
    y[:rare] = 1
    model = quick(cr.TableClassifier, max_iter=2).fit(X, y)
    assert model.classes_.tolist() == [0, 1][: 1 + rare]
    assert model.predict_proba(X).shape == (N, 1 + rare)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_one_row_is_refused_and_one_row_is_predicted(kind: Any) -> None:
    X, y = pd.DataFrame(table()), target(kind)
    with pytest.raises(ValueError, match="n_samples = 1"):
        quick(kind).fit(X[:1], y[:1])
    assert quick(kind, max_iter=1).fit(X, y).predict(X[:1]).shape == (1,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_category_says_as_little_as_its_column_can(kind: Any) -> None:
    X = pd.DataFrame(table())
    model = quick(kind, max_one_hot=12).fit(X, target(kind))
    with_new = X.assign(colour="violet", street="elsewhere")
    encode = Pipeline(model.pipeline_.steps[:2])
    names = model.pipeline_["encode"].get_feature_names_out().tolist()
    inputs = encode.transform(with_new)
    of_colour = [i for i, name in enumerate(names) if name.startswith("colour")]
    assert not inputs[:, of_colour].any()
    assert np.ptp(inputs[:, names.index("street")]) == 0
    assert np.isfinite(inputs).all()
    model.predict(with_new)


@pytest.mark.parametrize("kind", KINDS)
def test_what_training_had_no_gaps_in_may_have_some_later(kind: Any) -> None:
    X = pd.DataFrame(table())
    model = quick(kind).fit(X, target(kind))
    gaps = X.assign(count=np.nan, garden=None, sold=pd.NaT, street=None)
    assert len(model.predict(gaps)) == N


def test_columns_of_every_type() -> None:
    X = pd.DataFrame(
        {
            "categories": pd.Categorical(["a", "b", None] * 4),
            "numbered": pd.Categorical([1, 2, 3] * 4),
            "nullable": pd.array([1, None, 3] * 4, dtype="Int64"),
            "maybe": pd.array([True, None, False] * 4, dtype="boolean"),
            "text": pd.array(["x", "y", None] * 4, dtype="string"),
            "zoned": pd.date_range("2024-01-01", periods=12, tz="Europe/Oslo"),
            "day": [dt.date(2024, 1, 1 + i) for i in range(12)],
            "mixture": [1, "one", 2.5] * 4,
            "objects": pd.Series([1, 2.5, None] * 4, dtype=object),
            "half": np.arange(12, dtype=np.float16),
            "huge": pd.Series([2**70, 1, 2] * 4, dtype=object),
            "unsigned": np.arange(12, dtype=np.uint64) * 2**32 + 2**63,
            "constant": 1,
            "while": pd.to_timedelta(range(12), unit="h"),
        }
    )
    columns = Columns().fit(X)
    assert columns.kinds_ == {
        "categories": "category", "numbered": "category", "nullable": "number",
        "maybe": "number", "text": "category", "zoned": "date", "day": "date",
        "mixture": "category", "objects": "number", "half": "number", "huge": "number",
        "unsigned": "number",
    }  # fmt: skip
    assert set(columns.left_out_) == {"constant", "while"}
    found = columns.transform(X)
    assert found["nullable"].to_list() == [1.0, None, 3.0] * 4
    assert found["maybe"].to_list() == [1.0, None, 0.0] * 4
    assert found["categories"].to_list() == ["a", "b", None] * 4
    assert found["mixture"].to_list() == ["1", "one", "2.5"] * 4
    assert found["day"].to_list()[0] == (dt.date(2024, 1, 1) - dt.date(1970, 1, 1)).days
    assert columns.transform(pl.from_pandas(X.drop(columns=["mixture", "huge"])).with_columns(
        mixture=pl.Series(["1", "one", "2.5"] * 4), huge=pl.Series([2.0**70, 1, 2] * 4),
    )).drop("zoned").equals(found.drop("zoned"))  # fmt: skip


def test_statistics_of_the_target_are_of_other_rows() -> None:
    """A category for each pair of rows, and a target of noise: there is nothing to learn."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"pair": [f"pair {i // 2}" for i in range(400)]})
    y = rng.normal(size=400)
    encode = encoder(frame, 12, None, seed=0)
    trained = encode.fit_transform(frame, y)[:, 0]
    assert abs(np.corrcoef(trained, y)[0, 1]) < 0.2
    assert np.corrcoef(encode.transform(frame)[:, 0], y)[0, 1] > 0.5  # as it would be, leaking


def test_a_skewed_target_is_straightened_where_that_predicts_better() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(300, 2))
    exponential = np.exp(inputs[:, 0] + 0.1 * rng.normal(size=300))
    assert straight_predicts_better(inputs, exponential, seed=0)
    noisy = inputs[:, 0] + rng.exponential(3, size=300)
    assert not straight_predicts_better(inputs, noisy, seed=0)
    X = pd.DataFrame(inputs)
    for asked, power in (("auto", True), ("scale", False), ("asinh", True)):
        model = quick(cr.TableRegressor, target_transform=asked).fit(X, exponential)
        assert model.pipeline_["network"].transformer_.straightened is power
    with pytest.raises(ValueError, match="target_transform"):
        quick(cr.TableRegressor, target_transform="log").fit(X, exponential)


@pytest.mark.parametrize("power", [False, True])
def test_predictions_lie_in_the_range_of_training(power: bool) -> None:
    y = np.exp(np.linspace(0, 5, 50))[:, None]
    scaled = ScaledTarget(power).fit(y)
    np.testing.assert_allclose(scaled.inverse_transform(scaled.transform(y)), y)
    far = scaled.inverse_transform(np.array([[-1e6], [1e6]]))
    np.testing.assert_allclose(far.ravel(), [y.min(), y.max()])


def test_outliers_are_drawn_in_and_rare_values_seen() -> None:
    X = np.column_stack([np.r_[np.arange(98.0), 1e12, -1e12], np.r_[np.zeros(95), np.arange(5)]])
    Z = SoftRobustScaler().fit_transform(X)
    assert np.abs(Z).max() <= 3
    assert (np.diff(Z[:98, 0]) > 0).all()
    assert np.ptp(Z[:, 1]) > 1


def test_bends_are_hats_that_add_up_to_one() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=200), rng.integers(0, 2, 200), rng.integers(0, 4, 200)])
    bends = Bends(6).fit(X)
    assert [len(knots) for knots in bends.knots_] == [6, 2, 4]
    values = bends.transform(np.vstack([X, [[99, 9, 9], [-99, -9, -9]]]))
    assert values.shape == (202, 10)  # none for the column of two values
    np.testing.assert_allclose(values[:, :6].sum(axis=1), 1, rtol=1e-6)
    clipped = [*X[:, 0], X[:, 0].max(), X[:, 0].min()]
    np.testing.assert_allclose(values[:, :6] @ bends.knots_[0], clipped, rtol=1e-5)


@pytest.mark.parametrize("y_of", [
    lambda z: np.exp(z) + 1e4, lambda z: -np.exp(z) - 1e3, lambda z: 2e5 + 1e4 * np.exp(z),
    lambda z: np.exp(z) * 1e-4 + 1,
])  # fmt: skip
def test_a_target_is_straightened_wherever_it_lies(y_of: Any) -> None:
    z = np.random.default_rng(0).normal(size=300)
    X = pd.DataFrame({"z": z})
    model = cr.TableRegressor(target_transform="asinh", n_estimators=2, random_state=0)
    assert model.fit(X, y_of(z)).score(X, y_of(z)) > 0.9


@pytest.mark.parametrize("y_of", [lambda z: 1e12 + z, lambda z: 1e100 * z, lambda z: 1e-100 * z])
def test_targets_come_back_in_double_precision(y_of: Any) -> None:
    z = np.random.default_rng(0).normal(size=300)
    X = pd.DataFrame({"z": z})
    model = cr.TableRegressor(n_estimators=2, random_state=0).fit(X, y_of(z))
    assert np.corrcoef(model.predict(X), z)[0, 1] > 0.97
    assert model.predict(100 * X).max() <= y_of(z).max()


def test_a_category_is_one_however_it_is_stored() -> None:
    y = np.tile([0, 1], 50)
    model = quick(cr.TableClassifier).fit(pd.DataFrame({"k": np.where(y, "1", "2")}), y)
    numbers = np.where(y, 1, 2)
    for values in (numbers, numbers.astype(float), pd.array(numbers, dtype="Int64")):
        assert model.score(pd.DataFrame({"k": values}), y) == 1
    assert model.score(pl.DataFrame({"k": numbers}), y) == 1


def test_an_instant_is_one_in_every_time_zone() -> None:
    tokyo = pd.date_range("2024-01-01", periods=60, freq="9h", tz="Asia/Tokyo")
    X, y = pd.DataFrame({"t": tokyo}), np.arange(60.0)
    model = quick(cr.TableRegressor).fit(X, y)
    utc = pd.DataFrame({"t": tokyo.tz_convert("UTC")})
    np.testing.assert_array_equal(model.predict(utc), model.predict(X))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_an_array_goes_by_the_places_of_columns() -> None:
    X, y = (
        pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=list("ab")),
        np.tile([0, 1], 30),
    )
    model = quick(cr.TableClassifier).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X.to_numpy()), model.predict_proba(X))


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_sklearns_output_setting_changes_nothing(output: str) -> None:
    X, y = pd.DataFrame({"a": range(60), "b": list("xy") * 30}), np.arange(60.0)
    expected = quick(cr.TableRegressor).fit(X, y).predict(X)
    with sklearn.config_context(transform_output=output):
        found = quick(cr.TableRegressor).fit(X, y).predict(X)
    np.testing.assert_array_equal(found, expected)


def test_decimals_and_tiny_numbers_are_numbers() -> None:
    values = np.random.default_rng(0).normal(size=100)
    y = np.sign(values)
    for column in ([Decimal(f"{v:.6f}") for v in values], (values * 1e-200).tolist()):
        X = pd.DataFrame({"v": column})
        model = cr.TableClassifier(n_estimators=2, random_state=0).fit(X, y)
        assert model.pipeline_["columns"].kinds_ == {"v": "number"}
        assert model.score(X, y) > 0.9
