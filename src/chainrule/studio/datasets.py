"""What can be trained on: small classics drawn from a seed, and the digits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chainrule import architecture, batches, losses
from chainrule.errors import InputError, require_choice
from chainrule.numerics import Array
from chainrule.studio.state import OUTPUTS

if TYPE_CHECKING:
    from chainrule.tables import Preprocessing

TABLE = "table"
_N, _N_TEST = 300, 100


@dataclass(frozen=True)
class Dataset:
    """Samples to train on and samples to test with: X of shape (n, n_0), Y (n, n_l)."""

    name: str
    X: Array
    Y: Array
    X_test: Array
    Y_test: Array
    inputs: tuple[str, ...]
    classes: tuple[str, ...] = ()
    """Empty where a number is predicted."""
    preprocessing: Preprocessing | None = None
    """Of a table: saved with the network."""

    @property
    def output(self) -> str:
        """The activation of the outputs that suits it."""
        if not self.classes:
            return "identity"
        return "softmax" if self.Y.shape[1] > 1 else "sigmoid"

    @functools.cached_property
    def offered(self) -> dict[str, list[str]]:
        """The activations of the outputs that its targets can have, with the losses of each."""
        strangest = self.Y.flat[np.abs(np.abs(self.Y) - 1).argmax()]  # for hinge, of -1 and 1
        extremes = np.array([self.Y.min(), self.Y.max(), strangest])
        Y = np.repeat(extremes[:, None], self.Y.shape[1], axis=1)
        found = {output: [loss for loss in losses.NAMED if _fit(Y, output, loss)]
                 for output in OUTPUTS}  # fmt: skip
        return {output: fitting for output, fitting in found.items() if fitting}

    def labels(self, outputs: Array) -> Array:
        """Return the number of the class that outputs, or targets, say."""
        if outputs.shape[1] > 1:
            return outputs.argmax(axis=1)
        return (outputs[:, 0] > 0.5).astype(int)


def _fit(Y: Array, output: str, loss: str) -> bool:
    """Whether targets, outputs and loss fit each other."""
    try:
        a = architecture.build([1, Y.shape[1]], [], output, loss, True, "float32")
        batches.require_targets_in_range(Y, a)
    except InputError:
        return False
    return a.n_targets == Y.shape[1]


def _xor(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    X = rng.uniform(-1, 1, (n, 2))
    return X + 0.06 * np.sign(X), X[:, 0] * X[:, 1] > 0


def _circles(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    y = np.arange(n) % 2
    angle, radius = rng.uniform(0, 2 * np.pi, n), np.where(y, 0.35, 0.9) + rng.normal(0, 0.08, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), y


def _moons(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    y, angle = np.arange(n) % 2, rng.uniform(0, np.pi, n)
    x = np.where(y, 0.5 - np.cos(angle), np.cos(angle) - 0.5)
    up = np.where(y, 0.25 - np.sin(angle), np.sin(angle) - 0.25)
    return np.stack([x, up], axis=1) / 1.5 + rng.normal(0, 0.06, (n, 2)), y


def _spirals(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    y, way = np.arange(n) % 2, np.sqrt(rng.uniform(0.01, 1, n))
    angle = 3.5 * np.pi * way + np.pi * y
    X = np.stack([np.cos(angle), np.sin(angle)], axis=1) * way[:, None]
    return X + rng.normal(0, 0.02, (n, 2)), y


def _blobs(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    y = np.arange(n) % 3
    angle = 2 * np.pi * y / 3 + 0.5
    return 0.6 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(0, 0.18, (n, 2)), y


def _wave(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    x = rng.uniform(-1, 1, n)
    return x[:, None], np.sin(5 * x) + rng.normal(0, 0.05, n)


def _saddle(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    X = rng.uniform(-1, 1, (n, 2))
    return X, 2 * X[:, 0] * X[:, 1]


_DRAWN: dict[str, Callable[[int, np.random.Generator], tuple[Array, Array]]] = {
    "xor": _xor, "circles": _circles, "moons": _moons, "spirals": _spirals, "blobs": _blobs,
    "wave": _wave, "saddle": _saddle,
}  # fmt: skip
NAMES = (*_DRAWN, "digits")


def named(name: str) -> Dataset:
    """Return one of `NAMES`, the same on every machine.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> data = named("xor")
    >>> data.X.shape, data.Y.shape, data.X_test.shape, data.output
    ((300, 2), (300, 1), (100, 2), 'sigmoid')
    """
    require_choice("data", name, NAMES)
    if name == "digits":
        return _digits()
    X, y = _DRAWN[name](_N + _N_TEST, np.random.default_rng(7))
    classes: tuple[str, ...] = ()
    if y.dtype.kind != "f":
        classes = tuple(map(str, range(int(y.max()) + 1)))
    Y = np.eye(3)[y] if len(classes) > 2 else y[:, None]
    names = ("x",) if X.shape[1] == 1 else ("x1", "x2")
    X, Y = X.astype(np.float32), Y.astype(np.float32)
    return Dataset(name, X[:_N], Y[:_N], X[_N:], Y[_N:], names, classes)


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    digits = load_digits()
    X, Y = (digits.data / 16).astype(np.float32), np.eye(10, dtype=np.float32)[digits.target]
    order = np.random.default_rng(7).permutation(len(X))
    X, Y, n = X[order], Y[order], 1437
    names = tuple(f"{i // 8},{i % 8}" for i in range(64))
    return Dataset("digits", X[:n], Y[:n], X[n:], Y[n:], names, tuple(map(str, range(10))))
