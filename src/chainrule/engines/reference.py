"""The NumPy engine: it trains by calling `equations`, the derivation itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule import equations
from chainrule.activations import Activation
from chainrule.architecture import Architecture
from chainrule.cost import BatchCost, UnitCost
from chainrule.engines.base import Data, Epoch, Gradients, Regularization
from chainrule.numerics import Array
from chainrule.optimizers import Optimizer, State

# Entries of the widest layer in one block of rows, so that intermediates stay in the cache.
_BLOCK_ENTRIES = 1 << 19


class NumpyEngine:
    """The reference: readable, and as fast as NumPy allows."""

    name = "numpy"

    def predict(self, architecture: Architecture, parameters: Array, X: Any) -> Array:
        """Return the outputs, of shape (n, n_outputs)."""
        W, B, sigma = architecture.for_equations(parameters)
        outputs = np.empty((X.shape[0], architecture.n_outputs), parameters.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            for rows in _blocks(architecture, X.shape[0]):
                phi0 = take(X, rows, parameters.dtype).T
                outputs[rows] = equations.forward(W, B, sigma, phi0).phi[-1].T
        return outputs

    def loss(self, architecture: Architecture, parameters: Array, data: Data) -> float:
        """Return C."""
        W, B, sigma = architecture.for_equations(parameters)
        total = 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for rows, share in _weighted_blocks(architecture, data):
                cost, phi0 = _batch(architecture, parameters.dtype, data, rows)
                q = equations.forward(W, B, sigma, phi0)
                total += share * float(cost.value(q.rho[-1], q.phi[-1]))
        return total

    def gradients(
        self, architecture: Architecture, parameters: Array, data: Data, inputs: bool = True
    ) -> Gradients:
        """Return C with its gradients, those by the inputs if they are asked for."""
        W, B, sigma = architecture.for_equations(parameters)
        loss, gradient = 0.0, np.zeros_like(parameters)
        by_inputs = np.empty(data.X.shape, parameters.dtype) if inputs else None
        part = np.empty_like(parameters)
        parts = architecture.views(part)
        with np.errstate(over="ignore", invalid="ignore"):
            for rows, share in _weighted_blocks(architecture, data):
                cost, phi0 = _batch(architecture, parameters.dtype, data, rows)
                q = equations.forward(W, B, sigma, phi0)
                loss += share * float(cost.value(q.rho[-1], q.phi[-1]))
                equations.lambda_form(q, W, sigma, cost, inputs=inputs)
                _write(q, *parts)
                gradient += share * part
                if by_inputs is not None:
                    by_inputs[rows] = share * q.omega[0].T
        return Gradients(loss, gradient, by_inputs)

    def jacobian(self, architecture: Architecture, parameters: Array, X: Any) -> Array:
        """Return d outputs / d inputs, of shape (n, n_outputs, n_inputs)."""
        W, B, sigma = architecture.for_equations(parameters)
        shape = (X.shape[0], architecture.n_outputs, architecture.n_inputs)
        jacobian = np.empty(shape, parameters.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            for rows in _blocks(architecture, X.shape[0]):
                q = equations.forward(W, B, sigma, take(X, rows, parameters.dtype).T)
                for k in range(architecture.n_outputs):
                    cost = UnitCost(architecture.activations[-1], k)
                    equations.lambda_form(q, W, sigma, cost, parameters=False)
                    jacobian[rows, k] = q.omega[0].T
        return jacobian

    def train_epoch(
        self,
        architecture: Architecture,
        parameters: Array,
        optimizer: Optimizer,
        state: State,
        data: Data,
        epoch: Epoch,
        regularization: Regularization,
    ) -> float:
        """Make the steps of one epoch; see `chainrule.engines.base.Engine`."""
        W, B, sigma = architecture.for_equations(parameters)
        gradient = np.empty_like(parameters)
        by_weights, by_biases = architecture.views(gradient)
        drop = _Dropout(regularization.dropout, epoch.dropout_seed)
        total_weight = _total_weight(data, slice(None))
        total = 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for step, rate in enumerate(epoch.learning_rates):
                rows = epoch.order[step * epoch.batch_size : (step + 1) * epoch.batch_size]
                cost, phi0 = _batch(architecture, parameters.dtype, data, rows)
                layers = drop.layers(sigma) if regularization.dropout else sigma
                q = equations.forward(W, B, layers, phi0)
                total += _total_weight(data, rows) * float(cost.value(q.rho[-1], q.phi[-1]))
                if not math.isfinite(total):
                    return total
                equations.lambda_form(q, W, layers, cost, inputs=False)
                _write(q, by_weights, by_biases)
                regularization.add_gradient(by_weights, W[1:])
                if regularization.gradient_clip is not None:
                    _clip(gradient, regularization.gradient_clip)
                optimizer.update(parameters, gradient, state, float(rate), epoch.first_step + step)
        return total / total_weight if total_weight else 0.0


def take(X: Any, rows: Any, dtype: Any) -> Array:
    """Return rows of an array or a CSR matrix as a dense array of that dtype."""
    chosen = X[rows]
    if not isinstance(chosen, np.ndarray):
        chosen = chosen.toarray()
    return chosen.astype(dtype, copy=False)


def _batch(
    architecture: Architecture, dtype: Any, data: Data, rows: Any
) -> tuple[BatchCost, Array]:
    """Return the cost of these rows and their inputs as columns."""
    weight = None if data.sample_weight is None else take(data.sample_weight, rows, dtype)
    targets = take(data.Y, rows, dtype)
    cost = BatchCost(architecture.loss, architecture.activations[-1], targets, weight)
    return cost, take(data.X, rows, dtype).T


def _blocks(architecture: Architecture, n: int) -> Iterator[slice]:
    size = max(64, _BLOCK_ENTRIES // max(architecture.layer_sizes))
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _total_weight(data: Data, rows: Any) -> float:
    if data.sample_weight is None:
        return len(range(*rows.indices(len(data)))) if isinstance(rows, slice) else len(rows)
    return float(data.sample_weight[rows].sum(dtype=np.float64))


def _weighted_blocks(architecture: Architecture, data: Data) -> Iterator[tuple[slice, float]]:
    """Yield blocks of rows with each one's share of the total weight."""
    total = _total_weight(data, slice(None)) or 1.0
    for rows in _blocks(architecture, len(data)):
        yield rows, _total_weight(data, rows) / total


