"""Functions that have a name: equal, pickled and saved by it, unless a user defined them."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Container
from typing import Any

from chainrule.errors import InputError


class Named:
    """Base of what a module defines by name and its ``get`` finds again.

    The functions inside cannot be pickled or compared, so the name stands for them; those of
    a user, with ``own`` true, are equal to themselves only.
    """

    name: str
    own: bool

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return self is other or (not self.own and not other.own and self.name == other.name)

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> Any:
        if self.own:
            return super().__reduce__()
        return (sys.modules[type(self).__module__].get, (self.name,))


def parameter_of(name: Any, families: Container[str]) -> tuple[str, float] | None:
    """Return family and parameter of a name such as ``"huber(2)"``, None for other names.

    Raises
    ------
    InputError
        If the parameter of a known family is not a positive number.

    Examples
    --------
    >>> parameter_of("elu(0.5)", ["elu"]), parameter_of("relu", ["elu"])
    (('elu', 0.5), None)
    """
    match = re.fullmatch(r"(\w+)\((.+)\)", str(name))
    if not match or match[1] not in families:
        return None
    try:
        value = float(match[2])
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise InputError(
            f"{match[1]} takes one positive number in parentheses, such as '{match[1]}(0.5)', but "
            f"got {name!r}"
        )
    return match[1], value


def family_of(named: Named) -> tuple[str, float | None]:
    """Return the name without its parameter, and the parameter: None for the default.

    Examples
    --------
    >>> from chainrule import activations
    >>> family_of(activations.get("leaky_relu(0.2)")), family_of(activations.get("tanh"))
    (('leaky_relu', 0.2), ('tanh', None))
    """
    name, _, parameter = named.name.partition("(")
    return name, float(parameter.rstrip(")")) if parameter else None
