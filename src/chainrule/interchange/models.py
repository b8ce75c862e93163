"""What is written: a network, and for a model of a table what stands before and after it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import engines
from chainrule.activations import Activation
from chainrule.architecture import Architecture
from chainrule.errors import InputError
from chainrule.numerics import Array

MOST_ROWS = 1000
"""How many rows an export is compared on, where they fit into memory."""
_MOST_NUMBERS = 20_000_000
_MICROSECONDS_PER_DAY = 86_400e6
FARTHEST = 1e15
"""Scaled numbers beyond it are as good as infinite, and have squares that do not overflow."""


@dataclass(frozen=True)
class Number:
    """A column of numbers, or of dates as days since 1970, and the inputs made of it.

    With z = (x - center) / scale, the input at `place` is z / sqrt(1 + (z/3)^2).
    """

    name: str
    is_date: bool
    median: float
    """Fills what is missing."""
    center: float
    scale: float
    place: int
    """Which of the network's inputs is the scaled number, counted from 0."""
    missing_place: int | None = None
    """Which one says whether the number is missing, if one does."""
    if_missing: float = 0.0
    if_present: float = 0.0
    knots: tuple[float, ...] = ()
    """An input for each: `knot_weight` there, falling linearly to 0 at the neighbours."""
    knot_weight: float = 1.0
    knots_place: int = 0
    cycles: tuple[tuple[float, int], ...] = ()
    """Of a date: periods in days, and how often the two inputs for each, the sine and the cosine
    of an angle, go around in one."""
    cycles_place: int = 0


@dataclass(frozen=True)
class Category:
    """A column of text, and the inputs that stand for each text."""

    name: str
    categories: tuple[str, ...]
    values: Array
    """Of shape (len(categories) + 2, width): the inputs for each category, for what is missing, and
    for a category that training did not have."""
    place: int

    @property
    def marker(self) -> str:
        """What stands for a missing text where there is nothing but text: empty, if it can."""
        marker = ""
        while marker in self.categories:
            marker = f"<{marker or 'missing'}>"
        return marker


@dataclass(frozen=True)
class Answer:
    """What the network's outputs stand for: classes, or a number."""

    name: str
    classes: tuple[Any, ...] = ()
    """Text, truth values or numbers, for each column of probabilities."""
    spelled: tuple[str, ...] = ()
    """The classes as text."""
    mean: float = 0.0
    scale: float = 1.0
    low: float = -math.inf
    high: float = math.inf

    @property
    def labels(self) -> Array:
        """The classes as an array of the type that they all have, else of text."""
        if {type(c) for c in self.classes} in ({int}, {float}, {bool}):
            return np.array(self.classes)
        return np.array(self.spelled, dtype=object)


Rows = Mapping[str, Sequence[Any]]
"""A table: numbers and text by column, None for what is missing."""


@dataclass(frozen=True)
class Table:
    """How raw columns become a network's inputs, and its outputs an answer."""

    columns: tuple[Number | Category, ...]
    answer: Answer
    encode: Callable[[Rows], Array]
    """Our own way from rows to the network's inputs."""
    decode: Callable[[Array], Array]
    """And from its outputs to probabilities of shape (n, n_classes), or numbers of shape (n, 1)."""

    @property
    def numbers(self) -> list[Number]:
        """The columns of numbers and dates, in the order of the network's inputs."""
        return [column for column in self.columns if isinstance(column, Number)]

    @property
    def categories(self) -> list[Category]:
        """The columns of text, in the order of the network's inputs."""
        found = [column for column in self.columns if isinstance(column, Category)]
        return sorted(found, key=lambda column: column.place)

    def samples(self, n: int) -> dict[str, list[Any]]:
        """Return n rows with everything in them: outliers, gaps, categories known and not."""
        rng = np.random.default_rng(0)
        return {column.name: _sample(column, n, rng) for column in self.columns}


def _sample(column: Number | Category, n: int, rng: np.random.Generator) -> list[Any]:
    gaps = rng.random(n) < 0.1
    if isinstance(column, Category):
        texts = [*column.categories, '\u00e9 "unseen"\n']
        chosen = [texts[i] for i in rng.integers(len(texts), size=n)]
        # a text that a column's gaps are spelled as in a file would not come back as text
        return [None if gap else text for gap, text in zip(gaps, chosen, strict=True)]
    spread = column.scale * rng.choice([0.1, 1, 1, 1, 100], n)
    values = column.center + spread * rng.normal(size=n)
    if column.knots:
        values = np.where(rng.random(n) < 0.2, rng.choice(column.knots, n), values)
    values = np.clip(values, -1e149, 1e149)
    if column.is_date:  # whole microseconds of years that there are
        values = np.rint(np.clip(values, -5e5, 2e6) * _MICROSECONDS_PER_DAY) / _MICROSECONDS_PER_DAY
    return [None if gap else float(value) for gap, value in zip(gaps, values, strict=True)]