def _write(q: equations.Quantities, by_weights: list[Array], by_biases: list[Array | None]) -> None:
    """Write dC/dW^L and dC/dB^L of every layer into views of a flat gradient."""
    for L, (w, b) in enumerate(zip(by_weights, by_biases, strict=True), 1):
        w[...] = q.grad_W[L]
        if b is not None:
            b[...] = q.grad_B[L]


def _clip(gradient: Array, largest: float) -> None:
    """Scale a gradient down to a Euclidean norm, in place, if it is longer."""
    norm = float(np.linalg.norm(gradient.astype(np.float64)))
    if norm > largest:
        gradient *= largest / norm


class _Dropout:
    """Inverted dropout (Srivastava et al. 2014, JMLR 15, 1929-1958, section 10)."""

    def __init__(self, probability: float, seed: tuple[int, int]) -> None:
        self.probability = probability
        self.rng = np.random.Generator(np.random.Philox(key=np.array(seed, np.uint64)))

    def layers(self, sigma: list[Any]) -> list[Any]:
        """Return the activations with a fresh mask on each hidden layer, none on the output."""
        return [None, *(_Dropped(layer, self) for layer in sigma[1:-1]), sigma[-1]]

    def mask(self, like: Array) -> Array:
        """Return 0 with the probability of dropping, else 1 / (1 - probability)."""
        kept = self.rng.random(like.shape, np.float32) >= self.probability
        return kept.astype(like.dtype) / (1 - self.probability)


class _Dropped:
    """An activation times a mask that is fixed for one pass: still elementwise."""

    def __init__(self, activation: Activation, dropout: _Dropout) -> None:
        self.activation, self.dropout = activation, dropout

    def sigma(self, rho: Array) -> Array:
        self.phi = self.activation.sigma(rho)
        self.mask = self.dropout.mask(self.phi)
        return self.phi * self.mask

    def slope(self, rho: Array, phi: Array) -> Array:
        del phi  # which is masked
        return self.activation.slope(rho, self.phi) * self.mask
