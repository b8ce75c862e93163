"""The estimators compute what scikit-learn's perceptrons do: side by side, from the same seed."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn import neural_network as sk
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import chainrule as cr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
TARGETS: dict[str, Any] = {
    "binary": (X[:, 0] > 0.3).astype(int),
    "multiclass": np.digitize(X[:, 0] + X[:, 1], [-0.7, 0.7]),
    "multilabel": (X[:, :3] + X[:, 1:] > 0).astype(int),
    "one output": X[:, 0] * X[:, 1],
    "two outputs": np.stack([X[:, 0] * X[:, 1], X[:, 2]], axis=1),
}
KINDS = list(TARGETS)


def pair(kind: str, **parameters: Any) -> tuple[Any, Any]:
    """Return our estimator and scikit-learn's for a kind of target, in the same order of samples.

    Without shuffling everything else, the initial weights too, follows from the seed.
    """
    chosen: dict[str, Any] = {
        "shuffle": False,
        "random_state": 3,
        "hidden_layer_sizes": (7, 5),
    } | parameters
    if "output" in kind:
        return cr.MLPRegressor(**chosen), sk.MLPRegressor(**chosen)
    return cr.MLPClassifier(**chosen), sk.MLPClassifier(**chosen)


def assert_equal(ours: Any, theirs: Any, rtol: float = 1e-7) -> None:
    """Compare the parameters and every public attribute that tells of training."""
    for mine, other in zip(
        [*ours.coefs_, *ours.intercepts_], [*theirs.coefs_, *theirs.intercepts_], strict=True
    ):
        np.testing.assert_allclose(mine, other, rtol=rtol, atol=rtol)
    for name, other in vars(theirs).items():
        if not name.endswith("_") or name in ("coefs_", "intercepts_"):
            continue
        mine = getattr(ours, name)
        if other is None or isinstance(other, str):
            assert mine == other, name
        else:
            np.testing.assert_allclose(mine, other, rtol=rtol, atol=rtol, err_msg=name)


def fit_both(kind: str, weight: Any = None, y: Any = None, **parameters: Any) -> tuple[Any, Any]:
    models = pair(kind, **parameters)
    y = TARGETS[kind] if y is None else y
    return tuple(model.fit(X, y, sample_weight=weight) for model in models)


@pytest.mark.parametrize("made", ["MLPClassifier", "MLPRegressor"])
def test_parameters_are_those_of_scikit_learn_and_more(made: str) -> None:
    ours = inspect.signature(getattr(cr, made)).parameters
    theirs = inspect.signature(getattr(sk, made)).parameters
    for name, parameter in theirs.items():
        assert ours[name].default == parameter.default, name
        assert ours[name].kind == parameter.kind, name
    assert list(ours)[: len(theirs)] == list(theirs)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [60, 25])  # the second has a short last batch
@pytest.mark.parametrize("kind", KINDS)
def test_steps_have_the_gradient_and_the_penalty_of_scikit_learn(
    kind: str, batch_size: int, weighted: bool
) -> None:
    weight = RNG.uniform(0.5, 3, len(X)) if weighted else None
    ours, theirs = fit_both(
        kind, weight, solver="sgd", momentum=0, alpha=5.0, learning_rate_init=0.1, max_iter=3,
        batch_size=batch_size,
    )  # fmt: skip
    for mine, other in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)
    if weight is None:
        assert_equal(ours, theirs)


RUNS: dict[str, dict[str, Any]] = {
    "adam": {"learning_rate_init": 0.02},
    "adam, other betas": {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-4},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.05},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.5},
    "patience": {"learning_rate_init": 0.05, "n_iter_no_change": 3, "tol": 1e-3},
    "logistic": {"activation": "logistic", "learning_rate_init": 0.02},
    "relu": {"activation": "relu", "learning_rate_init": 0.02},
    "early stopping": {"early_stopping": True, "learning_rate_init": 0.05, "max_iter": 60},
    "adaptive, early stopping": {
        "solver": "sgd", "learning_rate": "adaptive", "early_stopping": True,
        "validation_fraction": 0.3, "learning_rate_init": 0.2,
    },
}  # fmt: skip


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "two outputs"])
def test_a_whole_run_is_that_of_scikit_learn(kind: str, run: str) -> None:
    settings = {"alpha": 0.1, "batch_size": 25, "max_iter": 300, "activation": "tanh"} | RUNS[run]
    ours, theirs = fit_both(kind, **settings)
    assert_equal(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "one output"])
def test_lbfgs_finds_what_scikit_learn_finds(kind: str, activation: str) -> None:
    # the kinks of relu make a rounding error in its steps grow a thousandfold in an iteration
    n = 2 if activation == "relu" else 12
    ours, theirs = fit_both(kind, solver="lbfgs", activation=activation, alpha=0.5, max_iter=n)
    assert ours.n_iter_ == theirs.n_iter_
    assert_equal(ours, theirs, rtol=1e-5)


def test_lbfgs_ends_by_tol_and_by_max_fun() -> None:
    for limits in ({"tol": 0.5}, {"tol": 1e-3}, {"max_fun": 7}, {"max_iter": 4}):
        models = pair("one output", solver="lbfgs", alpha=0.1, **limits)
        told = []
        for model in models:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.fit(X, TARGETS["one output"])
            told.append([warning.category for warning in caught])
        assert models[0].n_iter_ == models[1].n_iter_, limits
        assert told[0] == told[1], limits


def test_the_poisson_loss_is_that_of_scikit_learn() -> None:
    y = RNG.poisson(np.exp(X[:, 0])).astype(float)
    for solver in ("adam", "lbfgs"):
        ours, theirs = fit_both("one output", y=y, loss="poisson", solver=solver, max_iter=20)
        assert_equal(ours, theirs, rtol=1e-5)


def test_weights_of_classes_multiply_those_of_samples() -> None:
    y, by_class = TARGETS["multiclass"], np.array([1.0, 5.0, 0.5])
    weight = np.random.default_rng(1).uniform(0.5, 3, len(X))
    ours, theirs = pair("multiclass", max_iter=3)
    ours.set_params(class_weight=dict(enumerate(by_class))).fit(X, y, sample_weight=weight)
    assert_equal(ours, theirs.fit(X, y, sample_weight=weight * by_class[y]))


def test_the_score_of_samples_held_out_is_weighted() -> None:
    weight = np.random.default_rng(1).uniform(0.1, 9, len(X))
    for kind in ("binary", "multiclass", "one output"):
        models = fit_both(kind, weight, early_stopping=True, validation_fraction=0.4, max_iter=5)
        assert_equal(*models)


def test_the_poisson_loss_of_weighted_samples_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    y, weight = rng.poisson(np.exp(X[:, 0])).astype(float), rng.uniform(0.5, 3, len(X))
    ours, theirs = fit_both("one output", weight, y, loss="poisson", max_iter=3)
    assert_equal(ours, theirs)
    same = pair("one output", max_iter=3)[0].set_params(loss=cr.losses.poisson)
    assert same.fit(X, y, sample_weight=weight).loss_curve_ == ours.loss_curve_


def test_lbfgs_that_starts_at_its_end_keeps_its_loss() -> None:
    models = pair("one output", solver="lbfgs", warm_start=True, alpha=5.0, tol=1e-2)
    for model in models:
        lowest = model.fit(X, TARGETS["one output"]).loss_
        assert model.fit(X, TARGETS["one output"]).n_iter_ == 0
        assert model.loss_ == pytest.approx(lowest)
    assert_equal(*models, rtol=1e-5)
    for model in models:  # another objective, in which nothing is to be found either
        other = model.set_params(tol=1e9, alpha=9.0).fit(X, TARGETS["one output"] + 1).loss_
        assert model.n_iter_ == 0
        assert other > lowest + 0.1
    assert_equal(*models, rtol=1e-5)


def test_a_warm_start_begins_with_the_first_learning_rate_again() -> None:
    models = pair(
        "one output", max_iter=9, warm_start=True, solver="sgd", learning_rate="adaptive",
        learning_rate_init=0.1, tol=1.0, n_iter_no_change=2,
    )  # fmt: skip
    for model in models:
        model.fit(X, TARGETS["one output"])
    assert models[0].history_.learning_rate[-1] < 0.1
    for model in models:
        model.fit(X, TARGETS["one output"])
    assert models[0].history_.learning_rate[0] == 0.1
    assert_equal(*models)


def test_an_optimizer_of_ours_has_no_policy_of_scikit_learns() -> None:
    settings = {"solver": "sgd", "tol": 1.0, "n_iter_no_change": 2, "max_iter": 9}
    for policy in ("adaptive", "invscaling"):
        model = pair("one output", learning_rate=policy, **settings)[0]
        model.set_params(optimizer="momentum").fit(X, TARGETS["one output"])
        assert set(model.history_.learning_rate) == {0.001}


def test_partial_fits_are_those_of_scikit_learn() -> None:
    for settings in (
        {"solver": "adam"},
        {"solver": "sgd"},
        {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 2},
    ):
        models = pair("two outputs", batch_size=7, learning_rate_init=0.01, **settings)
        for model in models:
            for rows in (slice(40), slice(30, 60), slice(10), *[slice(60)] * 5):
                model.partial_fit(X[rows], TARGETS["two outputs"][rows])
        assert_equal(*models)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_warm_start_goes_on_as_scikit_learns(early_stopping: bool) -> None:
    models = pair(
        "multiclass", max_iter=7, warm_start=True, early_stopping=early_stopping,
        n_iter_no_change=12, tol=0.05, learning_rate_init=0.01,
    )  # fmt: skip
    for model in models:
        for _ in range(3):
            model.fit(X, TARGETS["multiclass"])
    assert_equal(*models)
    model = models[0]
    assert len(model.loss_curve_) > model.n_iter_


def test_a_fit_may_be_followed_by_partial_fits() -> None:
    models = pair("one output", max_iter=3)
    for model in models:
        model.fit(X, TARGETS["one output"]).partial_fit(X, TARGETS["one output"])
    assert_equal(*models)


def test_float32_gives_the_numbers_of_scikit_learn_up_to_its_rounding() -> None:
    models = pair("multiclass", max_iter=20)
    for model in models:
        model.fit(X.astype(np.float32), TARGETS["multiclass"])
    assert_equal(*models, rtol=1e-4)
    assert models[0].predict_proba(X.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(
    ("load", "kind", "tolerance"),
    [
        (load_iris, "multiclass", 0.03),
        (load_breast_cancer, "binary", 0.03),
        (load_diabetes, "one output", 0.05),
    ],
)
def test_scores_are_no_worse_than_scikit_learns(
    load: Any, kind: str, tolerance: float, solver: str
) -> None:
    inputs, targets = load(return_X_y=True)
    settings = {"hidden_layer_sizes": (10,), "alpha": 1.0, "learning_rate_init": 0.02}
    scores = [
        cross_val_score(
            make_pipeline(StandardScaler(), model),
            inputs,
            targets if kind != "one output" else scale(targets),
            cv=3,
        ).mean()
        for model in pair(kind, shuffle=True, solver=solver, max_iter=60, **settings)
    ]
    assert scores[0] > scores[1] - tolerance


def test_the_warning_of_a_run_that_did_not_converge() -> None:
    for model in pair("binary", max_iter=3):
        with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\) reached"):
            model.fit(X, TARGETS["binary"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"solver": "adagrad"}, {"alpha": -1}, {"alpha": "a"}, {"learning_rate": "cosine"},
        {"batch_size": 0}, {"batch_size": "all"}, {"max_iter": 0}, {"momentum": 1.5},
        {"hidden_layer_sizes": 2.5}, {"tol": -1}, {"beta_1": 1.0}, {"max_fun": 0},
        {"n_iter_no_change": 0}, {"random_state": "x"}, {"shuffle": "no"}, {"epsilon": 0},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("kind", ["binary", "one output"])
def test_wrong_parameters_are_refused_in_scikit_learns_words(
    kind: str, wrong: dict[str, Any]
) -> None:
    said = []
    for model in pair(kind):
        with pytest.raises(ValueError, match="parameter of") as error:
            model.set_params(**wrong).fit(X, TARGETS[kind])
        said.append(str(error.value))
    assert said[0] == said[1]