@dataclass(frozen=True)
class Model:
    """A network, with its table if it has one."""

    architecture: Architecture
    parameters: Array
    table: Table | None = None

    @property
    def network(self) -> Model:
        """The network alone."""
        return Model(self.architecture, self.parameters)

    def with_parameters(self, parameters: Array) -> Model:
        """Return the same model with other parameters."""
        return Model(self.architecture, parameters, self.table)

    @property
    def layers(self) -> list[tuple[Array, Array | None, Activation]]:
        """Weights, biases and activation of each layer."""
        a = self.architecture
        return list(zip(*a.views(self.parameters), a.activations, strict=True))

    def sizes(self) -> str:
        """Return the layers as text, such as 4-8-3."""
        return "-".join(map(str, self.architecture.layer_sizes))

    def require_written(self, why_not_own: str) -> None:
        """Refuse a network that no other tool could have.

        Parameters
        ----------
        why_not_own : str
            Why the format cannot have an activation of the user's own.

        Raises
        ------
        InputError
            If an activation is the user's own, or a parameter is not finite.
        """
        for activation in self.architecture.activations:
            if activation.own:
                raise InputError(f"{activation!r} is your own, and {why_not_own}")
        if not np.isfinite(self.parameters).all():
            raise InputError(
                "the network has weights that are not finite, so its predictions mean nothing: "
                "train it again"
            )

    def examples(self, most: int = MOST_ROWS) -> tuple[Any, Array]:
        """Return samples to compare predictions on, with our own.

        Parameters
        ----------
        most : int, default 1000
            How many at most; there is at least one.

        Returns
        -------
        array of shape (n, n_inputs), or for a table a list by column
        array of shape (n, width)
        """
        widest = max(self.architecture.layer_sizes)
        n = max(1, min(most, _MOST_NUMBERS // widest))
        given = self._inputs(n) if self.table is None else self.table.samples(n)
        return given, self.predict(given)

    def predict(self, given: Any) -> Array:
        """Return our own prediction for inputs, or for a table for its rows.

        Outputs of shape (n, n_outputs); for a table, probabilities of shape (n, n_classes), or
        numbers of shape (n, 1).
        """
        engine, _ = engines.choose("auto", self.architecture)
        X = given if self.table is None else self.table.encode(given)
        outputs = engine.predict(self.architecture, self.parameters, X)
        return outputs if self.table is None else self.table.decode(outputs)

    def tolerances(self, given: Any, dtype: str | None = None) -> Array:
        """Return how far each prediction may be off because numbers are rounded.

        The outputs in float32 are compared with those in float64, so that what a deep network makes
        of rounded numbers is counted; some rounding is larger by chance.

        Parameters
        ----------
        given : array, or for a table a list by column
            The samples, n of them.
        dtype : {"float32", "float64"}, optional
            The precision, by default that of the network; what reads a table is never more exact
            than float32.

        Returns
        -------
        array of shape (n, 1)
        """
        X = given if self.table is None else self.table.encode(given)
        single, double = (self._outputs_in(name, X) for name in ("float32", "float64"))
        size = np.abs(double).max(axis=1, keepdims=True, initial=1.0)
        with np.errstate(invalid="ignore"):
            apart = float(np.nanmax(np.abs(single - double) / size, initial=0.0))
        exact = self.architecture.dtype if self.table is None else "float32"
        ratio = float(np.finfo(dtype or exact).eps / np.finfo("float32").eps)
        scale = 1.0 if self.table is None else self.table.answer.scale
        return ratio * scale * size * (30 * apart + 1e-5)

    def _inputs(self, n: int) -> Array:
        rng = np.random.default_rng(0)
        spread = rng.choice([0.3, 1, 3], size=(n, 1))
        X = spread * rng.normal(size=(n, self.architecture.n_inputs))
        return X.astype(self.architecture.dtype)

    def _outputs_in(self, dtype: str, X: Array) -> Array:
        architecture = dataclasses.replace(self.architecture, dtype=dtype)
        return engines.NUMPY.predict(architecture, self.parameters.astype(dtype), X)
