"""The NumPy engine: it trains by calling `equations`, the derivation itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import equations
from chainrule.activations import Activation
from chainrule.architecture import Architecture
from chainrule.cost import UnitCost
from chainrule.engines import gauss_newton
from chainrule.engines.base import (
    Data,
    Epoch,
    EpochLoss,
    Gradients,
    NormalEquations,
    Regularization,
)
from chainrule.engines.blocks import Pass, blocks, take, weighted_blocks, write
from chainrule.engines.randomness import kept, shuffled
from chainrule.numerics import Array
from chainrule.optimizers import Optimizer, State


class NumpyEngine:
    """The reference: readable, and as fast as NumPy allows."""

    name = "numpy"

    def predict(self, architecture: Architecture, parameters: Array, X: Any) -> Array:
        """Return the outputs, of shape (n, n_outputs)."""
        W, B, sigma = architecture.for_equations(parameters)
        outputs = np.empty((X.shape[0], architecture.n_outputs), parameters.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            for rows in blocks(architecture, X.shape[0]):
                phi0 = take(X, rows, parameters.dtype).T
                outputs[rows] = equations.forward(W, B, sigma, phi0).phi[-1].T
        return outputs

    def loss(self, architecture: Architecture, parameters: Array, data: Data) -> float:
        """Return C."""
        layers = architecture.for_equations(parameters)
        total = 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for rows, share in weighted_blocks(architecture, data):
                total += share * Pass(architecture, layers, data, rows, parameters.dtype).value()
        return total

    def gradients(
        self, architecture: Architecture, parameters: Array, data: Data, inputs: bool = True
    ) -> Gradients:
        """Return C with its gradients, those by the inputs if they are asked for."""
        layers = architecture.for_equations(parameters)
        loss, gradient = 0.0, np.zeros_like(parameters)
        by_inputs = np.empty(data.X.shape, parameters.dtype) if inputs else None
        part = np.empty_like(parameters)
        parts = architecture.views(part)
        with np.errstate(over="ignore", invalid="ignore"):
            for rows, share in weighted_blocks(architecture, data):
                forward = Pass(architecture, layers, data, rows, parameters.dtype)
                loss += share * forward.value()
                q = forward.backward(inputs=inputs)
                write(q, *parts)
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
            for rows in blocks(architecture, X.shape[0]):
                q = equations.forward(W, B, sigma, take(X, rows, parameters.dtype).T)
                for k in range(architecture.n_outputs):
                    cost = UnitCost(architecture.activations[-1], k)
                    equations.lambda_form(q, W, sigma, cost, parameters=False)
                    jacobian[rows, k] = q.omega[0].T
        return jacobian

    def normal_equations(
        self, architecture: Architecture, parameters: Array, data: Data
    ) -> NormalEquations:
        """Return C, its gradient and its Gauss-Newton matrix."""
        return gauss_newton.normal_equations(architecture, parameters, data)

    def curvature_product(
        self, architecture: Architecture, parameters: Array, data: Data, vector: Array
    ) -> Array:
        """Return the Gauss-Newton matrix times a vector, without the matrix."""
        return gauss_newton.curvature_product(architecture, parameters, data, vector)

    def trainer(
        self,
        architecture: Architecture,
        parameters: Array,
        optimizer: Optimizer,
        data: Data,
        regularization: Regularization,
    ) -> NumpyTrainer:
        """Return what trains these parameters in place."""
        return NumpyTrainer(architecture, parameters, optimizer, data, regularization)

    def train(self, epochs: Sequence[tuple[NumpyTrainer, Epoch]]) -> list[EpochLoss]:
        """Make one epoch of each trainer; see `chainrule.engines.base.Engine`."""
        return [trainer.train(epoch) for trainer, epoch in epochs]


class NumpyTrainer:
    """Trains in place; the optimizer's state is kept as it is."""

    def __init__(
        self,
        architecture: Architecture,
        parameters: Array,
        optimizer: Optimizer,
        data: Data,
        regularization: Regularization,
    ) -> None:
        self.architecture, self.parameters, self.data = architecture, parameters, data
        self.optimizer, self.regularization = optimizer, regularization
        self._state = optimizer.init(parameters)

    def state(self) -> State:
        """Return a copy of the optimizer's state."""
        return {name: array.copy() for name, array in self._state.items()}

    def restore(self, state: State) -> None:
        """Take up a state."""
        for name, array in self._state.items():
            np.copyto(array, state[name])

    def reload(self) -> None:
        """Do nothing: the parameters are used as they are."""

    def train(self, epoch: Epoch) -> EpochLoss:
        """Make the steps of one epoch, and return its loss and penalty."""
        W, B, sigma = self.architecture.for_equations(self.parameters)
        dtype, data = self.parameters.dtype, self.data
        gradient = np.empty_like(self.parameters)
        by_weights, by_biases = self.architecture.views(gradient)
        clip, dropout = self.regularization.gradient_clip, self.regularization.dropout
        n = len(data)
        order = shuffled(n, epoch.seed, epoch.number) if epoch.shuffle else np.arange(n)
        total, penalty = 0.0, 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for step, rate in enumerate(epoch.learning_rates):
                t = epoch.steps_before + 1 + step
                rows = order[step * epoch.batch_size : (step + 1) * epoch.batch_size]
                dropped = _dropped(sigma, dropout, epoch.seed, (epoch.number, t))
                forward = Pass(self.architecture, (W, B, dropped), data, rows, dtype)
                weight = data.total_weight(rows)
                total += weight * forward.value()
                if not math.isfinite(total):
                    return EpochLoss(total, penalty)
                penalty += weight * self.regularization.penalty(W[1:], weight)
                write(forward.backward(inputs=False), by_weights, by_biases)
                self.regularization.add_gradient(by_weights, W[1:], weight)
                if clip is not None:
                    _clip(gradient, clip)
                self.optimizer.update(self.parameters, gradient, self._state, float(rate), t)
        total_weight = data.total_weight() or 1.0
        return EpochLoss(total / total_weight, penalty / total_weight)


