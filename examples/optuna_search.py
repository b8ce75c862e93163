"""Search for hidden sizes, learning rate and dropout with Optuna, and prune what will not win.

A trial reports its validation loss after each epoch, through a callback, and ends when Optuna says
that others were better by then.

Needs Optuna: ``pip install chainrule optuna``. Takes some seconds.
"""

from __future__ import annotations

from typing import Any

import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import chainrule as cr

X, y = load_digits(return_X_y=True)
X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
X_train, X_val, y_train, y_val = train_test_split(X_rest, y_rest, test_size=0.25, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_val, X_test = (scaler.transform(part) for part in (X_train, X_val, X_test))


def made(parameters: dict[str, Any]) -> cr.MLPClassifier:
    """Return the classifier that the parameters of a trial describe."""
    return cr.MLPClassifier(
        [parameters[f"units_{i}"] for i in range(parameters["layers"])],
        learning_rate_init=parameters["learning_rate"],
        dropout=parameters["dropout"],
        early_stopping=True,
        scoring="loss",  # what is reported below is what early stopping looks at
        schedule="cosine",
        max_iter=50,
        random_state=0,
    )


def objective(trial: optuna.Trial) -> float:
    """Return the lowest validation loss of a trial."""
    for i in range(trial.suggest_int("layers", 1, 2)):
        trial.suggest_int(f"units_{i}", 8, 128, log=True)
    trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    trial.suggest_float("dropout", 0.0, 0.5)

    def report(progress: Any) -> None:
        trial.report(progress.val_loss, progress.epoch)
        if trial.should_prune():
            progress.stop("pruned")

    model = made(trial.params).set_callbacks(report)
    model.fit(X_train, y_train, validation_data=(X_val, y_val))
    if model.history_.stop_reason == "pruned":
        raise optuna.TrialPruned
    return min(model.history_.val_loss)


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=5),
    )
    study.optimize(objective, n_trials=30)

    pruned = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.PRUNED]
    print(f"{len(study.trials)} trials, {len(pruned)} of them pruned")
    print(f"best: {study.best_params}, validation loss {study.best_value:.4f}")
    best = made(study.best_params).fit(X_train, y_train, validation_data=(X_val, y_val))
    print(f"accuracy on the test digits: {best.score(X_test, y_test):.3f}")
