"""What the estimators of a peer are asked to do: the same parameters, whoever made them."""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Callable
from typing import Any

from chainrule.benchmarks.job import Job, Task
from chainrule.benchmarks.workloads import Workload

_MODULES = {"chainrule": "chainrule", "sklearn": "sklearn.neural_network"}

DATASETS: dict[str, Workload] = {
    "iris": Workload((4, 50, 3), "relu", 200, 150, "classifier"),
    "wine": Workload((13, 50, 3), "relu", 200, 178, "classifier"),
    "breast_cancer": Workload((30, 50, 1), "relu", 200, 569, "classifier"),
    "digits": Workload((64, 50, 10), "relu", 200, 1797, "classifier"),
    "diabetes": Workload((10, 50, 1), "relu", 200, 442, "regressor"),
}
"""The networks that train on the data that scikit-learn ships."""

GRID = {
    "hidden_layer_sizes": [(32,), (64,)],
    "alpha": [1e-4, 1e-2, 1.0],
    "learning_rate_init": [1e-3, 1e-2],
    "batch_size": [32, 200],
}
QUICK_GRID = {"alpha": [1e-4, 1.0], "learning_rate_init": [1e-3, 1e-2]}


def model(job: Job, kind: str, **parameters: Any) -> Any:
    """Return the peer's estimator, ``"classifier"`` or ``"regressor"``, of the job's network."""
    module = importlib.import_module(_MODULES[job.peer])
    made = module.MLPClassifier if kind == "classifier" else module.MLPRegressor
    workload = job.workload
    chosen: dict[str, Any] = {
        "hidden_layer_sizes": workload.layer_sizes[1:-1],
        "activation": workload.activation,
        "batch_size": workload.batch_size,
        "random_state": 0,
    }
    return made(**chosen | parameters)


def fit(job: Job) -> Task:
    """Fit to what another network of the same size says of random samples; a step is a unit."""
    import numpy as np

    X, _ = job.workload.data()
    weights, _ = job.workload.initial_parameters()
    signal = X
    for W in weights:
        signal = np.tanh(signal @ W.T)
    kind = "classifier" if job.workload.layer_sizes[-1] > 1 else "regressor"
    y = signal.argmax(axis=1) if kind == "classifier" else signal[:, 0]
    epochs: int = job.options["epochs"]
    estimator = model(job, kind, max_iter=epochs, n_iter_no_change=np.inf)
    outside = 0.0

    def run(fits: int) -> None:
        nonlocal outside
        for _ in range(fits):
            start = time.perf_counter()
            quietly(estimator.fit, X, y)
            if hasattr(estimator, "history_"):
                outside = time.perf_counter() - start - estimator.history_.seconds

    def about() -> dict[str, str]:
        return {"loss": repr(float(estimator.loss_)), "outside": repr(outside)}

    return Task(run, units=epochs * job.workload.n_steps, about=about)


def search(job: Job) -> dict[str, Any]:
    """Search a grid, and say how long it took and what came of it."""
    import joblib
    from joblib.externals.loky import get_reusable_executor
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = load_digits(return_X_y=True)
    if job.options["quick"]:
        X, y = X[:300], y[:300]
    estimator = make_pipeline(StandardScaler(), model(job, "classifier", max_iter=100))
    name = estimator.steps[-1][0]
    grid = QUICK_GRID if job.options["quick"] else GRID
    found = GridSearchCV(
        estimator, {f"{name}__{key}": values for key, values in grid.items()},
        cv=5, n_jobs=job.options["n_jobs"],
    )  # fmt: skip
    # A worker has a core of its own, which here the environment does not say.
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        start = time.perf_counter()
        quietly(found.fit, X, y)
        seconds = time.perf_counter() - start
    if job.options["n_jobs"] > 1:
        # this process is ended from outside, which its workers would outlive
        get_reusable_executor().shutdown(wait=True, kill_workers=True)
    return {
        "seconds": seconds,
        "score": float(found.best_score_),
        "best": {key.removeprefix(f"{name}__"): value for key, value in found.best_params_.items()},
    }


def scores(job: Job) -> dict[str, Any]:
    """Return the score on the held-out third of a data set, for each seed."""
    from sklearn import datasets
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = getattr(datasets, f"load_{job.options['dataset']}")(return_X_y=True)
    kind = job.workload.stands_for
    found = []
    for seed in range(job.options["seeds"]):
        estimator = model(
            job, kind, solver=job.options["solver"], alpha=1.0 if kind == "classifier" else 10.0,
            max_iter=200, learning_rate_init=0.01, batch_size="auto", random_state=seed,
        )  # fmt: skip
        if kind == "regressor":
            estimator = TransformedTargetRegressor(estimator, transformer=StandardScaler())
        fitted = make_pipeline(StandardScaler(), estimator)
        parts = train_test_split(
            X, y, test_size=1 / 3, random_state=seed, stratify=y if kind == "classifier" else None
        )
        quietly(fitted.fit, parts[0], parts[2])
        found.append(float(fitted.score(parts[1], parts[3])))
    return {"scores": found}


def quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """Leave out the warnings that so few epochs are not convergence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)
