"""From the columns of a table to a network's inputs, column by column, so that memory suffices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from chainrule.numerics import Array
from chainrule.tables import Column, Target
from chainrule.tables.columns import places, settled
from chainrule.tables.inputs import encode

MOST_ONE_HOT = 40
"""Categories of a column with more are encoded by statistics of the target."""
BUDGET = 50_000_000
"""Numbers, of 4 bytes, that a table may become more than its scaled columns."""
_SAMPLE = 100_000
"""Rows that tell where the numbers of a column lie."""
_CELLS = 1_000_000
"""Values of columns that are looked at together."""


def learn(
    frame: pl.DataFrame,
    kinds: Mapping[str, str],
    rows: Array,
    Y: Array,
    target: Target,
    seed: int,
) -> tuple[tuple[Column, ...], Array]:
    """Return what each column becomes, and the inputs for some rows.

    Where numbers lie is taken from at most 100,000 of the rows. Numbers of large tables have no
    bends: there are rows enough to learn from, and bends would make the table many times as large.

    Parameters
    ----------
    frame : polars.DataFrame
        The columns, which it loses as they are encoded: the table need not be in memory twice.
    kinds : mapping
        From the name of each column to use to its kind.
    rows : array of shape (n,)
        The rows to learn from and to encode, in this order.
    Y : array of shape (n,)
        Their encoded targets, of which columns with many categories become statistics; those of
        a row are taken from other rows.
    target : Target
        What is predicted.
    seed : int
        Of samples and folds.

    Returns
    -------
    columns : tuple of Column
        In the order of `kinds`.
    X : array of shape (n, n_inputs), float32
    """
    numbers = [name for name, kind in kinds.items() if kind != "category"]
    n_knots = _knots(len(rows), len(numbers))
    found: dict[str, Column] = {}
    crossed: dict[str, Array] = {}
    for some in _chunks(numbers, len(rows)):
        found |= _learn_numbers(frame, some, kinds, rows, n_knots, seed)
    classes = Y if target.is_classification else None
    for name in kinds:
        if name not in found:
            found[name], crossed[name] = _learn_category(frame[name][rows], Y, classes, seed)
    columns = tuple(found[name] for name in kinds)
    where = places(columns)
    X = np.empty((len(rows), sum(map(len, where))), np.float32)
    for column, which in zip(columns, where, strict=True):
        series = frame.drop_in_place(column.name)[rows]
        if column.statistics:
            X[:, which] = crossed.pop(column.name)
        else:
            X[:, which] = encode([column], series.to_frame())[0]
    return columns, X


def _knots(n: int, n_numbers: int) -> int:
    """Return how many bends each number has."""
    from chainrule.tables.encoding import knots_for

    affordable = BUDGET // (n * max(1, n_numbers))
    n_knots = min(knots_for(n), affordable)
    return n_knots if n_knots >= 4 else 0


def _chunks(names: Sequence[str], n: int) -> Iterator[Sequence[str]]:
    step = max(1, _CELLS // min(n, _SAMPLE))
    for i in range(0, len(names), step):
        yield names[i : i + step]


def _learn_numbers(
    frame: pl.DataFrame,
    names: Sequence[str],
    kinds: Mapping[str, str],
    rows: Array,
    n_knots: int,
    seed: int,
) -> dict[str, Column]:
    sample = rows
    if len(rows) > _SAMPLE:
        sample = np.random.default_rng(seed).choice(rows, _SAMPLE, replace=False)
    series = []
    for name in names:
        chosen = settled(frame[name][sample], kinds[name])
        if len(sample) < len(rows) and not chosen.null_count():
            whole = settled(frame[name][rows], kinds[name])  # all of them are looked through
            if whole.null_count():
                chosen = chosen.scatter(0, None)
        series.append(chosen)
    return _described(pl.DataFrame(series), {name: kinds[name] for name in names}, None, None,
                      n_knots, seed)[0]  # fmt: skip


def _learn_category(
    series: pl.Series, Y: Array, classes: Array | None, seed: int
) -> tuple[Column, Any]:
    frame = pl.DataFrame([settled(series, "category")])
    found, crossed = _described(frame, {series.name: "category"}, Y, classes, 0, seed)
    return found[series.name], crossed


def _described(
    frame: pl.DataFrame,
    kinds: Mapping[str, str],
    Y: Array | None,
    classes: Array | None,
    n_knots: int,
    seed: int,
) -> tuple[dict[str, Column], Any]:
    from chainrule.tables.describing import describe
    from chainrule.tables.encoding import encoder

    dates = [name for name, kind in kinds.items() if kind == "date"]
    encoding = encoder(frame, MOST_ONE_HOT, classes, seed % 2**32, dates, n_knots)
    crossed = None
    if any(name == "by_target" for name, *_ in encoding.transformers):
        crossed = encoding.fit_transform(frame, Y)
    else:
        encoding.fit(frame)
    return {column.name: column for column in describe(kinds, encoding)}, crossed
