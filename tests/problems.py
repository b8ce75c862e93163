"""A small problem and a network for it, for the tests of training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

import chainrule as cr
from chainrule import training
from chainrule.history import History
from chainrule.together import _DEFAULTS

Array = npt.NDArray[Any]


def problem(n: int = 200, seed: int = 0, dtype: str = "float64") -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)).astype(dtype)
    return X, np.stack([np.sin(X[:, 0]) + X[:, 1], X[:, 1] * X[:, 2]], axis=1)


def network(**options: Any) -> cr.Network:
    return cr.Network([3, 16, 2], **{"activation": "tanh", "dtype": "float64", **options})


def fit(
    net: cr.Network,
    X: Array,
    Y: Array,
    sample_weight: Array | None = None,
    per_sample: bool = False,
    start: training.OptimizerState | None = None,
    **options: Any,
) -> History:
    """Train as `Network.fit` does, with what estimators can ask for besides."""
    data, names = net._to_train_on(X, Y, sample_weight)
    task = net._task(data, names, **{**_DEFAULTS, "n_threads": None, **options})
    regularization = replace(task.settings.regularization, per_sample=per_sample)
    settings = replace(task.settings, regularization=regularization)
    return training.fit(replace(task, settings=settings, start=start))
