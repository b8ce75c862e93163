"""Callbacks of both kinds on the estimators: scikit-learn's protocol, and those of a Network."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chainrule as cr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = (X[:, 0] > 0).astype(int)


class Recorder:
    """A callback of scikit-learn's protocol that writes down what it is told."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.stop_at = stop_at

    def setup(self, estimator: Any, context: Any) -> None:
        self.told.append(("setup",))

    def teardown(self, estimator: Any, context: Any) -> None:
        self.told.append(("teardown",))

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self.told.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, X: Any, y: Any, fitted_estimator: Any
    ) -> bool:
        score = fitted_estimator and fitted_estimator.score(X, y)
        self.told.append(("end", context.task_name, context.task_id, score))
        return context.task_name == "epoch" and context.task_id == self.stop_at


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_epoch_is_a_task(solver: str) -> None:
    recorder = Recorder()
    model = cr.MLPClassifier(max_iter=3, solver=solver, random_state=0)
    model.set_callbacks(recorder).fit(X, Y)
    told = [entry[:3] for entry in recorder.told]
    epochs = [(what, "epoch", i) for i in range(3) for what in ("begin", "end")]
    assert told == [("setup",), ("begin", "fit", 0), *epochs, ("end", "fit", 0), ("teardown",)]
    scores = [entry[3] for entry in recorder.told if entry[0] == "end"]
    assert scores[-1] == scores[-2] == model.score(X, Y)


def test_a_callback_may_end_training() -> None:
    recorder = Recorder(stop_at=4)
    model = cr.MLPClassifier(random_state=0).set_callbacks(recorder).fit(X, Y)
    assert model.n_iter_ == 5
    assert model.history_.stop_reason == "callback"


@pytest.mark.parametrize("first", [True, False])
def test_no_epoch_begins_after_a_stop_by_a_callback_of_ours(first: bool) -> None:
    def stop(progress: Any) -> None:
        if progress.epoch == 2:
            progress.stop("second")

    recorder = Recorder()
    model = cr.MLPClassifier(random_state=0)
    model.set_callbacks(*([stop, recorder] if first else [recorder, stop])).fit(X, Y)
    begun = [entry[2] for entry in recorder.told if entry[:2] == ("begin", "epoch")]
    assert begun == [0, 1]


def test_what_a_callback_keeps_does_not_change_later() -> None:
    kept: list[Any] = []

    class Keeper(Recorder):
        def on_fit_task_end(  # type: ignore[override]
            self, estimator: Any, context: Any, *, fitted_estimator: Any
        ) -> None:
            kept.append(fitted_estimator)

    cr.MLPClassifier(max_iter=4, random_state=0).set_callbacks(Keeper()).fit(X, Y)
    first, last = kept[0].predict_proba(X), kept[-1].predict_proba(X)
    assert not np.allclose(first, last)
    assert len(kept) == 5


class Listener(Recorder):
    """One that does not look at the model."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:  # type: ignore[override]
        self.told.append(("end", context.task_name, context.task_id))


def test_a_failed_fit_is_torn_down() -> None:
    recorder = Listener()
    model = cr.MLPRegressor(solver="sgd", learning_rate_init=1e6).set_callbacks(recorder)
    with pytest.raises(cr.DivergenceError):
        model.fit(X, Y)
    assert recorder.told[-1] == ("teardown",)
    begun, ended = (
        [entry[1:3] for entry in recorder.told if entry[0] == what] for what in ("begin", "end")
    )
    assert ended == begun[1:]  # but for the fit, each task that was begun has an end


def test_callbacks_of_ours_come_through_the_same_door() -> None:
    losses: list[float] = []

    class Stop(cr.Callback):
        def on_epoch_end(self, progress: Any) -> None:
            if progress.epoch == 3:
                progress.stop("third")

    model = cr.MLPRegressor(random_state=0)
    model.set_callbacks(Stop(), lambda progress: losses.append(progress.loss)).fit(X, Y)
    assert (model.n_iter_, model.history_.stop_reason) == (3, "third")
    assert losses == model.history_.loss
    assert clone(model).fit(X, Y).n_iter_ == 3
    assert cr.MLPRegressor(max_iter=4).set_callbacks().fit(X, Y).n_iter_ == 4
    with pytest.raises(cr.InputError, match="callbacks must be instances"):
        model.set_callbacks(3)
    with pytest.raises(cr.InputError, match="callbacks must be instances"):
        model.set_callbacks(ProgressBar)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scikit_learns_callbacks_alone_and_inside_others(
    n_jobs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = ScoringMonitor(scoring="accuracy")
    model = cr.MLPClassifier(max_iter=3, random_state=0).set_callbacks(alone).fit(X, Y)
    rows = alone.get_logs().data
    assert [row["task_id_path"] for row in rows if row["task_name"] == "epoch"] == [
        (0, 0), (0, 1), (0, 2)
    ]  # fmt: skip
    assert rows[-1]["accuracy"] == model.score(X, Y)

    monitor, bar = ScoringMonitor(scoring="accuracy"), ProgressBar()
    model = cr.MLPClassifier(max_iter=3, random_state=0).set_callbacks(monitor)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model), {"mlpclassifier__alpha": [0.1, 1.0]},
        cv=2, n_jobs=n_jobs,
    ).set_callbacks(bar)  # fmt: skip
    search.fit(X, Y)
    runs = monitor.get_logs(select="all")
    epochs = [row for run in runs for row in run.data if row["task_name"] == "epoch"]
    assert len(epochs) == 3 * (2 * 2 + 1)
    assert all(0 <= row["accuracy"] <= 1 for row in epochs)
    assert "GridSearchCV" in capsys.readouterr().out


def test_each_network_of_an_ensemble_is_a_task_with_epochs() -> None:
    recorder = Recorder()
    cr.MLPClassifier(n_estimators=2, max_iter=2, random_state=0).set_callbacks(recorder).fit(X, Y)
    tasks = [entry[1:3] for entry in recorder.told if entry[0] == "end"]
    assert sorted(tasks) == [
        ("epoch", 0), ("epoch", 0), ("epoch", 1), ("epoch", 1), ("fit", 0), ("network", 0),
        ("network", 1),
    ]  # fmt: skip


def test_a_model_with_callbacks_can_be_pickled() -> None:
    model = cr.MLPRegressor(max_iter=2).set_callbacks(cr.Callback(), Recorder()).fit(X, Y)
    back = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
