"""What stands before and after the network of a table, in ONNX: raw columns in, an answer out.

Every column is an input of shape (n, 1): numbers and dates (in days since 1970-01-01, with
fractions) are float64, where NaN is what is missing; categories are strings, where the empty string
is what is missing. Numbers are computed with in float64, as in our own prediction.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.interchange.models import FARTHEST, Answer, Category, Number, Rows, Table
from chainrule.interchange.naming import printable
from chainrule.interchange.onnx.graph import ML, Graph, object_array
from chainrule.numerics import Array

LABEL, PROBABILITIES, PREDICTION = "label", "probabilities", "prediction"


def input_names(table: Table) -> dict[str, str]:
    """Return the name of the input for each column."""
    columns = [column.name for column in table.columns]
    taken = (LABEL, PROBABILITIES) if table.answer.classes else (PREDICTION,)
    return dict(zip(columns, printable(columns, taken), strict=True))


def as_inputs(table: Table, rows: Rows) -> dict[str, Array]:
    """Return what a runtime is given for these rows."""
    given: dict[str, Array] = {}
    for column in table.columns:
        values = rows[column.name]
        if isinstance(column, Number):
            given[column.name] = np.array(values, np.float64)[:, None]  # None becomes NaN
        else:
            texts = [column.marker if text is None else text for text in values]
            given[column.name] = object_array(texts)[:, None]
    return {name: given[column] for column, name in input_names(table).items()}


def encode(graph: Graph, table: Table, names: dict[str, str], dtype: str) -> str:
    """Add the inputs for raw columns, and return the name of the network's inputs."""
    for column in table.columns:
        name = names[column.name]
        if isinstance(column, Category):
            missing = "the empty string" if not column.marker else repr(column.marker)
            graph.add_input(name, object, 1, f"{column.name}: text; missing is {missing}")
        else:
            unit = "days since 1970-01-01" if column.is_date else "a number"
            graph.add_input(name, np.float64, 1, f"{column.name}: {unit}; missing is NaN")
    parts = _numbers(graph, table.numbers, names) if table.numbers else []
    parts += [_category(graph, column, names[column.name]) for column in table.categories]
    encoded = graph.node("Concat", *parts, axis=1)
    return encoded if dtype == "float32" else _cast(graph, encoded, dtype)


def _numbers(graph: Graph, columns: list[Number], names: dict[str, str]) -> list[str]:
    """Return the names of up to four blocks: scaled, whether missing, bends, cycles."""
    raw = graph.node("Concat", *(names[column.name] for column in columns), axis=1)
    missing = graph.node("IsNaN", raw)
    medians = graph.constant([column.median for column in columns], "medians")
    x = graph.node("Where", missing, medians, raw)
    centers = graph.constant([column.center for column in columns], "centers")
    scales = graph.constant([column.scale for column in columns], "scales")
    z = graph.node("Div", graph.node("Sub", x, centers), scales)
    z = graph.expression(("Clip", "x", -FARTHEST, FARTHEST), z, "float64")
    third = ("Div", "x", 3.0)
    soft = ("Div", "x", ("Sqrt", ("Add", ("Mul", third, third), 1.0)))
    parts = [_cast(graph, graph.expression(soft, z, "float64"), "float32")]
    if told := [i for i, column in enumerate(columns) if column.missing_place is not None]:
        which = graph.node("Gather", missing, graph.constant(told), axis=1)
        values = np.array(
            [[columns[i].if_missing, columns[i].if_present] for i in told], np.float32
        )
        yes, no = graph.constant(values[:, 0]), graph.constant(values[:, 1])
        parts.append(graph.node("Where", which, yes, no))
    if any(column.knots for column in columns):
        parts.append(_bends(graph, columns, x))
    if any(column.cycles for column in columns):
        parts.append(_cycles(graph, columns, x))
    return parts


