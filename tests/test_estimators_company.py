"""The estimators in company: searches, ensembles, pipelines, frames, metadata routing."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_val_predict,
    learning_curve,
)
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import chainrule as cr
from chainrule.benchmarks import machine
from chainrule.engines import threads

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
BINARY = (X[:, 0] > 0).astype(int)
THREE = np.digitize(X[:, 0], [-0.5, 0.5])
NUMBERS = 2 * X[:, 0] + X[:, 1]
WEIGHT = RNG.uniform(0.1, 3, size=60)
NAMES = ["a", "b", "c", "d"]


def classifier(**parameters: Any) -> cr.MLPClassifier:
    quick = {"max_iter": 20, "learning_rate_init": 0.02, "random_state": 0}
    return cr.MLPClassifier(**quick | parameters)


def regressor(**parameters: Any) -> cr.MLPRegressor:
    quick = {"max_iter": 30, "learning_rate_init": 0.02, "random_state": 0}
    return cr.MLPRegressor(**quick | parameters)


# Searches, over processes and over threads.


@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize("search", [GridSearchCV, HalvingGridSearchCV])
def test_a_search_side_by_side_finds_what_one_after_the_other_finds(
    search: Any, backend: str
) -> None:
    grid = {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__hidden_layer_sizes": [(2,), (8,)]}
    options = {"min_resources": 20, "random_state": 0} if search is HalvingGridSearchCV else {}
    model = make_pipeline(StandardScaler(), classifier())
    alone = search(model, grid, cv=2, **options).fit(X, BINARY)
    with joblib.parallel_config(backend, n_jobs=2):
        beside = search(model, grid, cv=2, **options).fit(X, BINARY)
    assert beside.best_params_ == alone.best_params_
    scores = [found.cv_results_["mean_test_score"] for found in (beside, alone)]
    np.testing.assert_array_equal(*scores)


def test_fits_in_many_threads_at_once_are_those_of_one() -> None:
    def probabilities(seed: int) -> Any:
        return classifier(random_state=seed, dropout=0.1).fit(X, THREE).predict_proba(X)

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(probabilities, range(16)))
    for seed, found in enumerate(together):
        np.testing.assert_array_equal(found, probabilities(seed))


@pytest.mark.parametrize("share", [1, 2])
def test_a_workers_share_of_the_processors_is_all_that_it_takes(share: int) -> None:
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=share):
        taken = joblib.Parallel()(joblib.delayed(threads.available)() for _ in range(2))
    assert taken == [min(share, len(machine.available_cores()))] * 2


def test_a_learning_curve_by_partial_fit() -> None:
    scores = learning_curve(
        classifier(), X, BINARY, cv=2, train_sizes=[0.5, 1.0], exploit_incremental_learning=True
    )[2]
    assert scores.shape == (2, 2)
    assert np.isfinite(scores).all()


# Those that predict with it, or look into it.


def test_predictions_of_folds() -> None:
    found = cross_val_predict(classifier(), X, THREE, cv=3, method="predict_proba")
    assert (found.argmax(axis=1) == THREE).mean() > 0.7
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_inspection_finds_the_column_that_matters() -> None:
    model = regressor().fit(X, NUMBERS)
    importances = permutation_importance(model, X, NUMBERS, n_repeats=2, random_state=0)
    assert importances.importances_mean.argsort()[::-1][:2].tolist() == [0, 1]
    rising = partial_dependence(model, X, [0], grid_resolution=5)["average"][0]
    assert (np.diff(rising) > 0).all()
    rising = partial_dependence(classifier().fit(X, BINARY), X, [0], grid_resolution=5)["average"]
    assert (np.diff(rising[0]) > 0).all()


@pytest.mark.parametrize("method", ["isotonic", "sigmoid", "temperature"])
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_calibration(loss: str, method: str) -> None:
    model = CalibratedClassifierCV(classifier(loss=loss), method=method, cv=3).fit(X, THREE)
    assert model.score(X, THREE) > 0.8
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize(
    "model",
    [
        StackingClassifier([("one", classifier()), ("two", classifier(n_estimators=2))], cv=2),
        VotingClassifier([("one", classifier()), ("two", classifier(alpha=1))], voting="soft"),
        BaggingClassifier(classifier(), 3, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_ensembles_of_classifiers(model: Any) -> None:
    labels = np.array(["no", "yes"])[BINARY]
    assert model.fit(X, labels).score(X, labels) > 0.9


@pytest.mark.parametrize(
    "model",
    [
        StackingRegressor([("one", regressor()), ("two", regressor(n_estimators=2))], cv=2),
        TransformedTargetRegressor(regressor(), transformer=StandardScaler()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_regressors_within_others(model: Any) -> None:
    y = 100 * NUMBERS + 7
    assert model.fit(X, y).score(X, y) > 0.8


def test_several_outputs_by_a_model_each() -> None:
    labels = np.stack([THREE, BINARY], axis=1)
    assert MultiOutputClassifier(classifier()).fit(X, labels).score(X, labels) > 0.7
    numbers = np.stack([NUMBERS, -NUMBERS], axis=1)
    assert MultiOutputRegressor(regressor()).fit(X, numbers).score(X, numbers) > 0.8


# Copies.


def test_a_clone_is_not_fitted_and_becomes_the_same() -> None:
    model = classifier(optimizer=cr.optimizers.AdamW(weight_decay=0.1), schedule="cosine")
    copy = clone(model.fit(X, THREE))
    assert not hasattr(copy, "networks_")
    np.testing.assert_array_equal(copy.fit(X, THREE).predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("way", [pickle, joblib], ids=["pickle", "joblib"])
def test_another_process_predicts_the_same(way: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=NAMES)
    models = [
        make_pipeline(StandardScaler(), classifier()).fit(frame, THREE),
        regressor(loss="gaussian_nll", n_estimators=2).fit(frame, NUMBERS),
    ]
    with open(tmp_path / "models", "wb") as file:
        way.dump((models, frame), file)
    code = (
        f"import {way.__name__} as way, numpy as np\n"
        "with open('models', 'rb') as file: (one, two), frame = way.load(file)\n"
        "np.savez('found', one=one.predict_proba(frame), two=two.predict_std(frame))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    found = np.load(tmp_path / "found.npz")
    np.testing.assert_array_equal(found["one"], models[0].predict_proba(frame))
    np.testing.assert_array_equal(found["two"], models[1].predict_std(frame))


# Data of many kinds.


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_through_columns_that_differ(library: str) -> None:
    columns = {name: X[:, i] for i, name in enumerate(NAMES)}
    columns["e"] = np.where(X[:, 1] > 0, "up", "down")
    frame: Any = pd.DataFrame(columns) if library == "pandas" else pl.DataFrame(columns)
    prepare = ColumnTransformer(
        [("s", StandardScaler(), NAMES), ("o", OneHotEncoder(sparse_output=False), ["e"])],
        verbose_feature_names_out=False,
    ).set_output(transform=library)
    model = make_pipeline(prepare, classifier()).fit(frame, frame["e"])
    assert model[-1].feature_names_in_.tolist() == [*NAMES, "e_down", "e_up"]
    assert model.score(frame, frame["e"]) == 1


@pytest.mark.parametrize("made", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_the_names_of_columns_are_kept_and_checked(made: Any) -> None:
    frame = made(dict(zip(NAMES, X.T, strict=True)))
    model = regressor().fit(frame, made({"y": NUMBERS})["y"])
    assert model.feature_names_in_.tolist() == NAMES
    np.testing.assert_array_equal(model.predict(frame), regressor().fit(X, NUMBERS).predict(X))
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(frame[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match=r"(?s)seen at fit time, yet now missing.*d"):
        model.predict(frame[NAMES[:3]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series(["no", "yes"], dtype="string")[BINARY],
        pd.Series(["no", "yes"], dtype="category")[BINARY],
        pd.Series([False, True], dtype="boolean")[BINARY],
        pd.Series([-1, 10**15], dtype="Int64")[BINARY],
        pl.Series(["no", "yes"])[BINARY],
        pl.Series([2**64 - 2, 2**64 - 1], dtype=pl.UInt64)[BINARY],
    ],
    ids=lambda labels: f"{type(labels).__module__.split('.')[0]} {labels.dtype}",
)
def test_a_series_of_labels(labels: Any) -> None:
    model = classifier().fit(X, labels)
    assert len(model.classes_) == 2
    assert (model.predict(X) == np.asarray(labels)).mean() > 0.9


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_sparse_inputs_of_any_form(form: str, kind: str) -> None:
    dense = np.where(np.abs(X) > 0.5, X, 0)
    sparse = getattr(scipy.sparse, f"{form}_{kind}")(dense)
    for made, y in ((classifier, THREE), (regressor, NUMBERS)):
        wanted = made().fit(dense, y).predict(dense)
        np.testing.assert_allclose(made().fit(sparse, y).predict(sparse), wanted)


def test_inputs_that_may_not_be_written_to_and_in_any_order(tmp_path: Path) -> None:
    wanted = regressor().fit(X, NUMBERS).predict(X)
    mapped = np.memmap(tmp_path / "X", dtype=X.dtype, mode="w+", shape=X.shape)
    mapped[:] = X
    mapped.flush()
    fixed, numbers = X.copy(), NUMBERS.copy()
    fixed.flags.writeable = numbers.flags.writeable = False
    for inputs in (
        np.memmap(tmp_path / "X", dtype=X.dtype, mode="r", shape=X.shape),
        fixed,
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
    ):
        np.testing.assert_array_equal(regressor().fit(inputs, numbers).predict(inputs), wanted)


# Metadata, and how it looks.


def test_weights_and_validation_data_find_their_way_through_a_pipeline() -> None:
    model = classifier(early_stopping=True)
    direct = clone(model).fit(X, BINARY, WEIGHT, validation_data=(X[:20], BINARY[:20]))
    metadata = {"sample_weight": WEIGHT, "validation_data": (X[:20], BINARY[:20])}
    with sklearn.config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            make_pipeline(model).fit(X, BINARY, **metadata)
        model.set_fit_request(sample_weight=True, validation_data=True)
        routed = make_pipeline(model).fit(X, BINARY, **metadata)[-1]
    assert routed.validation_scores_ == direct.validation_scores_
    np.testing.assert_array_equal(routed.predict_proba(X), direct.predict_proba(X))


def test_weights_find_their_way_through_a_search_to_fits_and_scores() -> None:
    folds = list(KFold(2).split(X))
    wanted = [
        classifier()
        .fit(X[fit], BINARY[fit], WEIGHT[fit])
        .score(X[test], BINARY[test], WEIGHT[test])
        for fit, test in folds
    ]
    with sklearn.config_context(enable_metadata_routing=True):
        model = classifier().set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"alpha": [1e-4]}, cv=folds)
        search.fit(X, BINARY, sample_weight=WEIGHT)
    found = [search.cv_results_[f"split{i}_test_score"][0] for i in range(2)]
    assert found == wanted


def test_partial_fits_ask_for_their_metadata() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        model = classifier().set_partial_fit_request(sample_weight=True, classes=True)
        asked = model.get_metadata_routing().partial_fit.requests
    assert asked == {"sample_weight": True, "classes": True}


def test_it_shows_itself_in_a_notebook() -> None:
    shown = make_pipeline(StandardScaler(), classifier(dropout=0.25))._repr_html_()
    assert "MLPClassifier" in shown
    assert "0.25" in shown
