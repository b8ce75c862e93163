"""chainrule, by the engine that ``engine="auto"`` takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.benchmarks.peers import NotAvailable
from chainrule.benchmarks.workloads import Workload
from chainrule.network import Network
from chainrule.numerics import Array

WAYS: list[dict[str, Any]] = [{}]


def network(workload: Workload, **options: Any) -> Network:
    """Return the workload's network with its initial parameters."""
    net = cr.Network(workload.layer_sizes, **{"activation": workload.activation, **options})
    weights, biases = workload.initial_parameters()
    net.weights, net.biases = weights, biases
    return net


class Trainer:
    """Trains in one call of `fit`, whose checks of X and Y are part of its time.

    Parameters
    ----------
    workload, X, Y
        What to train.
    shuffle : bool, default True
        Whether the rows come in a new order in each epoch.
    network_options, fit_options : dict, optional
        What differs from the other peers' work, where only chainrule is measured.
    sample_weight : bool, default False
        Whether the samples have weights.
    """

    def __init__(
        self,
        workload: Workload,
        X: Array,
        Y: Array,
        shuffle: bool = True,
        network_options: dict[str, Any] | None = None,
        fit_options: dict[str, Any] | None = None,
        sample_weight: bool = False,
    ) -> None:
        self.net = network(workload, **(network_options or {}))
        self.X, self.Y = X.astype(self.net.dtype, copy=False), Y.astype(self.net.dtype, copy=False)
        if self.net.architecture.loss.name == "cross_entropy":
            self.Y = np.eye(Y.shape[1], dtype=self.net.dtype)[Y.argmax(axis=1)]
        self.fit_options = {
            "batch_size": workload.batch_size,
            "shuffle": shuffle,
            **(fit_options or {}),
        }
        if sample_weight:
            self.fit_options["sample_weight"] = np.random.default_rng(2).uniform(size=len(X))
        self.engine = ""

    def run(self, epochs: int) -> float:
        """Train for so many epochs; return the loss of the last."""
        history = self.net.fit(self.X, self.Y, epochs=epochs, **self.fit_options)
        self.engine = history.engine
        return history.loss[-1]

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return weights of shape (n_out, n_in) and biases."""
        return list(self.net.weights), list(self.net.biases)

    def about(self) -> dict[str, str]:
        """Return the engine that ran."""
        return {"engine": self.engine}


def predictor(workload: Workload) -> Callable[[Array], Array]:
    """Return `Network.predict`."""
    return network(workload).predict


def ensemble(workload: Workload, X: Array, Y: Array, n: int) -> Callable[[int], object]:
    """Return what trains `n` networks by `train_many`."""
    train_many = getattr(cr, "train_many", None)
    if train_many is None:
        raise NotAvailable("train_many is not part of this version")
    networks = [network(workload) for _ in range(n)]
    seeds = list(range(n))
    return lambda epochs: train_many(
        networks, X, Y, epochs=epochs, batch_size=workload.batch_size, seed=seeds
    )
