"""A network and its preprocessing as what the other tools' writers take."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from chainrule.interchange.models import Answer, Category, Model, Number, Rows, Table
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.tables.columns import Column
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

    table = Table(_columns(preprocessing.columns), _answer(target), encode, decode)
    return Model(net.architecture, net.parameters, table)


def _from_days(days: pl.Expr) -> pl.Expr:
    return (days * 86_400_000_000).round().cast(pl.Int64).cast(pl.Datetime("us"))


def _answer(target: Target) -> Answer:
    if target.is_classification:
        return Answer(target.name, target.classes, tuple(target.spelled))
    low = -math.inf if target.low is None else target.low
    high = math.inf if target.high is None else target.high
    return Answer(target.name, mean=target.mean, scale=target.scale, low=low, high=high)


def _columns(columns: tuple[Column, ...]) -> tuple[Number | Category, ...]:
    # the network's inputs are the first blocks of all columns, then the second, and so on
    widths = np.array([[len(block) for block in column.names] for column in columns])
    places = (np.cumsum(widths.T.ravel()) - widths.T.ravel()).reshape(widths.T.shape).T
    found: list[Number | Category] = []
    for column, place, width in zip(columns, places.tolist(), widths.tolist(), strict=True):
        if column.kind == "category":
            found.append(_category(column, place[3] if width[3] else place[4]))
        else:
            found.append(_number(column, place[0], place[1], place[2]))
    return tuple(found)


def _number(column: Column, scaled: int, missing: int, bends: int) -> Number:
    values = pl.Series(column.name, [None, 0.0])
    if column.kind == "date":
        values = pl.select(_from_days(pl.lit(values))).to_series().alias(column.name)
    if_missing, if_present = column.encode(values)[0][1][:, 0] if column.indicator else (0, 0)
    return Number(
        column.name,
        column.kind == "date",
        column.median,
        column.centers[0],
        column.scales[0],
        scaled,
        missing if column.indicator else None,
        float(if_missing),
        float(if_present),
        tuple(used(np.array(column.knots)).tolist()),
        column.bend_weight,
        bends,
    )


def _category(column: Column, place: int) -> Category:
    known = tuple(category for category in column.categories if category is not None)
    texts = pl.Series(column.name, [*known, None, _UNHEARD_OF], pl.String)
    values = np.concatenate(column.encode(texts)[0], axis=1)
    return Category(column.name, known, values, place)
