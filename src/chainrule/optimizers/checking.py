"""That every number of an optimizer is in its range."""

from __future__ import annotations

from dataclasses import fields
from numbers import Real
from typing import Any

import numpy as np

from chainrule.errors import InputError

_FRACTIONS = ("beta1", "beta2", "momentum", "decay")


def require_numbers_in_range(optimizer: Any) -> None:
    """Look at every field of a dataclass that is neither a flag nor None.

    Raises
    ------
    InputError
        Naming the first that is no number, or not in its range.
    """
    for item in fields(optimizer):
        value = getattr(optimizer, item.name)
        if value is None or isinstance(item.default, bool):
            continue
        high = 1 if item.name in _FRACTIONS else np.inf
        closed = item.name == "momentum"  # at 1 nothing slows it, which still is a method
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not (number and (0 <= float(value) < high or (closed and value == high))):
            raise InputError(
                f"{item.name} of {type(optimizer).__name__} must be a number in [0, {high}"
                f"{']' if closed else ')'}, but is {value!r}"
            )
