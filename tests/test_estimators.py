"""The estimators: scikit-learn's contract, and its numbers where it defines them."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn import neural_network as sk
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.estimator_checks import parametrize_with_checks

import chainrule as cr

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


def pair(kind: str) -> tuple[Any, Any]:
    """Our class and scikit-learn's for a kind of target."""
    if "output" in kind:
        return cr.MLPRegressor, sk.MLPRegressor
    return cr.MLPClassifier, sk.MLPClassifier


def from_the_same_weights(kind: str, y: Any, **parameters: Any) -> tuple[Any, Any]:
    """Return our estimator and scikit-learn's, to be fitted from equal weights and biases."""
    ours_class, theirs_class = pair(kind)
    parameters = {"shuffle": False, "random_state": 0, "hidden_layer_sizes": (7, 5)} | parameters
    ours = ours_class(warm_start=True, **parameters)
    ours.set_params(max_iter=1, early_stopping=False)
    with pytest.warns(ConvergenceWarning):
        ours.fit(X, y)
    ours.set_params(**{"max_iter": 200, "early_stopping": False} | parameters)
    start = ours.network_.copy()

    class Theirs(theirs_class):  # type: ignore[misc, valid-type]
        def _initialize(self, *args: Any) -> None:
            super()._initialize(*args)
            self.coefs_ = [W.T.copy() for W in start.weights]
            self.intercepts_ = [b.copy() for b in start.biases if b is not None]

    return ours, Theirs(**parameters)


def assert_same_parameters(ours: Any, theirs: Any, rtol: float = 1e-8) -> None:
    for mine, other in zip(
        [*ours.coefs_, *ours.intercepts_], [*theirs.coefs_, *theirs.intercepts_], strict=True
    ):
        np.testing.assert_allclose(mine, other, rtol=rtol, atol=rtol)


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [cr.MLPClassifier(max_iter=100), cr.MLPRegressor(max_iter=100)]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_the_contract_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("kind", ["binary", "one output"])
def test_parameters_are_those_of_scikit_learn(kind: str) -> None:
    def signature(kind_of_estimator: Any) -> list[tuple[str, Any, Any]]:
        parameters = inspect.signature(kind_of_estimator).parameters.values()
        return [(p.name, p.default, p.kind) for p in parameters]

    ours, theirs = pair(kind)
    assert signature(ours) == signature(theirs)


# The numbers of scikit-learn: gradients, penalty, updates and when to stop.


