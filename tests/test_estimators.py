"""The estimators: scikit-learn's contract, labels, data, parameters and what is ours alone."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
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


def made_for(kind: str) -> Any:
    return cr.MLPRegressor if "output" in kind else cr.MLPClassifier


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [cr.MLPClassifier(max_iter=100), cr.MLPRegressor(max_iter=100)]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_the_contract_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


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


def test_divergence_is_a_value_error_and_keeps_the_best_weights() -> None:
    model = cr.MLPRegressor(solver="sgd", learning_rate_init=1e6)
    with pytest.raises(cr.DivergenceError, match=r"non-finite.*diverged") as error:
        model.fit(X, TARGETS["one output"])
    assert isinstance(error.value, ValueError)
    assert all(np.isfinite(W).all() for W in model.coefs_)


def test_divergence_with_early_stopping_is_a_warning() -> None:
    model = cr.MLPRegressor(solver="sgd", learning_rate_init=1e6, early_stopping=True)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X, TARGETS["one output"])
    assert np.isnan(model.validation_scores_[-1])
    assert np.isfinite(model.predict(X)).all()


# Parameters.


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"activation": "rellu"}, "did you mean 'relu'"),
        ({"activation": "softmax"}, "output layer only"),
        ({"activation": ["relu", "tanh"]}, "one for each of the 1 hidden"),
        ({"activation": 3}, "The 'activation' parameter of"),
        ({"hidden_layer_sizes": (3, 0)}, r"hidden_layer_sizes must be > 0, got \[3, 0\]"),
        ({"loss": "hubert"}, "did you mean 'huber'"),
        ({"optimizer": "adagard"}, "did you mean 'adagrad'"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"solver": "sgd", "learning_rate": "adaptive", "schedule": "cosine"}, "pass one of them"),
        ({"dropout": 1.0}, "The 'dropout' parameter of"),
        ({"gradient_clip": 0}, "The 'gradient_clip' parameter of"),
        ({"n_estimators": 0}, "The 'n_estimators' parameter of"),
        ({"scoring": "acuracy"}, "scoring"),
        ({"hidden_layer_sizes": [[3]]}, "hidden_layer_sizes must be an instance of"),
        ({"early_stopping": True, "validation_fraction": 1e-3}, "validation_data"),
    ],
    ids=str,
)
@pytest.mark.parametrize("made", [cr.MLPClassifier, cr.MLPRegressor])
def test_parameters_that_are_wrong_are_refused(
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


def test_a_batch_larger_than_the_data_is_all_of_it() -> None:
    model = cr.MLPRegressor(batch_size=61, tol=0.1)
    with pytest.warns(UserWarning, match="Got batch_size=61, larger"):
        model.fit(X, TARGETS["one output"])
    assert model.history_.batch_size == 60


# Going on, and stopping.


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


def test_partial_fit_does_not_look_back() -> None:
    with pytest.raises(cr.InputError, match="partial_fit does not support early_stopping=True"):
        cr.MLPRegressor(early_stopping=True).partial_fit(X, TARGETS["one output"])


def test_lbfgs_has_no_epochs() -> None:
    assert not hasattr(cr.MLPClassifier(solver="lbfgs"), "partial_fit")


# Company.


def test_a_grid_search_over_processes() -> None:
    model = make_pipeline(StandardScaler(), cr.MLPClassifier(tol=0.01, learning_rate_init=0.05))
    search = GridSearchCV(model, {"mlpclassifier__hidden_layer_sizes": [(2,), (20,)]}, n_jobs=2)
    search.fit(X, TARGETS["binary"])
    assert search.best_score_ > 0.7
    assert search.best_estimator_[-1].history_.epochs > 10


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickle_predicts_the_same(kind: str) -> None:
    model = made_for(kind)(tol=0.1, random_state=0).fit(X, TARGETS[kind])
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
    assert "Iteration 1, loss = " in capsys.readouterr().out


# What scikit-learn's do not have.


QUICK: dict[str, Any] = {"tol": 1e-3, "learning_rate_init": 0.02, "random_state": 0}
Y = TARGETS["multiclass"]


def test_the_weights_of_classes_are_those_of_their_samples() -> None:
    weights = {0: 1.0, 1: 5.0, 2: 0.5}
    by_class = cr.MLPClassifier(class_weight=weights, **QUICK).fit(X, Y)
    by_sample = cr.MLPClassifier(**QUICK).fit(X, Y, sample_weight=np.vectorize(weights.get)(Y))
    np.testing.assert_array_equal(by_class.predict_proba(X), by_sample.predict_proba(X))


def test_balanced_classes_help_the_rare_one() -> None:
    noise = np.random.default_rng(1).normal(size=60)
    rare = np.where(X[:, 0] + noise > 1.5, "rare", "often")
    recall = [
        (cr.MLPClassifier((), class_weight=w, **QUICK).fit(X, rare).predict(X) == "rare").sum()
        for w in (None, "balanced")
    ]
    assert recall[1] > recall[0]


def test_wrong_weights_of_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"classes, \[2\], are not in class_weight"):
        cr.MLPClassifier(class_weight={0: 1, 1: 1, 7: 2}).fit(X, Y)
    with pytest.raises(ValueError, match="class_weight"):
        cr.MLPClassifier(class_weight="balance").fit(X, Y)
    with pytest.raises(cr.InputError, match="partial_fit never sees"):
        cr.MLPClassifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])


@pytest.mark.parametrize(
    ("loss", "output", "proba"),
    [
        ("cross_entropy", "softmax", True),
        ("binary_cross_entropy", "logistic", True),
        ("squared_error", "logistic", True),
        ("hinge", "identity", False),
        (cr.losses.huber, "logistic", True),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_classifiers_of_any_loss(kind: str, loss: Any, output: str, proba: bool) -> None:
    y = TARGETS[kind]
    model = cr.MLPClassifier(loss=loss, **QUICK)
    if kind == "multilabel" and loss == "cross_entropy":
        with pytest.raises(cr.InputError, match="classes that exclude each other"):
            model.fit(X, y)
        return
    model.fit(X, y)
    assert model.out_activation_ == output
    assert model.score(X, y) > 0.8
    assert hasattr(model, "predict_proba") == proba
    assert hasattr(model, "decision_function") != proba
    if proba and kind != "multilabel":
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
        assert (model.classes_[model.predict_proba(X).argmax(axis=1)] == model.predict(X)).all()
    elif kind == "binary":
        assert ((model.decision_function(X) > 0) == model.predict(X)).all()


@pytest.mark.filterwarnings("ignore:training on the NumPy engine")
def test_losses_of_your_own() -> None:
    quartic = cr.Loss("quartic", lambda p, y: (p - y) ** 4, lambda p, y: 4 * (p - y) ** 3)
    model = cr.MLPRegressor(quartic, **QUICK).fit(X, TARGETS["one output"])
    assert model.score(X, TARGETS["one output"]) > 0.5
    assert cr.MLPClassifier(loss=quartic, **QUICK).fit(X, Y).score(X, Y) > 0.8


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_optimizers_schedules_and_regularization_of_ours_reach_the_network() -> None:
    model = cr.MLPRegressor(
        optimizer=cr.optimizers.AdamW(weight_decay=0.1), schedule="cosine", dropout=0.1, l1=0.01,
        gradient_clip=1.0, weight_init="he", max_iter=5, n_threads=1, engine="numpy",
    ).fit(X, TARGETS["one output"])  # fmt: skip
    history = model.history_
    assert (history.optimizer, history.engine) == ("AdamW", "numpy")
    assert history.learning_rate[-1] < history.learning_rate[0] / 5
    assert history.penalty[0] > 0
    assert (model.intercepts_[0] != 0).all()
    assert cr.MLPRegressor(optimizer="rprop", max_iter=3).fit(X, Y).history_.batch_size == 60


def test_a_planned_run_is_not_warned_of() -> None:
    cr.MLPRegressor(schedule="one_cycle", max_iter=5).fit(X, TARGETS["one output"])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_given_validation_data_take_the_place_of_a_part_of_the_samples() -> None:
    model = cr.MLPClassifier(early_stopping=True, **QUICK).fit(
        X[:40], Y[:40], validation_data=(X[40:], Y[40:])
    )
    assert model.t_ == 40 * model.n_iter_
    assert max(model.validation_scores_) == model.score(X[40:], Y[40:])
    only_scored = cr.MLPClassifier(max_iter=4).fit(X, Y, validation_data=(X[40:], Y[40:]))
    assert len(only_scored.validation_scores_) == 4
    assert only_scored.best_loss_ == min(only_scored.loss_curve_)
    assert len(only_scored.history_.val_loss) == 4
    for wrong, message in (
        ((X[:, :2], Y), "validation_data: X has 2 features"),
        ((X, Y + 1), "validation_data: y has the labels"),
        (X, "must be \\(X, y\\)"),
        ((X[:0], Y[:0]), "validation_data: .*0 sample"),
    ):
        with pytest.raises(cr.InputError, match=message):
            cr.MLPClassifier().fit(X, Y, validation_data=wrong)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scoring", ["neg_log_loss", "f1_macro", "loss", None])
def test_early_stopping_follows_any_scorer(scoring: str | None) -> None:
    held = (X[40:], Y[40:])
    model = cr.MLPClassifier(early_stopping=True, scoring=scoring, max_iter=60, **QUICK)
    model.fit(X[:40], Y[:40], validation_data=held)
    scorer = {"loss": "neg_log_loss", None: "accuracy"}.get(scoring, scoring)
    assert get_scorer(scorer)(model, *held) == pytest.approx(model.best_validation_score_)
    model.set_params(restore_best=False).fit(X[:40], Y[:40], validation_data=held)
    assert get_scorer(scorer)(model, *held) == pytest.approx(model.validation_scores_[-1])


def test_an_ensemble_predicts_the_mean_of_its_networks() -> None:
    model = cr.MLPClassifier(n_estimators=3, **QUICK).fit(X, Y)
    each = [network.predict(X) for network in model.networks_]
    np.testing.assert_allclose(model.predict_proba(X), np.mean(each, axis=0))
    assert not np.allclose(each[0], each[1])
    assert all(history.loss for history in model.histories_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_each_network_of_an_ensemble_stops_and_is_restored_by_itself() -> None:
    held = (X[40:], Y[40:])
    model = cr.MLPClassifier(n_estimators=3, early_stopping=True, **QUICK)
    model.fit(X[:40], Y[:40], validation_data=held)
    for network, follower in zip(model.networks_, model._convergences, strict=True):
        best = (network.predict(held[0]).argmax(axis=1) == held[1]).mean()
        assert best == pytest.approx(follower.best_score)


def test_the_spread_of_an_ensemble() -> None:
    y = TARGETS["two outputs"]
    model = cr.MLPRegressor(n_estimators=4, **QUICK).fit(X, y)
    each = np.stack([network.predict(X) for network in model.networks_])
    np.testing.assert_allclose(model.predict_std(X), each.std(axis=0))
    assert model.predict_std(X).shape == y.shape
    assert not hasattr(cr.MLPRegressor(), "predict_std")
    # away from the data the networks disagree
    assert model.predict_std(10 * X).mean() > 3 * model.predict_std(X).mean()


def test_a_gaussian_knows_its_noise() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.uniform(-1, 1, (2000, 1))
    noise = np.where(inputs[:, 0] > 0, 1.0, 0.1)
    y = inputs[:, 0] + noise * rng.normal(size=2000)
    for n in (1, 3):
        model = cr.MLPRegressor("gaussian_nll", n_estimators=n, **QUICK).fit(inputs, y)
        spread = model.predict_std([[-0.5], [0.5]])
        np.testing.assert_allclose(spread, [0.1, 1.0], rtol=0.3)
        assert model.predict([[0.5]]).shape == (1,)
        assert model.score(inputs, y) > 0


def test_quantiles_hold_their_share_and_never_cross() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.uniform(-1, 1, (3000, 1))
    y = inputs[:, 0] + (1.2 + inputs[:, 0]) * rng.exponential(size=3000)
    settings: dict[str, Any] = {
        "learning_rate_init": 0.01,
        "schedule": "cosine",
        "max_iter": 60,
        "tol": 0,
    }
    settings["random_state"] = 0
    model = cr.MLPRegressor("quantile", quantiles=(0.9, 0.1, 0.5), **settings).fit(inputs, y)
    found = model.predict_quantiles(inputs)
    np.testing.assert_allclose((y[:, None] < found).mean(axis=0), [0.1, 0.5, 0.9], atol=0.03)
    assert (np.diff(found, axis=1) >= 0).all()
    np.testing.assert_array_equal(model.predict(inputs[:5]), found[:5, 1])
    one = cr.MLPRegressor("quantile(0.9)", **QUICK).fit(inputs, np.stack([y, -y], axis=1))
    assert one.predict_quantiles(inputs).shape == (3000, 2, 1)
    np.testing.assert_array_equal(one.predict(inputs), one.predict_quantiles(inputs)[..., 0])
    assert not hasattr(cr.MLPRegressor(), "predict_quantiles")
    with pytest.raises(cr.InputError, match="strictly between 0 and 1"):
        cr.MLPRegressor("quantile", quantiles=[0, 0.5]).fit(inputs, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_coefficients_can_be_assigned() -> None:
    model = cr.MLPRegressor(hidden_layer_sizes=(), max_iter=1).fit(X, TARGETS["one output"])
    model.coefs_ = [np.ones((4, 1))]
    model.intercepts_ = [np.array([2.0])]
    np.testing.assert_allclose(model.predict(X), X.sum(axis=1) + 2)


def test_a_pipeline_transforms_validation_inputs_alone() -> None:
    inputs = 1000 + 100 * X
    model = cr.MLPClassifier(early_stopping=True, random_state=0)
    with config_context(enable_metadata_routing=True):
        model.set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), model, transform_input=["X_val"])
        pipeline.fit(inputs[:40], Y[:40], X_val=inputs[40:], y_val=Y[40:])
    assert pipeline.score(inputs[40:], Y[40:]) == max(model.validation_scores_)
    with pytest.raises(cr.InputError, match="but not both"):
        cr.MLPClassifier().fit(X, Y, validation_data=(X, Y), X_val=X, y_val=Y)


def test_a_scorer_must_return_one_number() -> None:
    model = cr.MLPClassifier(scoring=lambda model, X, y: X[:, 0], early_stopping=True)
    with pytest.raises(cr.InputError, match="must return one number"):
        model.fit(X, Y)
