"""NumPy by hand: what a prediction costs that checks nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.benchmarks.workloads import Workload
from chainrule.numerics import Array

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
}


def predictor(workload: Workload) -> Callable[[Array], Array]:
    """Return a product and an activation for each layer."""
    weights, biases = workload.initial_parameters()
    layers = [(np.ascontiguousarray(w.T), b) for w, b in zip(weights, biases, strict=True)]
    hidden, (last_w, last_b) = layers[:-1], layers[-1]
    activation = _ACTIVATIONS[workload.activation]

    def predict(X: Array) -> Array:
        for w, b in hidden:
            X = activation(X @ w + b)
        return X @ last_w + last_b

    return predict