def _clip(gradient: Array, largest: float) -> None:
    """Scale a gradient down to a Euclidean norm, in place, if it is longer."""
    norm = float(np.linalg.norm(gradient.astype(np.float64)))
    if norm > largest:
        gradient *= largest / norm


def _dropped(sigma: list[Any], probability: float, seed: int, place: tuple[int, int]) -> list[Any]:
    """Return the activations, those of hidden layers with the masks of this epoch and step."""
    if not probability:
        return sigma
    hidden = enumerate(sigma[1:-1], 1)
    dropped = [_Dropped(activation, probability, seed, (*place, L)) for L, activation in hidden]
    return [None, *dropped, sigma[-1]]


class _Dropped:
    """An activation times a mask that is fixed for one pass: still elementwise.

    Inverted dropout (Srivastava et al. 2014, JMLR 15, 1929-1958, section 10).
    """

    def __init__(
        self, activation: Activation, probability: float, seed: int, place: tuple[int, ...]
    ) -> None:
        self.activation, self.probability = activation, probability
        self.seed, self.place = seed, place

    def sigma(self, rho: Array) -> Array:
        self.phi = self.activation.sigma(rho)
        mask = kept(rho.T.shape, self.probability, self.seed, self.place).T
        self.mask = mask.astype(rho.dtype) / (1 - self.probability)
        return self.phi * self.mask

    def slope(self, rho: Array, phi: Array) -> Array:
        del phi  # which is masked
        return self.activation.slope(rho, self.phi) * self.mask

    def sigma_double_prime(self, rho: Array) -> Array:
        double_prime = self.activation.sigma_double_prime
        assert double_prime is not None
        return double_prime(rho) * self.mask
