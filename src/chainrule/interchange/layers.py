"""Layers that come from elsewhere, one after the other, until they are a network."""

from __future__ import annotations

import numpy as np

from chainrule.architecture import Architecture, assemble
from chainrule.errors import InputError
from chainrule.numerics import Array


class Layers:
    """Takes layers in their order, and folds what only scales and shifts into its neighbours.

    Examples
    --------
    >>> layers = Layers()
    >>> layers.scale(np.array([2.0]), np.array([1.0]))  # 2x + 1
    >>> layers.dense(np.array([[3.0]]), np.array([0.5]))
    >>> layers.finish()[1].tolist()
    [6.0, 3.5]
    """

    def __init__(self) -> None:
        self.weights: list[Array] = []
        self.biases: list[Array | None] = []
        self.names: list[str] = []
        self._pending: tuple[Array, Array] | None = None  # scale and shift before the next layer

    @property
    def width(self) -> int | None:
        """How many outputs the last layer has, None before the first."""
        return len(self.weights[-1]) if self.weights else None

    @property
    def takes_activation(self) -> bool:
        """Whether the last layer has no activation yet."""
        return bool(self.names) and self.names[-1] == "identity" and self._pending is None

    def dense(self, w: Array, b: Array | None) -> None:
        """Add a layer with weights of shape (n_out, n_in) and biases of shape (n_out,)."""
        if self._pending is not None:
            scale, shift = self._pending
            b = w @ np.broadcast_to(shift, w.shape[1:]) + (0 if b is None else b)
            w = w * scale
            self._pending = None
        self.weights.append(w)
        self.biases.append(b)
        self.names.append("identity")

    def activation(self, name: str) -> None:
        """Give the last layer an activation; ``takes_activation`` says whether it can have one."""
        self.names[-1] = name

    def scale(self, scale: Array, shift: Array) -> None:
        """Add scale * x + shift, arrays of shape (n,) or (1,)."""
        if self._pending is not None:
            before, moved = self._pending
            self._pending = scale * before, scale * moved + shift
        elif self.takes_activation:  # this is before an activation
            w, b = self.weights[-1], self.biases[-1]
            self.weights[-1] = w * np.broadcast_to(scale, len(w))[:, None]
            self.biases[-1] = np.broadcast_to(shift, len(w)) + (0 if b is None else scale * b)
        else:
            self._pending = scale, shift

    def finish(self) -> tuple[Architecture, Array]:
        """Return the architecture and the parameters.

        Raises
        ------
        InputError
            If there are no layers, or they do not follow each other.
        """
        if self._pending is not None and self.weights:
            # after the last activation: a layer of its own
            n, (scale, shift) = len(self.weights[-1]), self._pending
            self._pending = None
            self.dense(np.diag(np.broadcast_to(scale, n)), np.array(np.broadcast_to(shift, n)))
        for L, (w, b) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            if w.ndim != 2 or (b is not None and b.shape != w.shape[:1]):
                shapes = w.shape if b is None else (w.shape, b.shape)
                raise InputError(f"layer {L} has weights and biases of the shapes {shapes}")
        return assemble(self.weights, self.biases, self.names)


def folded(gamma: Array | None, beta: Array | None, mean: Array, variance: Array,
           epsilon: float) -> tuple[Array, Array]:  # fmt: skip
    """Return the scale and the shift of a batch normalisation that is no longer trained.

    gamma (x - mean) / sqrt(variance + epsilon) + beta (Ioffe and Szegedy 2015, arXiv:1502.03167,
    algorithm 2).
    """
    scale = (1 if gamma is None else gamma) / np.sqrt(variance + epsilon)
    return scale, (0 if beta is None else beta) - mean * scale
