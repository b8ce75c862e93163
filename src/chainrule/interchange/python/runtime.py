"""The functions that are copied into exported Python files: they need NumPy and nothing else."""

from __future__ import annotations

import base64
import csv
import math
from collections.abc import Mapping
from datetime import date, datetime, timezone
from typing import Any

import numpy as np


def array(text: str, dtype: str, *shape: int) -> Any:
    """Return an array of little-endian numbers that base64 spells."""
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


def erfc(x: Any) -> Any:
    """Return the complementary error function of every number."""
    return np.array([math.erfc(v) for v in x.ravel().tolist()], x.dtype).reshape(x.shape)


def outputs(X: Any, layers: Any) -> Any:
    """Return the network's outputs for inputs of shape (n, n_inputs)."""
    for w, b, activation in layers:
        X = X @ w.T
        X = activation(X if b is None else X + b)
    return X


def by_column(rows: Any, columns: Any) -> dict[str, list[Any]]:
    """Return a list of values for each column of a table.

    The table is a list of dicts, a dict of lists, a data frame, or rows with the columns in order.
    """
    names = [column["name"] for column in columns]
    if isinstance(rows, Mapping) or hasattr(rows, "columns"):
        require(rows if isinstance(rows, Mapping) else rows.columns, names)
        return {name: list(rows[name]) for name in names}
    rows = list(rows)
    if rows and not isinstance(rows[0], Mapping):
        if len(rows[0]) != len(names):
            raise ValueError(f"a row must have {len(names)} values: {', '.join(names)}")
        rows = [dict(zip(names, row)) for row in rows]  # noqa: B905 - checked above
    for row in rows:
        require(row, names)
    return {name: [row[name] for row in rows] for name in names}


def require(row: Any, names: list[str]) -> None:
    """Raise ValueError where a column is not there."""
    for name in names:
        if name not in row:
            raise ValueError(f"the rows lack the column {name!r}")


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, or what pandas has in their place."""
    return value is None or value != value or str(value) in ("<NA>", "NaT")


def to_number(value: Any, column: dict[str, Any]) -> float:
    """Return a number; a date as days since 1970; NaN for what is missing."""
    if is_missing(value):
        return math.nan
    if column["is_date"]:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if isinstance(value, (int, float, np.number)):  # days already
            return float(value)
        if hasattr(value, "timestamp"):
            aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)  # noqa: UP017 - for Python 3.9
            return aware.timestamp() / 86400
        if isinstance(value, date):
            return float(value.toordinal() - date(1970, 1, 1).toordinal())
        value = (np.datetime64(value) - np.datetime64(0, "s")) / np.timedelta64(1, "D")
    elif isinstance(value, str) and value.lower() in ("true", "false"):
        value = value.lower() == "true"
    number = float(value)
    if not abs(number) < 1e150:
        raise ValueError(f"{column['name']!r} has {value!r}, which is not finite or too large")
    return number


def to_text(value: Any) -> Any:
    """Return a category as text, None for what is missing; 1.0 is 1."""
    if is_missing(value):
        return None
    if isinstance(value, (bool, np.bool_)):
        return str(value).lower()
    if isinstance(value, (float, np.floating)) and value == int(value):
        value = int(value)
    return str(value)


def encode(table: dict[str, list[Any]], columns: Any, n_inputs: int, dtype: str) -> Any:
    """Return the network's inputs for the columns of a table."""
    n = len(next(iter(table.values())))
    X = np.zeros((n, n_inputs), np.float32)
    for column in columns:
        values = table[column["name"]]
        place = column["place"]
        if "categories" in column:
            known = column["categories"]
            which = [known.get(to_text(value), len(known)) for value in values]
            X[:, place : place + column["values"].shape[1]] = column["values"][which]
            continue
        raw = np.array([to_number(value, column) for value in values], np.float64)
        missing = np.isnan(raw)
        x = np.where(missing, column["median"], raw)
        z = (x - column["center"]) / column["scale"]
        X[:, place] = z / np.hypot(1, z / 3)
        if column["missing_place"] is not None:
            X[:, column["missing_place"]] = np.where(
                missing, column["if_missing"], column["if_present"]
            )
        knots = np.array(column["knots"])
        for j, peak in enumerate(np.eye(len(knots))):
            height = np.interp(x, knots, peak)  # 1 at its knot, falling to 0 at the neighbours
            X[:, column["knots_place"] + j] = column["knot_weight"] * height
        for j, (period, harmonic) in enumerate(column["cycles"]):  # of a date: week, year, ...
            angle = 2 * np.pi * harmonic * (x % period) / period
            X[:, column["cycles_place"] + 2 * j] = np.sin(angle)
            X[:, column["cycles_place"] + 2 * j + 1] = np.cos(angle)
    return X.astype(dtype)


def read_csv(file: Any) -> list[dict[str, Any]]:
    """Return the rows of a CSV file with column names in its first line."""
    missing = ("", "na", "n/a", "nan", "null", "?")
    return [
        {
            name.strip(): None if value.strip().lower() in missing else value.strip()
            for name, value in row.items()
        }
        for row in csv.DictReader(file)
    ]
