"""scikit-learn's MLPRegressor.

Its gradient is that of the same C. Its `loss_` is averaged over the outputs as well, and is
given here times their number. Its Adam adds epsilon before the correction of the second moment,
which matters to gradients of 1e-8 only.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.neural_network import MLPRegressor

from chainrule.benchmarks.workloads import Workload
from chainrule.numerics import Array

WAYS: list[dict[str, Any]] = [{}]


def _model(workload: Workload, shuffle: bool = True) -> Any:
    """Return a model with the workload's initial parameters."""
    model = MLPRegressor(
        hidden_layer_sizes=workload.layer_sizes[1:-1],
        activation=workload.activation,
        batch_size=workload.batch_size,
        shuffle=shuffle,
        alpha=0.0,
        max_iter=1,
        n_iter_no_change=np.inf,
        warm_start=True,
    )
    # Only a fit makes the attributes; a warm start then goes on from what they hold.
    X, Y = (np.zeros((2, workload.layer_sizes[i]), np.float32) for i in (0, -1))
    _quietly(model.fit, X, _target(Y))
    model.coefs_, model.intercepts_ = workload.initial_parameters()
    model.coefs_ = [np.ascontiguousarray(w.T) for w in model.coefs_]
    return model


def _target(Y: Array) -> Array:
    """One target is to have one dimension."""
    return Y[:, 0] if Y.shape[1] == 1 else Y


def _quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """Leave out the warnings that so few epochs are not convergence, and so few rows no batch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)


class Trainer:
    """Trains by `fit` with a warm start, so many epochs in a call."""

    def __init__(self, workload: Workload, X: Array, Y: Array, shuffle: bool = True) -> None:
        self.model = _model(workload, shuffle)
        self.X, self.Y = X, _target(Y)
        self.n_outputs = workload.layer_sizes[-1]

    def run(self, epochs: int) -> float:
        """Train for so many epochs; return the loss of the last."""
        self.model.set_params(max_iter=epochs)
        _quietly(self.model.fit, self.X, self.Y)
        return float(self.model.loss_ * self.n_outputs)

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return weights of shape (n_out, n_in) and biases."""
        return [w.T for w in self.model.coefs_], list(self.model.intercepts_)

    def about(self) -> dict[str, str]:
        """There is one way only."""
        return {}


def predictor(workload: Workload) -> Callable[[Array], Array]:
    """Return `MLPRegressor.predict`."""
    return _model(workload).predict
