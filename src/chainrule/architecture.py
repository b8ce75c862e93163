"""The frozen description of a network, checked once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from chainrule import activations, initializers, losses
from chainrule.activations import Activation
from chainrule.errors import InputError, listing, require_choice
from chainrule.losses import Loss
from chainrule.numerics import Array

DTYPES = ("float32", "float64")


class Columns:
    """An activation that takes samples as columns, for the output layer's softmax."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation

    def sigma(self, rho: Array) -> Array:
        """Return phi for rho of shape (n_L, n)."""
        return self.activation.sigma(rho.T).T

    def slope(self, rho: Array, phi: Array) -> Array:
        """Raise InputError: there is no elementwise derivative."""
        return self.activation.slope(rho.T, phi.T).T


class Parametrized(Protocol):
    """An architecture with its parameters, such as a `Network`."""

    @property
    def architecture(self) -> Architecture:
        """What the network is."""

    @property
    def parameters(self) -> Array:
        """All weights and biases, flat."""


@dataclass(frozen=True)
class Architecture:
    """What a network is, but for the values of its parameters.

    Parameters
    ----------
    layer_sizes : tuple of int
        n_0, n_1, ..., n_l: inputs, hidden layers, outputs.
    activations : tuple of Activation
        One for each of the layers 1..l.
    loss : Loss
        The loss it is trained for.
    bias : bool, default True
        Whether layers have biases.
    dtype : {"float32", "float64"}, default "float32"
        The type of parameters and outputs.

    Raises
    ------
    InputError
        If the parts do not fit each other.
    """

    layer_sizes: tuple[int, ...]
    activations: tuple[Activation, ...]
    loss: Loss
    bias: bool = True
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Check every part in the order of the parameters."""
        sizes = self.layer_sizes
        if len(sizes) < 2 or any(
            isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes
        ):
            raise InputError(
                "layer_sizes must be at least two positive whole numbers, inputs first and "
                f"outputs last, such as [64, 32, 10], but got {list(sizes)}"
            )
        if len(self.activations) != self.n_layers:
            raise InputError(
                f"{self.n_layers} layers take {self.n_layers} activations, but got "
                f"{len(self.activations)}"
            )
        for L, activation in enumerate(self.activations[:-1], 1):
            if not activation.elementwise:
                raise InputError(
                    f"{activation.name} is for the output layer only, but hidden layer {L} has "
                    "it: pass output_activation='softmax' and another activation"
                )
        self._check_loss()
        require_choice("dtype", self.dtype, DTYPES)

    def _check_loss(self) -> None:
        loss, output = self.loss, self.activations[-1]
        (low, high), (loss_low, loss_high) = output.range, loss.domain
        if not output.own and (low < loss_low or high > loss_high):
            fitting = [
                a.name
                for a in activations.NAMED.values()
                if a.range[0] >= loss_low and a.range[1] <= loss_high
            ]
            recommended = [name for name in fitting if name in loss.folded] or fitting
            raise InputError(
                f"the loss {loss.name} needs outputs in [{loss_low:g}, {loss_high:g}], but "
                f"{output.name} gives values in [{low:g}, {high:g}]: "
                f"pass output_activation={recommended[0]!r} (also possible: "
                f"{', '.join(name for name in fitting if name != recommended[0])})"
            )
        if self.n_outputs % loss.outputs_per_target:
            raise InputError(
                f"the loss {loss.name} takes {loss.outputs_per_target} outputs for each target "
                f"(first all means, then all log-variances), but the network has "
                f"{self.n_outputs} outputs"
            )
        if output.name == "softmax" and self.n_outputs == 1:
            raise InputError(
                "softmax over a single output is always 1: for two classes take 2 outputs, or "
                "1 with output_activation='sigmoid' and loss='binary_cross_entropy'"
            )

    @property
    def n_layers(self) -> int:
        """The number l of layers with weights."""
        return len(self.layer_sizes) - 1

    @property
    def n_inputs(self) -> int:
        """The number n_0 of inputs."""
        return self.layer_sizes[0]

    @property
    def n_outputs(self) -> int:
        """The number n_l of outputs."""
        return self.layer_sizes[-1]

    @property
    def n_targets(self) -> int:
        """The number of columns of Y."""
        return self.n_outputs // self.loss.outputs_per_target

    @property
    def shapes(self) -> list[tuple[tuple[int, int], tuple[int, ...]]]:
        """The shapes of the weights and biases of each layer."""
        pairs = zip(self.layer_sizes[1:], self.layer_sizes[:-1], strict=True)
        return [((n_out, n_in), (n_out,) if self.bias else ()) for n_out, n_in in pairs]

    @property
    def n_parameters(self) -> int:
        """The number of weights and biases."""
        return sum(math.prod(w) + (b[0] if b else 0) for w, b in self.shapes)

    def views(self, parameters: Array) -> tuple[list[Array], list[Array | None]]:
        """Return weights and biases as views into a flat array: W^1, B^1, W^2, B^2, ...

        Biases are None where the architecture has none.
        """
        weights: list[Array] = []
        biases: list[Array | None] = []
        start = 0
        for w, b in self.shapes:
            end = start + math.prod(w)
            weights.append(parameters[start:end].reshape(w))
            start = end + (b[0] if b else 0)
            biases.append(parameters[end:start] if b else None)
        return weights, biases

    def for_equations(self, parameters: Array) -> tuple[list[Any], list[Any], list[Any]]:
        """Return W, B and sigma as `equations` takes them: counted from 1, samples as columns."""
        weights, biases = self.views(parameters)
        zeros = (np.zeros(len(w), parameters.dtype) for w in weights)
        B = [zero if b is None else b for b, zero in zip(biases, zeros, strict=True)]
        sigma = [a if a.elementwise else Columns(a) for a in self.activations]
        return [None, *weights], [None, *B], [None, *sigma]

    def initial_parameters(
        self, weight_init: str | initializers.Initializer, rng: np.random.Generator
    ) -> Array:
        """Return a new flat array of parameters, biases zero.

        Raises
        ------
        InputError
            If the initializer is not known, or the memory does not suffice.
        """
        try:
            parameters = np.zeros(self.n_parameters, self.dtype)
        except (MemoryError, ValueError):  # the second where no array can be so large
            size = self.n_parameters * np.dtype(self.dtype).itemsize
            raise InputError(
                f"layer_sizes {list(self.layer_sizes)} make {self.n_parameters:,} parameters, "
                f"which need {size / 2**30:.1f} GiB, more than there is: take smaller layers"
            ) from None
        for w, activation in zip(self.views(parameters)[0], self.activations, strict=True):
            chosen = activation.weight_init if weight_init == "auto" else weight_init
            w[...] = initializers.draw(initializers.get(chosen), rng, w.shape)
        return parameters

    def check_own_activations(self) -> None:
        """Check the derivatives of activations that a user defined."""
        for activation in set(self.activations):
            if activation.own and activation.check:
                activations.check_derivative(activation)

    def check_own_loss(self, outputs: Array, targets: Array) -> None:
        """Check the derivative of a loss that a user defined, on a few samples."""
        if self.loss.own and self.loss.check:
            losses.check_derivative(self.loss, outputs[:8], targets[:8])

    def summary(self) -> str:
        """Return a table of the layers."""
        width = max(10, *(len(activation.name) for activation in self.activations))
        lines = [
            f"layer  units  {'activation':<{width}}  {'weights':>11}  biases",
            f"    0  {self.n_inputs:>5}  (input)",
        ]
        for L, (a, (w, b)) in enumerate(zip(self.activations, self.shapes, strict=True), 1):
            shape = f"{w[0]} x {w[1]}"
            lines.append(
                f"{L:>5}  {w[0]:>5}  {a.name:<{width}}  {shape:>11}  {b[0] if b else 'none':>6}"
            )
        lines.append(f"{self.n_parameters:,} parameters, {self.dtype}, loss {self.loss.name}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain lists, strings and numbers."""
        return {
            "layer_sizes": list(self.layer_sizes),
            "activations": [a.name for a in self.activations],
            "loss": self.loss.name,
            "bias": self.bias,
            "dtype": self.dtype,
            "own": sorted(
                {a.name for a in self.activations if a.own}
                | ({self.loss.name} if self.loss.own else set())
            ),
        }

    @classmethod
    def from_json(
        cls, description: dict[str, Any], own: Iterable[Activation | Loss] = ()
    ) -> Architecture:
        """Return the architecture that `to_json` described.

        Parameters
        ----------
        description : dict
            As returned by `to_json`.
        own : iterable of Activation and Loss
            Functions of the user's that the description names.

        Raises
        ------
        InputError
            If a function of the user's is not among `own`.
        """
        own = list(own)
        if missing := sorted(set(description["own"]) - {x.name for x in own}):
            raise InputError(
                f"the network uses {listing(missing)}, which you defined yourself and a file "
                "cannot hold: pass the Activation or Loss in own=[...]"
            )

        def find(name: str, get: Callable[[str], Any], kind: type) -> Any:
            if name not in description["own"]:
                return get(name)
            for candidate in own:
                if candidate.name == name and isinstance(candidate, kind):
                    return candidate
            raise InputError(f"own has no {kind.__name__} of the name {name!r}: pass it")

        return cls(
            tuple(description["layer_sizes"]),
            tuple(find(a, activations.get, Activation) for a in description["activations"]),
            find(description["loss"], losses.get, Loss),
            bool(description["bias"]),
            description["dtype"],
        )


