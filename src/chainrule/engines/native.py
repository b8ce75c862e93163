"""The native engine: the derivation compiled into one loop, in `src/core`."""

from __future__ import annotations

import contextlib
import functools
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import _core, activations, losses, optimizers
from chainrule.architecture import Architecture
from chainrule.engines import threads
from chainrule.engines.base import (
    Data,
    Epoch,
    EpochLoss,
    Gradients,
    NormalEquations,
    Regularization,
)
from chainrule.errors import InputError
from chainrule.naming import family_of
from chainrule.numerics import Array
from chainrule.optimizers import Optimizer, State

# From so many bytes on, training asks whether there are as many.
_MUCH_MEMORY = 1e8

# The types that the core reads as they are, in the machine's byte order.
_READABLE = frozenset(np.dtype(code) for code in "?bhilqBHILQefd")


class NativeEngine:
    """The fastest: kernels for the instruction set of this machine, on several threads."""

    name = "native"

    def predict(self, architecture: Architecture, parameters: Array, X: Any) -> Array:
        """Return the outputs, of shape (n, n_outputs)."""
        outputs = np.empty((X.shape[0], architecture.n_outputs), parameters.dtype)
        self._evaluate(architecture, parameters, (X, None, None), 2, outputs=outputs)
        return outputs

    def loss(self, architecture: Architecture, parameters: Array, data: Data) -> float:
        """Return C."""
        samples = (data.X, data.Y, data.sample_weight)
        return self._evaluate(architecture, parameters, samples, 2)

    def gradients(
        self, architecture: Architecture, parameters: Array, data: Data, inputs: bool = True
    ) -> Gradients:
        """Return C with its gradients, those by the inputs if they are asked for."""
        samples = (data.X, data.Y, data.sample_weight)
        by_parameters = np.empty_like(parameters)
        by_inputs = np.empty(data.X.shape, parameters.dtype) if inputs else None
        loss = self._evaluate(
            architecture, parameters, samples, 6, by_parameters=by_parameters, by_inputs=by_inputs
        )
        return Gradients(loss, by_parameters, by_inputs)

    def jacobian(self, architecture: Architecture, parameters: Array, X: Any) -> Array:
        """Return d outputs / d inputs, of shape (n, n_outputs, n_inputs)."""
        shape = (X.shape[0], architecture.n_outputs, architecture.n_inputs)
        result = np.empty(shape, parameters.dtype)
        samples = (X, None, None)
        self._evaluate(architecture, parameters, samples, 2 * (1 + shape[1]), jacobian=result)
        return result

    def normal_equations(
        self, architecture: Architecture, parameters: Array, data: Data
    ) -> NormalEquations:
        """Return C, its gradient and its Gauss-Newton matrix."""
        P = architecture.n_parameters
        losses.require_curvature(architecture.loss)
        # two floating point operations for each entry of half the matrix and each sample
        n = threads.for_work(P * P * len(data))
        X, Y, weight = _samples(data)
        wanted = (
            f"the square matrix for {P:,} parameters takes {8 * P * P / 2**30:.2f} GiB, making it "
            "half as much again: take smaller layers, or a method without it such as 'lbfgs'"
        )
        with _memory(architecture, wanted):
            _require_memory(12 * P * P)
            gradient, matrix = np.empty(P), np.empty((P, P))
            loss = _core.normal_equations(
                _network(architecture), parameters, X, Y, weight, n, gradient, matrix
            )
        return NormalEquations(loss, gradient, matrix)

    def curvature_product(
        self, architecture: Architecture, parameters: Array, data: Data, vector: Array
    ) -> Array:
        """Return the Gauss-Newton matrix times a vector, without the matrix."""
        losses.require_curvature(architecture.loss)
        n = threads.for_work(10 * architecture.n_parameters * len(data))
        X, Y, weight = _samples(data)
        product = np.empty_like(vector)
        with _memory(architecture):
            _core.curvature_product(
                _network(architecture), parameters, vector, X, Y, weight, n, product
            )
        return product

    def _evaluate(
        self,
        architecture: Architecture,
        parameters: Array,
        samples: tuple[Any, ...],
        operations: int,
        **answers: Array | None,
    ) -> float:
        """Fill the arrays that are asked for, at so many operations a parameter and sample."""
        n = threads.for_work(operations * architecture.n_parameters * samples[0].shape[0])
        network = _network(architecture)
        X, Y, weight = (_rows(array, parameters.dtype) for array in samples)
        with _memory(architecture):
            return _core.evaluate(
                network, parameters, X, Y, weight, n, answers.get("outputs"),
                answers.get("by_parameters"), answers.get("by_inputs"), answers.get("jacobian"),
            )  # fmt: skip

    def trainer(
        self,
        architecture: Architecture,
        parameters: Array,
        optimizer: Optimizer,
        data: Data,
        regularization: Regularization,
    ) -> NativeTrainer:
        """Return what trains these parameters in place."""
        return NativeTrainer(architecture, parameters, optimizer, data, regularization)

    def train(self, epochs: Sequence[tuple[NativeTrainer, Epoch]]) -> list[EpochLoss]:
        """Make one epoch of each trainer, side by side; see `chainrule.engines.base.Engine`."""
        jobs = [
            (trainer.core, epoch.number, epoch.steps_before, epoch.batch_size, epoch.shuffle,
             epoch.seed, trainer.step_numbers(epoch))
            for trainer, epoch in epochs
        ]  # fmt: skip
        with _memory(epochs[0][0].architecture):
            if len(epochs) > 1:
                work = sum(trainer.operations * trainer.n_samples for trainer, _ in epochs)
                found = _core.train(jobs, min(len(epochs), threads.for_work(work)))
                return [EpochLoss(*losses) for losses in found]
            ((trainer, epoch),) = epochs
            step = trainer.operations * min(epoch.batch_size, trainer.n_samples)
            most = threads.for_work(step, len(epoch.learning_rates))
            n = trainer.pace.choose(most, step)
            start = time.perf_counter()
            found = _core.train(jobs, n)
            trainer.pace.took(n, time.perf_counter() - start)
            return [EpochLoss(*losses) for losses in found]


