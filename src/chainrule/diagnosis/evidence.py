"""What a diagnosis looks at: one pass laid open, and the data beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from chainrule import optimizers
from chainrule.activations import Activation
from chainrule.architecture import Architecture
from chainrule.engines import Data
from chainrule.history import History
from chainrule.losses import Loss
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.optimizers import FullBatch, Optimizer
from chainrule.tracing import Trace, trace

MOST_ROWS = 2000
"""Samples that are looked at, chosen at random where there are more."""
FLAT = 0.05
"""A unit is on a flat part of its activation where the slope is below this share of the steepest.

That is beyond |rho| = 4.4 for sigmoid and 2.2 for tanh, where LeCun et al. 1998 ("Efficient
BackProp", section 4.4) see training slow down.
"""
_NEVER_FLAT = ("identity", "sin", "exponential")
_ARGUMENTS = np.linspace(-10, 10, 2001)


@dataclass(frozen=True)
class Settings:
    """How the network is, or will be, trained, as far as that is known."""

    optimizer: Optimizer | FullBatch
    learning_rate: float | None
    batch_size: int


class Evidence:
    """Everything that the rules look at; what is expensive is computed when a rule asks.

    Parameters
    ----------
    net : Network
        Not changed.
    data : Data
        All samples, checked.
    history : History, optional
        Of the training that led to these weights.
    settings : Settings
        How it was or will be trained.
    """

    def __init__(
        self, net: Network, data: Data, history: History | None, settings: Settings
    ) -> None:
        self.net, self.history, self.settings = net, history, settings
        self.architecture: Architecture = net.architecture
        self.n_rows = len(data)
        rows: Any = slice(None)
        if self.n_rows > MOST_ROWS:
            rng = np.random.default_rng(0)
            rows = np.sort(rng.choice(self.n_rows, MOST_ROWS, replace=False))
        data = data.rows(rows)
        dense = data.X.toarray() if hasattr(data.X, "tocsr") else data.X
        self.X: Array = np.asarray(dense, np.float64)
        self.Y: Array = np.asarray(data.Y, np.float64)

    @property
    def n(self) -> int:
        """The number of samples looked at."""
        return len(self.X)

    @property
    def loss(self) -> Loss:
        """The loss of the network."""
        return self.architecture.loss

    @property
    def output(self) -> Activation:
        """The output activation."""
        return self.architecture.activations[-1]

    @property
    def trained(self) -> bool:
        """Whether it is known that the network was trained."""
        return self.history is not None and self.history.epochs > 0

    @cached_property
    def trace(self) -> Trace:
        """One forward and one backward pass over the samples looked at."""
        return trace(self.net, self.X, self.Y)

    @cached_property
    def naive_loss(self) -> float:
        """C of the best prediction that ignores the inputs; see `naive_loss`."""
        return naive_loss(self.loss, self.Y)

    @cached_property
    def loss_share(self) -> float:
        """C relative to `naive_loss`; see `share`."""
        return self.share(self.trace.loss)

    def share(self, loss: float) -> float:
        """Return a loss relative to `naive_loss`, infinite where it is not finite.

        That of a likelihood, which has no natural zero, as the ratio of likelihoods.
        """
        if not np.isfinite(loss):
            return np.inf
        if self.loss.name in _LIKELIHOODS or not self.naive_loss > 0:
            return float(np.exp(min(loss - self.naive_loss, 100.0)))
        return float(loss / self.naive_loss)

    @property
    def fits(self) -> bool:
        """Whether the network predicts well, so that what looks odd about it does no harm."""
        return self.loss_share < 0.3

    @cached_property
    def lambda_norms(self) -> list[float]:
        """Those of this network; see `lambda_norms`."""
        return lambda_norms(self.trace)

    def fresh(self) -> Network:
        """Return a network of the same architecture and seed with the usual initial weights."""
        rng = np.random.default_rng(self.net.seed)
        return Network.of(self.architecture, self.architecture.initial_parameters("auto", rng))

    @cached_property
    def slopes(self) -> list[Array | None]:
        """|sigma'(rho^L)| relative to its largest value, L = 1..l; None where none is defined."""
        return [self._slope(L) for L in range(1, self.architecture.n_layers + 1)]

    def _slope(self, L: int) -> Array | None:
        activation = self.architecture.activations[L - 1]
        if not activation.elementwise or activation.name in _NEVER_FLAT:
            return None
        rho, phi = self.trace.rho[L], self.trace.phi[L]
        steepest = np.abs(activation.slope(_ARGUMENTS, activation.sigma(_ARGUMENTS))).max()
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(np.abs(activation.slope(rho, phi)) / steepest)

    def saturates(self, L: int) -> bool:
        """Whether the activation of layer L has two flat ends, as sigmoid and tanh have."""
        activation = self.architecture.activations[L - 1]
        low, high = activation.range
        return bool(np.isfinite(low) and np.isfinite(high))

    @cached_property
    def weight_scales(self) -> list[float]:
        """The root mean square of each W^L relative to that of fresh weights."""
        return [
            _size(W) * math.sqrt(_fans(W).get(activation.weight_init, sum(W.shape) / 2))
            for W, activation in zip(self.net.weights, self.architecture.activations, strict=True)
        ]

    @cached_property
    def least_weight_scales(self) -> list[float]:
        """The same relative to the smallest that He, LeCun or Glorot would start from."""
        return [_size(W) * math.sqrt(max(_fans(W).values())) for W in self.net.weights]


def _size(W: Array) -> float:
    return float(np.sqrt((W.astype(np.float64) ** 2).mean()))


def _fans(W: Array) -> dict[str, float]:
    """Return one over the variance of fresh weights, by initializer."""
    return {"he": W.shape[1] / 2, "lecun": W.shape[1], "glorot": sum(W.shape) / 2}


def lambda_norms(t: Trace) -> list[float]:
    """Return the root mean square over samples of the length of dc/drho^L, L = 1..l."""
    with np.errstate(over="ignore", invalid="ignore"):
        lambdas = [np.asarray(lam, np.float64) for lam in t.lambda_[1:]]
        return [float(np.sqrt((lam**2).sum(axis=0).mean())) * t.n_samples for lam in lambdas]


def naive_loss(loss: Loss, Y: Array) -> float:
    """Return C of the best constant prediction, for every loss here: a mean or a quantile.

    Parameters
    ----------
    loss : Loss
        Of the network.
    Y : array of shape (n, n_targets)
        The targets.
    """
    mean = np.broadcast_to(Y.mean(axis=0), Y.shape)
    if loss.name == "gaussian_nll":
        log_variance = np.log(Y.var(axis=0) + 1e-12)
        mean = np.concatenate([mean, np.broadcast_to(log_variance, Y.shape)], axis=1)
    with np.errstate(all="ignore"):
        best = float(loss.per_sample(mean, Y).mean())
        if loss.own or loss.name.partition("(")[0] not in _BY_QUANTILE:
            return best
        total = 0.0
        for k in range(Y.shape[1]):
            y = Y[:, [k]]
            values = [y.mean(), *np.quantile(y, np.linspace(0, 1, 41))]
            constants = (np.full_like(y, value) for value in values)
            total += min(float(loss.per_sample(c, y).mean()) for c in constants)
    return total


_LIKELIHOODS = ("gaussian_nll", "gamma", "poisson")
_BY_QUANTILE = ("absolute_error", "huber", "log_cosh", "quantile", "hinge")


def settings_of(
    history: History | None, optimizer: Any, learning_rate: float | None, batch_size: int | None
) -> Settings:
    """Return how the network is trained: what is passed comes before what the history says.

    Raises
    ------
    InputError
        If the optimizer is not known.
    """
    if optimizer is None and history is not None:
        names = {kind.__name__: name for name, kind in optimizers.NAMED.items()}
        optimizer = names.get(history.optimizer, history.optimizer) or None
    chosen = optimizers.get("adam" if optimizer is None else optimizer)
    if isinstance(chosen, Optimizer) and chosen.learning_rate is not None:
        learning_rate = chosen.learning_rate
        chosen = replace(chosen, learning_rate=None)  # trials choose others
    if learning_rate is None and history is not None:
        learning_rate = history.base_learning_rate or None
    if batch_size is None:
        batch_size = (history.batch_size if history is not None else 0) or 32
    return Settings(chosen, learning_rate, batch_size)
