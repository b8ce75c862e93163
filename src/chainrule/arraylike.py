"""What users hand over, as arrays of finite numbers; each message says what was wrong with it."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.errors import InputError, listing
from chainrule.numerics import Array

# Entries that are looked through at a time, so that a check needs no copy of the whole array.
_BLOCK_ENTRIES = 1 << 20


def row_blocks(array: Array) -> Iterator[slice]:
    """Yield slices of rows, each of about a million entries."""
    size = max(1, _BLOCK_ENTRIES // max(1, math.prod(array.shape[1:])))
    return (slice(start, start + size) for start in range(0, len(array), size))


def column_names(X: Any) -> tuple[str, ...] | None:
    """Return the column names of a data frame, None for anything else."""
    if hasattr(X, "collect"):  # asking a lazy frame for its columns may run it
        return None
    names = getattr(X, "columns", None)
    if names is None or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)


def is_frame(values: Any) -> bool:
    """Return whether it is a data frame, lazy or not, or a series of any library."""
    if isinstance(values, np.ndarray | list | tuple):
        return False
    return any(hasattr(values, name) for name in ("collect", "to_numpy", "columns"))


def from_frame(frame: Any) -> Array:
    """Return the values of a data frame or series, all columns numeric."""
    import narwhals as nw

    if hasattr(frame, "collect"):
        raise InputError("this is a lazy frame, which has no values yet: call its collect() first")
    if hasattr(frame, "set_axis") and hasattr(frame, "columns"):
        frame = frame.set_axis(map(str, frame.columns), axis=1)  # pandas has names of any kind
    names = column_names(frame) or ()
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"there are several columns of the name {listing(repeated)}: rename them")
    native = nw.from_native(frame, eager_only=True, allow_series=True, pass_through=True)
    if not isinstance(native, nw.DataFrame | nw.Series):
        return np.asarray(frame)
    columns = native.iter_columns() if isinstance(native, nw.DataFrame) else [native]
    for column in columns:
        if not (column.dtype.is_numeric() or column.dtype in (nw.Boolean, nw.Object)):
            raise InputError(
                f"column {column.name!r} holds {column.dtype}, but numbers are needed: leave it "
                "out or encode it (scikit-learn's OneHotEncoder, or `chainrule train`, which "
                "does it for you)"
            )
    return np.asarray(native.to_numpy())


def numeric(what: str, values: Any) -> Any:
    """Return an array or CSR matrix of numbers; nested lists become an array."""
    if hasattr(values, "tocsr"):
        return values.tocsr()
    if np.ma.is_masked(values):
        raise InputError(
            f"{what} has masked entries, which have no value to compute with: fill them "
            f"({what}.filled(...)), or drop such rows"
        )
    try:
        array = np.asarray(values)
    except ValueError:
        raise InputError(f"{what} has rows of different lengths: pass a table") from None
    except (TypeError, RuntimeError) as error:  # a tensor that wants to be detached, say
        raise InputError(f"{what} cannot be made an array: {error}") from None
    if array.dtype == object:
        try:
            if any(isinstance(value, str | bytes) for value in array.flat):
                raise TypeError
            array = array.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            kinds_found = sorted({type(value).__name__ for value in array.flat[:1000]})
            raise InputError(
                f"{what} holds objects ({', '.join(kinds_found)}), but numbers are needed"
            ) from None
    if array.dtype.kind not in "biuf":
        kinds = {"U": "text", "S": "bytes", "M": "dates", "m": "durations", "c": "complex numbers"}
        raise InputError(
            f"{what} holds {kinds.get(array.dtype.kind, array.dtype)}, but numbers are needed: "
            "encode it first"
        )
    return array


def valid_csr(X: Any) -> Any:
    """Return a CSR matrix of the same arrays; refuse indices that lead outside: engines trust them.

    A matrix of its own, because the check may give it indices of another type.
    """
    X = copy.copy(X)
    try:
        if (np.diff(X.indptr) < 0).any():
            raise ValueError("indptr must not fall")
        X.check_format(full_check=True)
    except ValueError as error:
        raise InputError(f"X is a damaged CSR matrix: {error}") from None
    return X


def require_finite(
    what: str,
    values: Any,
    dtype: str,
    names: Sequence[str] | None,
    nan_is_unknown: bool = False,
) -> None:
    """Refuse numbers that are infinite or NaN in that dtype; or, of unknown ones, infinite alone.

    Raises
    ------
    InputError
        Naming the first one and its place.
    """
    stored = values.data if hasattr(values, "tocsr") else values
    if stored.dtype.kind != "f":
        return
    for rows in row_blocks(stored):
        with np.errstate(over="ignore"):  # a number too large for the dtype becomes infinite
            finite = np.isfinite(stored[rows].astype(dtype, copy=False))
            if nan_is_unknown:
                finite |= np.isnan(stored[rows])
        if finite.all():
            continue
        place = np.argwhere(~finite)[0]
        value = stored[rows][tuple(place)]
        where = "" if stored is not values else f" in row {rows.start + int(place[0])}"
        if len(place) > 1:
            column = int(place[1])
            where += f", column {names[column]!r}" if names else f", column {column}"
        if np.isfinite(value):
            raise InputError(
                f"{what} has {value}{where}, which is too large for {dtype}: scale it, or make "
                "the network with dtype='float64'"
            )
        if nan_is_unknown:
            raise InputError(
                f"{what} has {value}{where}: every number must be finite, or NaN where it is not "
                "known"
            )
        raise InputError(
            f"{what} has {value}{where}: every number must be finite; drop such rows or fill "
            "them (scikit-learn's SimpleImputer does)"
        )