@pytest.mark.parametrize(("batch_size", "weighted"), [(60, False), (60, True), (20, False)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_has_the_gradient_and_the_penalty_of_scikit_learn(
    kind: str, batch_size: int, weighted: bool
) -> None:
    weight = RNG.uniform(0.5, 3, len(X)) if weighted else None
    ours, theirs = from_the_same_weights(
        kind, TARGETS[kind], solver="sgd", momentum=0, alpha=5.0, learning_rate_init=0.3,
        max_iter=1, batch_size=batch_size,
    )  # fmt: skip
    for estimator in (ours, theirs):
        with pytest.warns(ConvergenceWarning):
            estimator.fit(X, TARGETS[kind], sample_weight=weight)
    assert_same_parameters(ours, theirs)


RUNS: dict[str, dict[str, Any]] = {
    "adam": {"learning_rate_init": 0.02, "epsilon": 1e-12},
    "adam, other betas": {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-12},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.05},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.5},
    "patience": {"learning_rate_init": 0.05, "n_iter_no_change": 3, "tol": 1e-3, "epsilon": 1e-12},
    "logistic": {"activation": "logistic", "learning_rate_init": 0.02, "epsilon": 1e-12},
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("kind", ["multiclass", "one output"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_whole_run_is_that_of_scikit_learn(kind: str, run: str) -> None:
    # the losses decide when to stop, and are the same without a penalty
    settings = {"alpha": 0, "batch_size": 20, "max_iter": 400, "activation": "tanh"} | RUNS[run]
    ours, theirs = from_the_same_weights(kind, TARGETS[kind], **settings)
    for estimator in (ours, theirs):
        estimator.fit(X, TARGETS[kind])
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.loss_curve_[-ours.n_iter_ :], theirs.loss_curve_, rtol=1e-5)
    assert_same_parameters(ours, theirs, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_attributes_are_those_of_scikit_learn(kind: str) -> None:
    settings = {"hidden_layer_sizes": (6, 5), "learning_rate_init": 0.1, "random_state": 0}
    ours, theirs = (made(**settings, tol=0.01).fit(X, TARGETS[kind]) for made in pair(kind))
    for name in ("n_features_in_", "n_outputs_", "n_layers_", "out_activation_"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert [c.shape for c in ours.coefs_] == [c.shape for c in theirs.coefs_]
    assert [c.shape for c in ours.intercepts_] == [c.shape for c in theirs.intercepts_]
    assert ours.predict(X).shape == theirs.predict(X).shape
    assert ours.predict(X).dtype == theirs.predict(X).dtype
    assert ours.loss_ == ours.loss_curve_[-1]
    assert ours.best_loss_ == min(ours.loss_curve_)
    assert ours.n_iter_ == len(ours.loss_curve_) == ours.history_.epochs
    assert ours.t_ == ours.n_iter_ * len(X)
    assert ours.validation_scores_ is None


# How well they do.


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(
    ("load", "kind", "tolerance"),
    [
        (load_iris, "multiclass", 0.03),
        (load_breast_cancer, "binary", 0.03),
        (load_diabetes, "one output", 0.05),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scores_are_no_worse_than_scikit_learns(
    load: Any, kind: str, tolerance: float, solver: str
) -> None:
    inputs, targets = load(return_X_y=True)
    settings = {"hidden_layer_sizes": (10,), "alpha": 1.0, "learning_rate_init": 0.02}
    scores = [
        cross_val_score(
            make_pipeline(
                StandardScaler(), made(**settings, solver=solver, max_iter=60, random_state=0)
            ),
            inputs,
            targets if kind != "one output" else scale(targets),
            cv=3,
        ).mean()
        for made in pair(kind)
    ]
    assert scores[0] > scores[1] - tolerance


def test_digits_with_default_settings() -> None:
    digits, labels = load_digits(return_X_y=True)
    parts = train_test_split(digits / 16, labels, random_state=0)
    model = cr.MLPClassifier(learning_rate_init=0.01, random_state=0).fit(parts[0], parts[2])
    assert model.score(parts[1], parts[3]) > 0.96


# Labels.


@pytest.mark.parametrize(
    "labels",
    [["no", "yes"], [False, True], ["a", "bb", "ccc"], [10, -3, 7], [1.0, 2.0]],
    ids=str,
)
def test_labels_of_any_type_come_back(labels: list[Any]) -> None:
    y = np.array(labels)[np.digitize(X[:, 0], np.linspace(-0.5, 0.5, len(labels) - 1))]
    model = cr.MLPClassifier(tol=1e-3, learning_rate_init=0.05, random_state=0).fit(X, y)
    assert model.classes_.tolist() == sorted(labels)
    assert model.predict(X).dtype == y.dtype
    assert model.score(X, y) > 0.9
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (60, len(labels))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (model.classes_[probabilities.argmax(axis=1)] == model.predict(X)).all()
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), probabilities)


def test_several_labels_a_sample() -> None:
    y = TARGETS["multilabel"]
    model = cr.MLPClassifier(tol=1e-3, learning_rate_init=0.05, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9
    assert ((model.predict_proba(X) > 0.5) == model.predict(X)).all()


def test_one_class_is_always_predicted() -> None:
    model = cr.MLPClassifier(tol=0.01, random_state=0).fit(X, ["only"] * 60)
    assert set(model.predict(X)) == {"only"}


# Data.


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("made", [cr.MLPClassifier, cr.MLPRegressor])
def test_float32_stays_and_anything_else_is_float64(made: Any, solver: str) -> None:
    y = TARGETS["multiclass"]
    for dtype, kept in (("float32", "float32"), ("int64", "float64"), ("float64", "float64")):
        inputs = (4 * X).astype(dtype)
        model = made(hidden_layer_sizes=5, solver=solver, max_iter=5)
        model.fit(inputs, y)
        assert {a.dtype.name for a in model.coefs_ + model.intercepts_} == {kept}
        assert model.network_.predict(inputs).dtype == kept


def test_sparse_inputs_give_what_dense_ones_give() -> None:
    inputs = np.where(np.abs(X) > 0.5, X, 0)
    dense, sparse = (
        cr.MLPRegressor(tol=0.01, random_state=0).fit(x, TARGETS["one output"])
        for x in (inputs, csr_array(inputs))
    )
    np.testing.assert_allclose(dense.predict(inputs), sparse.predict(csr_array(inputs)))


def test_the_columns_of_a_frame_are_remembered() -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = cr.MLPClassifier(tol=0.01, learning_rate_init=0.01).fit(frame, TARGETS["binary"])
    assert model.feature_names_in_.tolist() == list("abcd")
    assert model.network_.feature_names == tuple("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[list("abdc")])


@pytest.mark.parametrize("made", [cr.MLPClassifier, cr.MLPRegressor])
def test_bad_data_is_refused_in_scikit_learns_words(made: Any) -> None:
    y = TARGETS["multiclass"]
    with pytest.raises(ValueError, match="Input X contains NaN"):
        made().fit(np.where(X > 2, np.nan, X), y)
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        made().fit(X[:0], y[:0])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        made().fit(X, y[:5])
    with pytest.raises(ValueError, match="sample_weight"):
        made().fit(X, y, sample_weight=-np.ones(60))
    with pytest.raises(ValueError, match=r"(?i)sample.weights? must"):
        made().fit(X, y, sample_weight=np.zeros(60))
    with pytest.raises(NotFittedError):
        made().predict(X)
    model = made(tol=0.1).fit(X, y)
    with pytest.raises(ValueError, match="X has 3 features, but"):
        model.predict(X[:, :3])


def test_divergence_is_reported() -> None:
    with pytest.raises(cr.DivergenceError, match="diverged"):
        cr.MLPRegressor(solver="sgd", learning_rate_init=1e6).fit(X, TARGETS["one output"])


# Parameters.


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"solver": "adagrad"}, "solver 'adagrad' is not known"),
        ({"activation": "rellu"}, "did you mean 'relu'"),
        ({"activation": "softmax"}, "output layer only"),
        ({"learning_rate": "cosine"}, "learning_rate 'cosine' is not known"),
        ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": 2.5}, "hidden_layer_sizes"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": "all"}, "batch_size"),
        ({"alpha": -1}, "alpha"),
        ({"max_iter": 0}, "max_iter"),
        ({"momentum": 1.0}, "momentum"),
        ({"early_stopping": True, "validation_fraction": 0.01}, "validation_fraction"),
        ({"solver": "lbfgs", "tol": 1e-6}, "tol=1e-06 is not supported with solver='lbfgs'"),
        ({"solver": "lbfgs", "max_fun": 10}, "max_fun=10 is not supported"),
        ({"solver": "lbfgs", "early_stopping": True}, "early_stopping=True is not supported"),
    ],
    ids=str,
)
@pytest.mark.parametrize("made", [cr.MLPClassifier, cr.MLPRegressor])
def test_parameters_that_are_wrong_or_unsupported_are_refused(
    made: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        made(**parameters).fit(X, TARGETS["binary"])


@pytest.mark.filterwarnings("ignore:training on the NumPy engine")
def test_activations_of_ours_and_one_for_each_layer() -> None:
    square = cr.Activation("square", lambda r: r * r, lambda r: 2 * r)
    model = cr.MLPRegressor(
        hidden_layer_sizes=(4, 3), activation=["logistic", square], tol=0.1, random_state=0
    )
    model.fit(X, TARGETS["one output"])
    names = [a.name for a in model.network_.architecture.activations]
    assert names == ["sigmoid", "square", "identity"]


@pytest.mark.parametrize(("loss", "output"), [("huber", "identity"), ("gamma", "exp")])
def test_losses_of_ours(loss: str, output: str) -> None:
    y = np.exp(X[:, 0])
    model = cr.MLPRegressor(loss, tol=1e-3, learning_rate_init=0.005, random_state=0).fit(X, y)
    assert model.network_.architecture.loss.name == loss
    assert model.out_activation_ == output
    assert model.score(X, y) > 0.8


def test_the_poisson_loss_is_that_of_scikit_learn() -> None:
    y = RNG.poisson(np.exp(X[:, 0])).astype(float)
    ours, theirs = from_the_same_weights(
        "one output", y, loss="poisson", solver="sgd", max_iter=1, alpha=5.0
    )
    for estimator in (ours, theirs):
        with pytest.warns(ConvergenceWarning):
            estimator.fit(X, y)
    assert_same_parameters(ours, theirs)


def test_a_batch_larger_than_the_data_is_all_of_it() -> None:
    model = cr.MLPRegressor(batch_size=61, tol=0.1)
    with pytest.warns(UserWarning, match="batch_size=61 is larger"):
        model.fit(X, TARGETS["one output"])
    assert model.history_.batch_size == 60


# Going on, and stopping.


def test_a_run_that_has_not_converged_says_so() -> None:
    with pytest.warns(ConvergenceWarning, match="3 of at most 3 iterations"):
        cr.MLPClassifier(max_iter=3).fit(X, TARGETS["binary"])


@pytest.mark.parametrize("kind", KINDS)
def test_early_stopping_keeps_the_weights_of_the_best_score(kind: str) -> None:
    made, _ = pair(kind)
    model = made(
        early_stopping=True, learning_rate_init=0.1, validation_fraction=0.5, random_state=0
    )
    model.fit(X, TARGETS[kind])
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ < 200
    assert model.best_validation_score_ == max(scores)
    assert model.best_loss_ is None
    # the sample is split as scikit-learn's train_test_split does with this random state
    stratify = TARGETS[kind] if kind == "binary" else None
    random = np.random.RandomState(0)
    random.randint(np.iinfo(np.int32).max)
    _, held = train_test_split(np.arange(60), test_size=0.5, random_state=random, stratify=stratify)
    assert model.score(X[held], TARGETS[kind][held]) == pytest.approx(max(scores))


def test_a_warm_start_goes_on() -> None:
    y = TARGETS["multiclass"]
    model = cr.MLPClassifier(max_iter=4, warm_start=True, shuffle=False, random_state=0)
    with pytest.warns(ConvergenceWarning):
        first = clone(model).fit(X, y)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y).fit(X, y)
    assert model.n_iter_ == 4
    assert len(model.loss_curve_) == 8
    assert model.loss_curve_[:4] == first.loss_curve_
    assert model.loss_curve_[4] < model.loss_curve_[3]
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same"):
        model.fit(X, y + 1)
    with pytest.raises(cr.InputError, match="ask for another network"):
        model.set_params(hidden_layer_sizes=3).fit(X, y)


