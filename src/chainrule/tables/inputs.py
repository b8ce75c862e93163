"""From the columns of a table to the inputs of a network, in one pass over its matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from chainrule import _core, engines
from chainrule.numerics import Array
from chainrule.tables.columns import Column, settled
from chainrule.tables.shapes import cycle, soft, used
from chainrule.tables.surprises import Surprises

_INPUTS_PER_THREAD = 100_000


def places(columns: Sequence[Column]) -> list[list[int]]:
    """Return which inputs of the network each column becomes, in the order of its blocks.

    A network's inputs are the first blocks of all columns, then the second, and so on.

    Examples
    --------
    >>> places([Column("a", "number", indicator=True), Column("b", "number")])
    [[0, 2], [1]]
    """
    found: list[list[int]] = [[] for _ in columns]
    n = 0
    for block in zip(*(column.names for column in columns), strict=True):
        for which, names in zip(found, block, strict=True):
            which += range(n, n + len(names))
            n += len(names)
    return found


def encode(
    columns: Sequence[Column], frame: pl.DataFrame, surprises: Surprises | None = None
) -> tuple[Array, list[str]]:
    """Return a network's inputs for the rows of a table.

    Parameters
    ----------
    columns : sequence of Column
        What each column of training became.
    frame : polars.DataFrame of n rows
        Has these columns.
    surprises : Surprises, optional
        What the rows before these had, where they are a part of a table.

    Returns
    -------
    array of shape (n, n_inputs), float32
    list of str
        What a user should know of it, and of the rows before.

    Raises
    ------
    InputError
        If a column holds something else than in training.
    """
    surprises = surprises or Surprises()
    inputs = Inputs(columns, frame, surprises)
    return inputs.write(slice(0, frame.height)), surprises.notes


class Inputs:
    """The rows of a table, checked, so that any of them can be made a network's inputs.

    Parameters
    ----------
    columns : sequence of Column
        What each column of training became.
    frame : polars.DataFrame of n rows
        Has these columns.
    surprises : Surprises
        Is told what training had not.

    Raises
    ------
    InputError
        If a column holds something else than in training.
    """

    def __init__(
        self, columns: Sequence[Column], frame: pl.DataFrame, surprises: Surprises
    ) -> None:
        where = places(columns)
        self.width = sum(map(len, where))
        self._numbers: list[tuple[Array, tuple[Any, ...]]] = []
        self._cycles: list[tuple[Array, tuple[float, int], list[int]]] = []
        self._one_hot: list[tuple[Array, Array]] = []
        self._statistics: list[tuple[Array, Array, list[int]]] = []
        for column, its_places in zip(columns, where, strict=True):
            values = settled(frame[column.name], column.kind, surprises.n_rows)
            if column.kind == "category":
                self._add_category(column, _codes(column, values, surprises), its_places)
            else:
                self._add_numbers(column, values, its_places)
                if values.null_count() and not column.indicator:
                    surprises.missing(column.name, values.null_count(), ": filled with the median")
        surprises.n_rows += frame.height
        self._n_rows = frame.height

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._n_rows

    def write(self, rows: slice, to: Array | None = None) -> Array:
        """Return the inputs of some rows, as float32.

        Parameters
        ----------
        rows : slice
            With a start and an end.
        to : array of shape (n, width), float32, optional
            Where they are written, at the top, and what is returned is a part of.
        """
        rows = slice(rows.start, min(rows.stop, len(self)))
        n = rows.stop - rows.start
        to = np.empty((n, self.width), np.float32) if to is None else to[:n]
        if self._numbers and n:
            threads = min(engines.threads.available(), 1 + to.size // _INPUTS_PER_THREAD)
            parts = [(values[rows], *rest) for values, rest in self._numbers]
            _core.encode_columns(parts, to, threads)
        for days, which, its_places in self._cycles:
            to[:, its_places] = cycle(days[rows], *which)
        for codes, columns in self._one_hot:
            to[:, columns] = 0
            known = codes[rows] >= 0
            to[known, columns[codes[rows][known]]] = 1
        for codes, by_code, its_places in self._statistics:
            to[:, its_places] = by_code[codes[rows]]
        return to

    def _add_numbers(self, column: Column, values: pl.Series, its_places: list[int]) -> None:
        centers, scales = (*column.centers, 0.0)[:2], (*column.scales, 1.0)[:2]
        knots = [float(knot) for knot in used(np.array(column.knots))]
        rest = its_places[1 + column.indicator :]
        numbers = np.ascontiguousarray(values.to_numpy())  # in which NaN is what is missing
        self._numbers.append((numbers, (
            column.median, centers[0], scales[0], centers[1], scales[1], knots,
            column.bend_weight, its_places[0], its_places[1] if column.indicator else -1,
            rest[0] if knots else 0,
        )))  # fmt: skip
        days = values.fill_null(column.median).to_numpy() if column.cycles else numbers
        for i, which in enumerate(column.cycles):
            first = len(its_places) - 2 * (len(column.cycles) - i)
            self._cycles.append((days, which, its_places[first : first + 2]))

    def _add_category(self, column: Column, codes: Array, its_places: list[int]) -> None:
        if not column.statistics:
            self._one_hot.append((codes, np.array(its_places, np.intp)))
            return
        by_code = np.column_stack([column.statistics, column.unknown])  # code -1 is the last
        scaled = (by_code.T - np.array(column.centers)) / np.array(column.scales)
        self._statistics.append((codes, soft(scaled), its_places))


def _codes(column: Column, values: pl.Series, surprises: Surprises) -> Array:
    """Return the number of each value's category, -1 for none."""
    known = pl.Series(column.categories, dtype=pl.String)
    numbers = np.arange(len(known))
    codes = values.replace_strict(known, numbers, default=-1, return_dtype=pl.Int64).to_numpy()
    if len(unseen := values.filter(pl.Series(codes < 0) & values.is_not_null())):
        surprises.unseen(column.name, len(unseen), unseen[0])
    if values.null_count() and None not in column.categories:
        surprises.missing(column.name, values.null_count())
    return codes
