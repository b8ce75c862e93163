"""From any kind of table to a polars data frame, in which what is missing is null."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
from sklearn.utils import assert_all_finite, column_or_1d

from chainrule.errors import InputError, listing
from chainrule.numerics import Array


def is_frame(X: Any) -> bool:
    """Return whether X is a data frame of pandas, polars, or what else narwhals knows.

    Raises
    ------
    InputError
        If it is, but lazy, or if two columns have one name.
    """
    if hasattr(X, "collect"):
        raise InputError("the table is lazy: pass X.collect()")
    if not nw.dependencies.is_into_dataframe(X):
        return False
    if twice := [str(name) for name, n in Counter(X.columns).items() if n > 1]:
        raise InputError(
            f"the table has more than one column {listing(twice)}: give each a name of its own"
        )
    return True


def read(X: Any) -> pl.DataFrame:
    """Return a table as a polars data frame.

    Parameters
    ----------
    X : data frame or array of shape (n, n_columns)
        An array's columns are named x0, x1, ...; a column of Python objects becomes numbers,
        dates or text, whichever all of its values are; mixtures become text.

    Raises
    ------
    InputError
        If two columns have one name, or the table is lazy.

    Examples
    --------
    >>> read(np.array([[1, "a"], [2.5, None]], dtype=object)).rows()
    [(1.0, 'a'), (2.5, None)]
    """
    if not is_frame(X):
        return pl.DataFrame([_from_array(f"x{i}", values) for i, values in enumerate(X.T)])
    if isinstance(X, pl.DataFrame):
        return X.with_columns(pl.selectors.float().fill_nan(None))
    return pl.DataFrame([_from_series(str(s.name), s) for s in nw.from_native(X).iter_columns()])


def _from_series(name: str, series: nw.Series[Any]) -> pl.Series:
    if isinstance(series.dtype, nw.Datetime) and series.dtype.time_zone is not None:
        # one instant is one number, wherever it was written down
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if series.dtype.is_numeric() or isinstance(series.dtype, nw.Datetime):
        return _from_array(name, series.to_numpy())
    if isinstance(series.dtype, nw.Duration):
        return pl.Series(name, series.to_numpy().astype("timedelta64[us]"))
    missing = series.is_null().to_list()
    values = [None if m else v for v, m in zip(series.to_list(), missing, strict=True)]
    if isinstance(series.dtype, nw.Categorical | nw.Enum):  # of numbers, too
        values = [None if value is None else str(value) for value in values]
    return _from_objects(name, values)


def _from_array(name: str, values: Array) -> pl.Series:
    if values.dtype.kind in "biuf":
        # float16 and the like are unknown to polars; whole numbers stay, so that 1 is not "1.0"
        wide = values.astype(np.float64) if values.dtype.kind == "f" else values
        return pl.Series(name, wide, nan_to_null=True)
    if values.dtype.kind == "M":
        return pl.Series(name, values.astype("datetime64[us]"))
    if values.dtype.kind == "O":
        # only what is missing is not equal to itself
        return _from_objects(name, [None if is_missing(v) else v for v in values])
    return pl.Series(name, [str(v) for v in values], pl.String)


def is_missing(value: Any) -> bool:
    """Return whether a Python object stands for a value that is not there."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):  # pandas' NA, and arrays, are neither equal nor different
        return str(value) == "<NA>"


def _from_objects(name: str, values: Sequence[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool, np.bool_}:
        return pl.Series(name, [None if v is None else bool(v) for v in values], pl.Boolean)
    if all(issubclass(kind, Real | Decimal) for kind in kinds):
        try:
            return pl.Series(name, [None if v is None else float(v) for v in values], pl.Float64)
        except OverflowError:
            raise InputError(
                f"the numbers of column {name!r} are too large: divide them, or take their "
                "logarithm"
            ) from None
    if all(issubclass(kind, date) for kind in kinds):
        return pl.Series(name, values).cast(pl.Datetime("us"))
    return pl.Series(name, [None if v is None else str(v) for v in values], pl.String)


def without_gaps(y: Any) -> Array:
    """Return a target as an array of one dimension and of the type of its values.

    Parameters
    ----------
    y : Series, array or list of length n
        The target.

    Raises
    ------
    InputError
        If something is missing in it.
    """
    y = column_or_1d(y, warn=True)
    if y.dtype.kind == "O":
        missing = np.array([is_missing(value) for value in y], bool)
        if not missing.any():
            tight = np.array(y.tolist())
            y = tight if tight.dtype.kind in "biuf" else y
    else:
        missing = np.isnan(y) if y.dtype.kind == "f" else np.zeros(len(y), bool)
    if missing.any():
        raise InputError(
            f"y has {missing.sum()} missing values (NaN), the first in row "
            f"{missing.argmax() + 1}: leave these rows out of X and y"
        )
    if y.dtype.kind == "f":
        assert_all_finite(y, input_name="y")
    return y