def test_without_a_warm_start_a_fit_forgets() -> None:
    model = cr.MLPClassifier(tol=0.01, random_state=0)
    first = model.fit(X, TARGETS["multiclass"]).predict_proba(X)
    again = model.fit(X, TARGETS["binary"]).fit(X, TARGETS["multiclass"]).predict_proba(X)
    np.testing.assert_array_equal(first, again)


def test_epochs_one_by_one() -> None:
    y = np.array(["a", "b", "c"])[TARGETS["multiclass"]]
    model = cr.MLPClassifier(batch_size=5, learning_rate_init=0.01, random_state=0)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, y)
    some = y != "c"
    model.partial_fit(X[some], y[some], classes=["c", "a", "b"])
    assert model.classes_.tolist() == ["a", "b", "c"]
    for _ in range(40):
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.95
    assert len(model.loss_curve_) == 41
    assert model.n_iter_ == 1
    with pytest.raises(ValueError, match="not among"):
        model.partial_fit(X, ["d"] * 60)
    with pytest.raises(ValueError, match="in the first call"):
        model.partial_fit(X, y, classes=["a", "b"])


def test_epochs_one_by_one_scale_the_learning_rate_on() -> None:
    y = TARGETS["one output"]
    model = cr.MLPRegressor(solver="sgd", learning_rate="invscaling", random_state=0)
    rates = [model.partial_fit(X, y).history_.learning_rate[0] for _ in range(3)]
    np.testing.assert_allclose(rates, [1e-3, 1e-3 / 61**0.5, 1e-3 / 121**0.5])


