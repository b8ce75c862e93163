"""A trained network with the columns of its table: from rows to what is scored and shown."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import polars as pl

from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.tables import Column, Preprocessing
from chainrule.tables.columns import places
from chainrule.tables.inputs import encode

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
        columns = self.preprocessing.columns
        return {
            column.name: np.array(which, np.intp)
            for column, which in zip(columns, places(columns), strict=True)
        }

    def encoded(self, column: Column, series: pl.Series) -> Array:
        """Return the inputs of one column, of shape (n, number of its inputs)."""
        return encode([column], series.to_frame(column.name))[0]