def build(
    layer_sizes: Sequence[int],
    activation: str | Activation | Sequence[str | Activation],
    output_activation: str | Activation,
    loss: str | Loss,
    bias: bool,
    dtype: Any,
) -> Architecture:
    """Return the architecture for the arguments of `Network`, names resolved.

    Raises
    ------
    InputError
        If an argument is of the wrong kind, or the parts do not fit each other.
    """
    try:
        sizes = tuple(int(n) if n == int(n) else n for n in layer_sizes)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"layer_sizes must be a list such as [64, 32, 10], but got {layer_sizes!r}"
        ) from None
    n_hidden = max(len(sizes) - 2, 0)
    if isinstance(activation, str | Activation):
        hidden = [activation] * n_hidden
    else:
        if not isinstance(activation, Sequence):
            raise InputError(
                "activation must be a name, an Activation, or a list of these for the hidden "
                f"layers, but is {activation!r}"
            )
        hidden = list(activation)
        if len(hidden) != n_hidden:
            raise InputError(
                f"activation must be one name or one for each of the {n_hidden} hidden layers, "
                f"but got {len(hidden)}: the output layer has output_activation"
            )
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    return Architecture(
        sizes,
        tuple(activations.get(a) for a in (*hidden, output_activation)),
        losses.get(loss),
        bool(bias),
        require_choice("dtype", name, DTYPES),
    )