def _bends(graph: Graph, columns: list[Number], x: str) -> str:
    """Return the name of the piecewise linear functions: the lower of two lines, and 0."""
    which: list[int] = []
    lines: list[tuple[float, ...]] = []
    for i, column in enumerate(columns):
        k = column.knots
        for j, knot in enumerate(k):
            # at the ends there is one line; the other is always 1
            before = (k[j - 1], knot - k[j - 1], 0.0) if j else (0.0, math.inf, 1.0)
            after = (k[j + 1], knot - k[j + 1], 0.0) if j + 1 < len(k) else (0.0, math.inf, 1.0)
            which.append(i)
            lines.append((k[0], k[-1], *before, *after, column.knot_weight))
    constants = [graph.constant(values) for values in np.array(lines).T]
    low, high, a, p, c, b, q, d, weight = constants
    x = graph.node("Gather", x, graph.constant(which), axis=1)
    x = graph.node("Min", graph.node("Max", x, low), high)
    rising = graph.node("Add", graph.node("Div", graph.node("Sub", x, a), p), c)
    falling = graph.node("Add", graph.node("Div", graph.node("Sub", x, b), q), d)
    height = graph.expression(("Max", "x", 0.0), graph.node("Min", rising, falling), "float64")
    return _cast(graph, graph.node("Mul", height, weight), "float32")


def _cycles(graph: Graph, columns: list[Number], x: str) -> str:
    """Return the name of the sines and cosines of dates: a cosine is a sine a quarter later."""
    rows = [
        (i, period, 2 * np.pi * harmonic, quarter)
        for i, column in enumerate(columns)
        for period, harmonic in column.cycles
        for quarter in (0.0, np.pi / 2)
    ]
    which, periods, turns, quarters = zip(*rows, strict=True)
    x = graph.node("Gather", x, graph.constant(which), axis=1)
    share = graph.node("Div", x, graph.constant(periods))
    share = graph.expression(("Sub", "x", ("Floor", "x")), share, "float64")
    angle = graph.node("Mul", share, graph.constant(turns))
    angle = graph.node("Add", angle, graph.constant(quarters))
    return _cast(graph, graph.node("Sin", angle), "float32")


def _category(graph: Graph, column: Category, name: str) -> str:
    """Return the name of the inputs that stand for a text: a row of a table of constants."""
    n = len(column.categories)
    number = graph.node(
        "LabelEncoder",
        name,
        domain=ML,
        keys_strings=[*column.categories, column.marker],
        values_int64s=list(range(n + 1)),
        default_int64=n + 1,
    )
    flat = graph.node("Reshape", number, graph.constant([-1]))
    return graph.node("Gather", graph.constant(column.values, f"values of {column.name}"), flat)


def answer(graph: Graph, answer: Answer, outputs: str, n_outputs: int) -> None:
    """Add the outputs: ``label`` and ``probabilities``, or ``prediction``."""
    if not answer.classes:
        value = _cast(graph, outputs, "float64")
        scale, mean = graph.constant(answer.scale), graph.constant(answer.mean)
        value = graph.node("Add", graph.node("Mul", value, scale), mean)
        limits = [graph.constant(limit) for limit in (answer.low, answer.high)]
        graph.node("Clip", value, *limits, output=PREDICTION)
        graph.add_output(PREDICTION, np.float64, ["n", 1], f"{answer.name}, in its own unit")
        return
    if n_outputs == 1:  # the probability of the second of two classes
        dtype = "float32"
        outputs = _cast(graph, outputs, dtype)
        first = graph.node("Sub", graph.constant(np.array(1, dtype)), outputs)
        outputs = graph.node("Concat", first, outputs, axis=1)
    best = graph.node("ArgMax", outputs, axis=1, keepdims=0)
    classes = answer.labels
    graph.node("Gather", graph.constant(classes, "classes"), best, output=LABEL)
    _cast(graph, outputs, "float32", PROBABILITIES)
    kind: Any = object if classes.dtype.kind == "O" else classes.dtype
    spelled = ", ".join(answer.spelled[:50])
    graph.add_output(LABEL, kind, ["n"], f"{answer.name}: the most probable class")
    graph.add_output(
        PROBABILITIES, np.float32, ["n", len(classes)], f"of the classes {spelled}, in this order"
    )


def _cast(graph: Graph, x: str, dtype: str, output: str = "") -> str:
    kind = graph.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return graph.node("Cast", x, to=kind, output=output)