class NativeTrainer:
    """Parameters and optimizer's state in the layout of the core, between two epochs."""

    def __init__(
        self,
        architecture: Architecture,
        parameters: Array,
        optimizer: Optimizer,
        data: Data,
        regularization: Regularization,
    ) -> None:
        rule = _rule(optimizer)
        if rule is None:
            raise InputError(
                f"{lacks(architecture, optimizer)}, which the native engine does not know: take "
                "the NumPy engine"
            )
        name, self._slots = rule
        numbers = {k: float(v) for k, v in asdict(optimizer).items() if v is not None}
        if "decay" in numbers:
            numbers["beta2"] = numbers.pop("decay")
        self._optimizer = optimizer
        self._scalars = {k: v for k, v in optimizer.init(parameters[:0]).items() if v.size}
        clip = regularization.gradient_clip
        self.architecture, self._like, self.n_samples = architecture, parameters, len(data)
        self.operations = 6 * architecture.n_parameters
        """Floating point operations for one sample."""
        self.pace = threads.Pace()
        copies = 2 + len(self._slots) + (clip is not None)
        with _memory(architecture):
            _require_memory(copies * parameters.nbytes)
            self.core = _core.Trainer(
                _network(architecture), parameters, name, numbers, regularization.l2,
                regularization.l1, regularization.dropout, np.inf if clip is None else clip,
                regularization.per_sample, *_samples(data, parameters.dtype),
            )  # fmt: skip

    def state(self) -> State:
        """Return a copy of the optimizer's state."""
        state = {slot: np.empty_like(self._like) for slot in self._slots}
        for i, array in enumerate(state.values()):
            self.core.write_state(i, array)
        return {**state, **{name: value.copy() for name, value in self._scalars.items()}}

    def restore(self, state: State) -> None:
        """Take up a state, and the parameters as they now are."""
        for i, slot in enumerate(self._slots):
            self.core.read_state(i, np.ascontiguousarray(state[slot], self._like.dtype))
        for name, value in self._scalars.items():
            np.copyto(value, state[name])
        self.core.read_parameters()

    def step_numbers(self, epoch: Epoch) -> Array:
        """Return the four numbers of each step that the core's rules take, once for each epoch.

        Asking is taking: what a rule remembers of learning rates (NAdam's M) goes on to after it.
        """
        eta = epoch.learning_rates
        t = epoch.steps_before + 1 + np.arange(len(eta))
        factors = self._optimizer.factors(eta, t, self._scalars)
        numbers = np.zeros((len(eta), 4))
        numbers[:, 0] = eta
        for column, name in enumerate(("m", "g", "sqrt_v"), 1):
            if name in factors:
                numbers[:, column] = factors[name]
        return numbers

    def reload(self) -> None:
        """Take up the parameters, which may have been changed."""
        self.core.read_parameters()


PredictFew = Callable[[Array, Array], Array | None]


