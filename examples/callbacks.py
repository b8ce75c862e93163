"""Follow training with scikit-learn's callbacks, alone and inside a grid search; and with your own.

An epoch is a task to them: ``ProgressBar`` shows how far training is, ``ScoringMonitor`` keeps a
score of each epoch.

Needs nothing but chainrule: ``pip install chainrule``.
"""

from __future__ import annotations

from typing import Any

from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chainrule as cr

X, y = load_digits(return_X_y=True)


def classifier() -> cr.MLPClassifier:
    """Return one that trains for a few epochs; as a schedule plans them, no warning says so."""
    return cr.MLPClassifier(
        (32,), learning_rate_init=0.01, max_iter=8, schedule="cosine", random_state=0
    )


def alone() -> None:
    """Score each epoch of one fit."""
    monitor = ScoringMonitor(scoring="accuracy")
    classifier().set_callbacks(ProgressBar(), monitor).fit(X / 16, y)
    for row in monitor.get_logs().data:
        if row["task_name"] == "epoch":
            print(f"epoch {row['task_id_path'][-1] + 1}: accuracy {row['accuracy']:.3f}")


def inside_a_search() -> None:
    """Score each epoch of every fit of a search; one bar shows them all."""
    monitor = ScoringMonitor(scoring="accuracy")
    model = make_pipeline(StandardScaler(), classifier().set_callbacks(monitor))
    grid = {"mlpclassifier__learning_rate_init": [0.001, 0.01]}
    search = GridSearchCV(model, grid, cv=3).set_callbacks(ProgressBar()).fit(X, y)
    epochs = [
        row
        for log in monitor.get_logs(select="all")
        for row in log.data
        if row["task_name"] == "epoch"
    ]
    print(f"best: {search.best_params_}, from {len(epochs)} epochs that were scored")


def of_your_own() -> None:
    """End training when it is good enough, and print the losses until then."""

    class GoodEnough(cr.Callback):
        def on_epoch_end(self, progress: Any) -> None:
            if progress.loss < 1.0:
                progress.stop("good enough")

    model = classifier()
    model.set_callbacks(GoodEnough(), lambda progress: print(f"loss {progress.loss:.3f}"))
    history = model.fit(X / 16, y).history_
    print(f"{history.stop_reason} after {history.epochs} epochs")


if __name__ == "__main__":
    alone()
    inside_a_search()
    of_your_own()
