"""A trained network with the columns of its table: from rows to what is scored and shown."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import polars as pl

from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.tables import Column, Preprocessing

_STEP = 65_536
"""Rows predicted at once."""


@dataclass(frozen=True)
class Model:
    """What a model's file holds."""

    net: Network
    preprocessing: Preprocessing

    def predict(self, X: Array) -> Array:
        """Return probabilities of shape (n, n_classes), or numbers of shape (n,).

        Parameters
        ----------
        X : array of shape (n, n_inputs)
            The network's inputs.
        """
        target = self.preprocessing.target
        parts = [
            self.net._engine.predict(self.net.architecture, self.net.parameters, X[i : i + _STEP])
            for i in range(0, max(len(X), 1), _STEP)
        ]
        outputs = np.concatenate(parts)
        if target.is_classification:
            return target.probabilities(outputs).astype(np.float64)
        return target.numbers(outputs)

    @functools.cached_property
    def places(self) -> dict[str, Array]:
        """The inputs that each column became, by its name."""
        return places(self.preprocessing.columns)

    def encoded(self, column: Column, series: pl.Series) -> Array:
        """Return the inputs of one column, of shape (n, number of its inputs)."""
        return np.concatenate(column.encode(series)[0], axis=1)


def places(columns: tuple[Column, ...]) -> dict[str, Array]:
    """Return which inputs of the network each column becomes, in the order of its blocks.

    A network's inputs are the first blocks of all columns, then the second, and so on.

    Examples
    --------
    >>> found = places((Column("a", "number", indicator=True), Column("b", "number")))
    >>> {name: which.tolist() for name, which in found.items()}
    {'a': [0, 2], 'b': [1]}
    """
    found: dict[str, list[int]] = {column.name: [] for column in columns}
    n = 0
    for block in zip(*(column.names for column in columns), strict=True):
        for column, names in zip(columns, block, strict=True):
            found[column.name] += range(n, n + len(names))
            n += len(names)
    return {name: np.array(which, np.intp) for name, which in found.items()}
