"""What an engine is asked to do: the few verbs, over an architecture and flat parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from chainrule.architecture import Architecture
from chainrule.numerics import Array
from chainrule.optimizers import Optimizer, State


@dataclass(frozen=True)
class Data:
    """Samples, checked: rows of X with their targets and weights, of any numeric dtype."""

    X: Any
    """Array or CSR matrix of shape (n, n_inputs)."""
    Y: Array
    """Array of shape (n, n_targets)."""
    sample_weight: Array | None = None
    """Array of shape (n,), none negative."""
    dY: Array | None = None
    """Array of shape (n, n_outputs, n_inputs): the derivatives of the outputs by the inputs, NaN
    where they are not known."""
    dY_weight: float = 1.0
    """What the errors of the derivatives count beside those of the outputs."""

    def __len__(self) -> int:
        """Return the number of samples."""
        return int(self.X.shape[0])

    def total_weight(self, rows: Any = slice(None)) -> float:
        """Return the sum of the weights of these rows; without weights, their number."""
        if self.sample_weight is None:
            return len(range(*rows.indices(len(self))) if isinstance(rows, slice) else rows)
        return float(self.sample_weight[rows].sum(dtype=np.float64))

    def rows(self, rows: Any) -> Data:
        """Return the samples of these rows."""
        return self._each(lambda array: array[rows])

    def in_double(self) -> Data:
        """Return the same in float64."""
        return self._each(lambda array: array.astype(np.float64, copy=False))

    def _each(self, change: Callable[[Any], Any]) -> Data:
        weight, dY = (None if a is None else change(a) for a in (self.sample_weight, self.dY))
        return Data(change(self.X), change(self.Y), weight, dY, self.dY_weight)


class Epoch(NamedTuple):
    """One pass over the data, decided beforehand."""

    number: int
    """Counted from 0."""
    steps_before: int
    """How many steps the optimizer has made before this epoch."""
    batch_size: int
    learning_rates: Array
    """One for each step."""
    shuffle: bool
    """Whether the samples come in the order of `chainrule.engines.randomness.shuffled`."""
    seed: int
    """Of the shuffle and of dropout."""


@dataclass(frozen=True)
class Regularization:
    """What is added to, or done to, the gradient of C in each step."""

    l2: float = 0.0
    """Adds l2 / 2 times the sum of the squared weights (biases are left alone) to C."""
    l1: float = 0.0
    """Adds l1 times the sum of the absolute weights to C."""
    dropout: float = 0.0
    """The probability that an output of a hidden layer is set to zero in a step."""
    gradient_clip: float | None = None
    """The largest Euclidean norm of the whole gradient; a longer one is scaled down."""
    per_sample: bool = False
    """Whether l2 and l1 are divided by the total weight of the samples in each step."""

    def strengths(self, total_weight: float) -> tuple[float, float]:
        """Return l2 and l1 as they are in a step whose samples have this total weight."""
        # without samples, there is no penalty either
        divisor = (total_weight or math.inf) if self.per_sample else 1.0
        return self.l2 / divisor, self.l1 / divisor

    def penalty(self, weights: Sequence[Array], total_weight: float) -> float:
        """Return what is added to C of samples of this total weight."""
        l2, l1 = self.strengths(total_weight)
        if not (l2 or l1):
            return 0.0
        return sum(l2 / 2 * float((w * w).sum()) + l1 * float(np.abs(w).sum()) for w in weights)

    def add_gradient(
        self, gradients: Sequence[Array], weights: Sequence[Array], total_weight: float
    ) -> None:
        """Add the gradient of the penalty to that of C by the weights, in place."""
        l2, l1 = self.strengths(total_weight)
        if l2 or l1:
            for g, w in zip(gradients, weights, strict=True):
                g += l2 * w + l1 * np.sign(w)


class EpochLoss(NamedTuple):
    """What an epoch minimised: `loss` + `penalty`, averaged over its samples."""

    loss: float
    """C of each batch before its step, without the penalty."""
    penalty: float
    """What the regularization added to it."""


class Gradients(NamedTuple):
    """C and its derivatives."""

    loss: float
    parameters: Array
    """dC by the flat parameters."""
    inputs: Array | None
    """dC/dX, of the shape of X, if it was asked for."""


class NormalEquations(NamedTuple):
    """What a Gauss-Newton step solves: `matrix` times the step = -`gradient`.

    Float64, whatever the dtype of the network.
    """

    loss: float
    """C."""
    gradient: Array
    """dC by the flat parameters, of shape (P,)."""
    matrix: Array
    """The generalised Gauss-Newton matrix G of C, of shape (P, P): for the squared error J^T J / n
    (Schraudolph 2002, Neural Comput. 14, 1723-1738)."""


class Trainer(Protocol):
    """Trains the parameters of one network in place, from epoch to epoch."""

    def state(self) -> State:
        """Return a copy of the optimizer's state: flat arrays by name."""

    def restore(self, state: State) -> None:
        """Take up a state, and the parameters as they now are."""

    def reload(self) -> None:
        """Take up the parameters, which may have been changed from outside."""


SomeTrainer = TypeVar("SomeTrainer", bound=Trainer)


class Engine(Protocol[SomeTrainer]):
    """One way of computing; all give the same numbers up to rounding."""

    name: str

    def predict(self, architecture: Architecture, parameters: Array, X: Any) -> Array:
        """Return the outputs, of shape (n, n_outputs)."""

    def loss(self, architecture: Architecture, parameters: Array, data: Data) -> float:
        """Return C."""

    def gradients(
        self, architecture: Architecture, parameters: Array, data: Data, inputs: bool = True
    ) -> Gradients:
        """Return C with its gradients, those by the inputs if they are asked for."""

    def jacobian(self, architecture: Architecture, parameters: Array, X: Any) -> Array:
        """Return d outputs / d inputs, of shape (n, n_outputs, n_inputs)."""

    def normal_equations(
        self, architecture: Architecture, parameters: Array, data: Data
    ) -> NormalEquations:
        """Return C, its gradient and its Gauss-Newton matrix, for parameters in float64.

        Raises
        ------
        InputError
            If the loss has no curvature, or there is not enough memory.
        """

    def curvature_product(
        self, architecture: Architecture, parameters: Array, data: Data, vector: Array
    ) -> Array:
        """Return the Gauss-Newton matrix times a vector of shape (P,), without the matrix.

        Parameters and vector are in float64.

        Raises
        ------
        InputError
            If the loss has no curvature.
        """

    def trainer(
        self,
        architecture: Architecture,
        parameters: Array,
        optimizer: Optimizer,
        data: Data,
        regularization: Regularization,
    ) -> SomeTrainer:
        """Return what trains these parameters in place, the optimizer at its start."""

    def train(self, epochs: Sequence[tuple[SomeTrainer, Epoch]]) -> list[EpochLoss]:
        """Make one epoch of each of these trainers.

        Returns
        -------
        list of EpochLoss
            One for each. Its loss is not finite as soon as one batch's is not: the parameters are
            then those before that batch.
        """
