"""A network and its preprocessing as what the other tools' writers take."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from chainrule.interchange.models import Answer, Category, Model, Number, Rows, Table
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.tables.columns import Column, places
from chainrule.tables.preparing import Preprocessing
from chainrule.tables.shapes import used
from chainrule.tables.targets import Target

# A text that no column of a table has.
_UNHEARD_OF = "\0 none of the categories"


def as_model(net: Network, preprocessing: Preprocessing | None = None) -> Model:
    """Return a network, with its preprocessing if there is one, ready to be written.

    Parameters
    ----------
    net : Network
        The network.
    preprocessing : Preprocessing, optional
        How its inputs are made of a table; None for the network alone.
    """
    if preprocessing is None:
        return Model(net.architecture, net.parameters)
    schema = {c.name: pl.String if c.kind == "category" else pl.Float64
              for c in preprocessing.columns}  # fmt: skip
    dates = [c.name for c in preprocessing.columns if c.kind == "date"]

    target = preprocessing.target

    def encode(rows: Rows) -> Array:
        frame = pl.DataFrame(dict(rows), schema=schema)
        frame = frame.with_columns(_from_days(pl.col(name)) for name in dates)
        return preprocessing.encode(frame)[0].astype(net.dtype)

    def decode(outputs: Array) -> Array:
        if target.is_classification:
            return target.probabilities(outputs)
        return target.numbers(outputs)[:, None]

    where = places(preprocessing.columns)
    columns = tuple(map(_column, preprocessing.columns, where))
    table = Table(columns, _answer(target), encode, decode)
    return Model(net.architecture, net.parameters, table)


def _from_days(days: pl.Expr) -> pl.Expr:
    return (days * 86_400_000_000).round().cast(pl.Int64).cast(pl.Datetime("us"))


def _answer(target: Target) -> Answer:
    if target.is_classification:
        return Answer(target.name, target.classes, tuple(target.spelled))
    low = -math.inf if target.low is None else target.low
    high = math.inf if target.high is None else target.high
    return Answer(target.name, mean=target.mean, scale=target.scale, low=low, high=high)


def _column(column: Column, its_places: list[int]) -> Number | Category:
    if column.kind == "category":
        known = tuple(category for category in column.categories if category is not None)
        texts = pl.Series(column.name, [*known, None, _UNHEARD_OF], pl.String)
        values = np.concatenate(column.encode(texts)[0], axis=1)
        return Category(column.name, known, values, its_places[0] if its_places else 0)
    gap = pl.Series(column.name, [None, 0.0])
    if column.kind == "date":
        gap = pl.select(_from_days(pl.lit(gap))).to_series().alias(column.name)
    if_missing, if_present = column.encode(gap)[0][1][:, 0] if column.indicator else (0, 0)
    n_cycles = 2 * len(column.cycles)
    knots_and_cycles = its_places[1 + column.indicator :]
    return Number(
        column.name,
        column.kind == "date",
        column.median,
        column.centers[0],
        column.scales[0],
        place=its_places[0],
        missing_place=its_places[1] if column.indicator else None,
        if_missing=float(if_missing),
        if_present=float(if_present),
        knots=tuple(used(np.array(column.knots)).tolist()),
        knot_weight=column.bend_weight,
        knots_place=knots_and_cycles[0] if len(knots_and_cycles) > n_cycles else 0,
        cycles=column.cycles,
        cycles_place=its_places[-n_cycles] if n_cycles else 0,
    )