def few_rows(architecture: Architecture) -> PredictFew | None:
    """Return the function that predicts a few rows; None if the core cannot.

    It takes parameters and a plain array, and returns the outputs, or None if the array needs a
    closer look: more than four rows, another width, not plain numbers, not finite.
    """
    return None if lacks(architecture) else _network(architecture).predict_few


def lacks(architecture: Architecture, optimizer: object = None, data: Data | None = None) -> str:
    """Return what the network uses that the core lacks; an empty string if nothing."""
    for activation in architecture.activations:
        if activation.own:
            return f"the activation {activation.name!r} is your own"
    if architecture.loss.own:
        return f"the loss {architecture.loss.name!r} is your own"
    if isinstance(optimizer, Optimizer) and _rule(optimizer) is None:
        return f"the optimizer {type(optimizer).__name__} is your own"
    if data is not None and data.dY is not None:
        return "derivatives (dY) are fitted"
    return ""


def _rule(optimizer: Optimizer) -> tuple[str, tuple[str, ...]] | None:
    """Return the core's name of an update rule and the arrays of its state."""
    for name, kind in optimizers.NAMED.items():
        if type(optimizer) is kind:
            nesterov = isinstance(optimizer, optimizers.Momentum) and optimizer.nesterov
            return "nesterov" if nesterov else name, kind.slots
    return None


def instruction_set() -> str:
    """Return the name of the kernels that run here.

    Raises
    ------
    InputError
        If the environment variable CHAINRULE_INSTRUCTION_SET names none that this machine has.
    """
    try:
        return _core.instruction_set()
    except ValueError as error:
        raise InputError(str(error)) from None


@functools.lru_cache(maxsize=256)
def _network(architecture: Architecture) -> _core.Network:
    """Return the description of an architecture in the core."""
    instruction_set()  # before anything is computed
    layers = []
    sizes = architecture.layer_sizes
    for n_in, n_out, activation in zip(sizes, sizes[1:], architecture.activations, strict=False):
        name, parameter = family_of(activation)
        if parameter is None:
            parameter = activations.DEFAULTS.get(name, 0.0)
        layers.append((n_in, n_out, name, parameter))
    loss, parameter = family_of(architecture.loss)
    if parameter is None:
        parameter = losses.DEFAULTS.get(loss, 0.0)
    return _core.Network(layers, loss, parameter, architecture.bias)


def _rows(X: Any, dtype: Any) -> Any:
    """Return samples as the core takes them: an array, or the parts of a CSR matrix.

    Nothing is copied but arrays of rare types (extended precision, foreign byte order).
    """
    if X is None:
        return None
    if isinstance(X, np.ndarray):
        return X if X.dtype in _READABLE else X.astype(dtype)
    if X.data.dtype.kind != "f" and not X.has_canonical_format:
        X = X.copy()  # SciPy adds up entries of one place in their own type
        X.sum_duplicates()
    entries = X.data if X.data.dtype in _READABLE else X.data.astype(dtype)
    parts = tuple(np.ascontiguousarray(part) for part in (entries, X.indices, X.indptr))
    return (*parts, X.shape[1])


def _samples(data: Data, dtype: Any = np.float64) -> tuple[Any, Any, Any]:
    """Return X, Y and the weights as the core takes them."""
    return _rows(data.X, dtype), _rows(data.Y, dtype), _rows(data.sample_weight, dtype)


def _require_memory(n_bytes: int) -> None:
    """Raise MemoryError if much is wanted and there is clearly less.

    Some systems promise memory that they do not have, and end the process that uses it.
    """
    if n_bytes > _MUCH_MEMORY and n_bytes > _free_memory():
        raise MemoryError


def _free_memory() -> float:
    """Return the bytes that are to be had, swap included; infinity where nothing tells."""
    try:
        told = Path("/proc/meminfo").read_text()
    except OSError:
        return math.inf
    found = re.findall(r"^(?:MemAvailable|SwapFree): +(\d+) kB$", told, re.MULTILINE)
    return 1024.0 * sum(map(int, found)) or math.inf


@contextlib.contextmanager
def _memory(architecture: Architecture, wanted: str = "") -> Iterator[None]:
    """Say how much memory was wanted where there was not enough."""
    try:
        yield
    except MemoryError:
        if wanted:
            raise InputError(f"there is not enough memory: {wanted}") from None
        size = architecture.n_parameters * np.dtype(architecture.dtype).itemsize
        raise InputError(
            f"there is not enough memory: the {architecture.n_parameters:,} parameters of layers "
            f"{list(architecture.layer_sizes)} take {size / 2**30:.2f} GiB, training them up to "
            "six times as much: take smaller layers"
        ) from None
