"""Plain data of a file, checked against the annotations of a dataclass before it is believed."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import math
import types
import typing
from typing import Any, TypeVar

T = TypeVar("T")


def make(cls: type[T], record: Any) -> T:
    """Return an instance of a dataclass from a record of its fields.

    Parameters
    ----------
    cls : type
        A dataclass whose fields are text, truth values, numbers, None, and tuples, lists and
        mappings of these.
    record : dict
        As `dataclasses.asdict` gives it and JSON brings it back: tuples may be lists. Fields with a
        default may be missing.

    Raises
    ------
    ValueError
        If a field is missing, unknown, or of another type, or if a number is not finite.

    Examples
    --------
    >>> @dataclasses.dataclass
    ... class Point:
    ...     name: str
    ...     at: tuple[float, ...]
    >>> make(Point, {"name": "a", "at": [1, 2.5]})
    Point(name='a', at=(1.0, 2.5))
    >>> make(Point, {"name": "a", "at": ["x"]})
    Traceback (most recent call last):
        ...
    ValueError: at of Point is ['x'], not tuple[float, ...]
    """
    if not isinstance(record, dict):
        raise ValueError(f"a {cls.__name__} is {record!r:.80}, not a record")
    hints = typing.get_type_hints(cls)
    fields = {field.name: hints[field.name] for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(map(str, record)) - fields.keys()):
        raise ValueError(f"a {cls.__name__} has the unknown field {unknown[0]!r:.80}")
    values = {}
    for name, value in record.items():
        kind = fields[name]
        try:
            values[name] = _read(value, kind)
        except TypeError:
            wanted = kind.__name__ if isinstance(kind, type) else str(kind)
            raise ValueError(f"{name} of {cls.__name__} is {value!r:.80}, not {wanted}") from None
    try:
        return cls(**values)
    except TypeError as error:  # a field is missing
        raise ValueError(str(error)) from None


def _read(value: Any, kind: Any) -> Any:
    """Return a value as the kind that an annotation says, or raise TypeError."""
    origin, of = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        if isinstance(value, str):
            return _read(value, str)
        return value if value is None or isinstance(value, bool) else _number(value)
    if kind is float:
        return float(_number(value))
    if origin in (types.UnionType, typing.Union):
        for one in of:
            with contextlib.suppress(TypeError):
                return _read(value, one)
        raise TypeError
    if origin in (tuple, list) and isinstance(value, list | tuple):
        kinds = of[:1] * len(value) if origin is list or of[-1] is Ellipsis else of
        if len(kinds) != len(value):
            raise TypeError
        return origin(map(_read, value, kinds))
    if origin in (dict, collections.abc.Mapping) and isinstance(value, dict):
        return {_read(name, of[0]): _read(one, of[1]) for name, one in value.items()}
    if type(value) is not kind or (kind is str and not _is_text(value)):
        raise TypeError
    return value


def _is_text(value: str) -> bool:
    """Return whether a text can be written: JSON can name halves of characters."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(value: Any) -> Any:
    # larger whole numbers are none that a float can be, and NumPy would make objects of them
    if (type(value) is int and abs(value) <= 2**53) or (
        type(value) is float and math.isfinite(value)
    ):
        return value
    raise TypeError
