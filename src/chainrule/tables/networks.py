"""The networks of a table: provisional, until the perceptrons take ensembles themselves."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.together import train_many


class _Networks(BaseEstimator):
    def __init__(
        self, hidden_layer_sizes: Any = (128, 128), activation: Any = "relu", *,
        optimizer: Any = None, learning_rate_init: float = 1e-3, schedule: Any = None,
        batch_size: int = 32, max_iter: int = 100, dropout: float = 0.0,
        early_stopping: bool = False, validation_fraction: float = 0.1,
        n_iter_no_change: int = 10, n_estimators: int = 1, alpha: float = 0.0,
        random_state: int = 0, n_threads: int | None = None, verbose: int = 0,
    ) -> None:  # fmt: skip
        for name, value in locals().items():
            if name != "self":
                setattr(self, name, value)

    def _train(self, X: Array, Y: Array, outputs: int, sample_weight: Any, **kind: Any) -> Self:
        seeds = [self.random_state + i for i in range(self.n_estimators)]
        layers = [X.shape[1], *self.hidden_layer_sizes, outputs]
        self.networks_ = [Network(layers, self.activation, seed=seed, **kind) for seed in seeds]
        watched: dict[str, Any] = {}
        if self.early_stopping:
            watched = {
                "validation_data": self.validation_fraction,
                "early_stopping": self.n_iter_no_change,
            }
        train_many(
            self.networks_, X, Y, sample_weight=sample_weight, optimizer=self.optimizer,
            learning_rate=self.learning_rate_init, schedule=self.schedule, epochs=self.max_iter,
            batch_size=self.batch_size, dropout=self.dropout, seed=seeds, verbose=self.verbose,
            n_threads=self.n_threads, **watched,
        )  # fmt: skip
        return self

    def _outputs(self, X: Array) -> Array:
        return np.mean([net.predict(X) for net in self.networks_], axis=0)


class MLPClassifier(ClassifierMixin, _Networks):
    def fit(self, X: Array, y: Array, sample_weight: Any = None) -> Self:
        self.classes_, numbers = np.unique(y, return_inverse=True)
        k = len(self.classes_)
        kind = {"output_activation": "sigmoid", "loss": "binary_cross_entropy"}
        if k > 2:
            kind = {"output_activation": "softmax", "loss": "cross_entropy"}
        return self._train(X, numbers, k if k > 2 else 1, sample_weight, **kind)

    def predict_proba(self, X: Array) -> Array:
        outputs = self._outputs(X)
        if len(self.classes_) == 1:
            return np.ones_like(outputs)
        return outputs if len(self.classes_) > 2 else np.hstack([1 - outputs, outputs])

    def predict(self, X: Array) -> Array:
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class MLPRegressor(RegressorMixin, _Networks):
    def fit(self, X: Array, y: Array, sample_weight: Any = None) -> Self:
        return self._train(X, y, 1, sample_weight)

    def predict(self, X: Array) -> Array:
        return self._outputs(X)[:, 0]