def usual_loss(output_activation: str) -> str:
    """Return the loss that goes with an output activation.

    Examples
    --------
    >>> usual_loss("softmax"), usual_loss("tanh")
    ('cross_entropy', 'squared_error')
    """
    return {
        "softmax": "cross_entropy",
        "sigmoid": "binary_cross_entropy",
        "exponential": "poisson",
    }.get(output_activation, "squared_error")


def assemble(
    weights: Sequence[Array], biases: Sequence[Array | None], activation_names: Sequence[str]
) -> tuple[Architecture, Array]:
    """Return the architecture and the flat parameters of layers that come from elsewhere.

    The loss is the one that goes with the output activation: cross-entropy with softmax, its
    binary form with sigmoid, poisson with exponential, else the squared error.

    Parameters
    ----------
    weights : sequence of arrays of shape (n_L, n_(L-1))
        One for each layer.
    biases : sequence of arrays of shape (n_L,), or None for a layer without
        Zeros take the place of missing ones if any layer has them.
    activation_names : sequence of str
        One for each layer.

    Raises
    ------
    InputError
        If the layers do not follow each other.
    """
    if not weights:
        raise InputError("a network needs at least one layer with weights, but there is none")
    sizes = [int(weights[0].shape[1]), *(int(w.shape[0]) for w in weights)]
    for L, (w, n_in) in enumerate(zip(weights, sizes, strict=False), 1):
        if w.shape[1] != n_in:
            raise InputError(f"layer {L} takes {w.shape[1]} inputs, but gets {n_in}")
    loss = usual_loss(activation_names[-1])
    architecture = build(
        sizes,
        activation_names[:-1],
        activation_names[-1],
        loss,
        any(b is not None for b in biases),
        "float64" if weights[0].dtype == np.float64 else "float32",
    )
    parameters = np.zeros(architecture.n_parameters, architecture.dtype)
    for w_view, b_view, w, b in zip(*architecture.views(parameters), weights, biases, strict=True):
        w_view[...] = w
        if b_view is not None and b is not None:
            b_view[...] = b
    return architecture, parameters