@pytest.mark.parametrize("parameters", [{"early_stopping": True}, {"learning_rate": "adaptive"}])
def test_an_epoch_alone_cannot_look_back(parameters: dict[str, Any]) -> None:
    with pytest.raises(cr.InputError, match="partial_fit does not support"):
        cr.MLPRegressor(solver="sgd", **parameters).partial_fit(X, TARGETS["one output"])


def test_lbfgs_has_no_epochs() -> None:
    assert not hasattr(cr.MLPClassifier(solver="lbfgs"), "partial_fit")


# Company.


def test_a_grid_search_over_processes() -> None:
    model = make_pipeline(StandardScaler(), cr.MLPClassifier(tol=0.01, random_state=0))
    search = GridSearchCV(model, {"mlpclassifier__hidden_layer_sizes": [(2,), (20,)]}, n_jobs=2)
    search.fit(X, TARGETS["binary"])
    assert search.best_score_ > 0.7
    assert search.best_estimator_[-1].history_.epochs > 10


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickle_predicts_the_same(kind: str) -> None:
    made, _ = pair(kind)
    model = made(tol=0.1, random_state=0).fit(X, TARGETS[kind])
    back = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(back.predict(X), model.predict(X))


def test_random_state_decides_everything() -> None:
    y = TARGETS["one output"]
    one, same, other = (
        cr.MLPRegressor(tol=0.1, random_state=seed).fit(X, y).predict(X) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_the_parameters_are_views_of_the_network() -> None:
    model = cr.MLPRegressor(tol=0.1, random_state=0).fit(X, TARGETS["one output"])
    model.coefs_[1][:], model.intercepts_[1][:] = 0, 3
    np.testing.assert_array_equal(model.predict(X), np.full(60, 3.0))


def test_verbose_prints(capsys: pytest.CaptureFixture[str]) -> None:
    cr.MLPRegressor(tol=0.1, verbose=True).fit(X, TARGETS["one output"])
    assert "epoch 1/200  loss" in capsys.readouterr().out
