"""Exceptions that say what was wanted, what came, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class ChainruleError(Exception):
    """Base of every exception that chainrule raises on purpose."""


class InputError(ChainruleError, ValueError):
    """An argument, an array or a table is not what was asked for."""


class NotWrittenError(InputError):
    """A file cannot be written; what was there before is unchanged."""


class DivergenceError(ChainruleError, ArithmeticError, ValueError):
    """Training produced a loss that is not a finite number.

    A ValueError too, because that is what scikit-learn's perceptrons raise then.
    """

    history: Any = None
    """The `History` of the epochs that were completed."""


class FileFormatError(ChainruleError, ValueError):
    """A file is damaged, or is not what its name says, or is too new."""


class VerificationError(ChainruleError):
    """Another tool predicts something else with what was to be written, which is not left."""


class MissingExtraError(ChainruleError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str | None, purpose: str) -> None:
        remedy = f"'chainrule[{extra}]' (or {package} alone)" if extra else package
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install {remedy}")


def closest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name most like `name`, or ``""``.

    >>> closest("adm", ["adam", "sgd"])
    "; did you mean 'adam'?"
    >>> closest("zzz", ["adam", "sgd"])
    ''
    """
    match = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {match[0]!r}?" if match else ""


def listing(items: Sequence[str], most: int = 6) -> str:
    """Return the items separated by commas, the middle left out when there are many.

    >>> listing(["a", "b", "c"])
    'a, b, c'
    >>> listing([str(i) for i in range(30)], most=3)
    '0, 1, ..., 29'
    """
    if len(items) <= most:
        return ", ".join(items)
    return ", ".join([*items[: most - 1], "...", items[-1]])


def require_choice(what: str, name: object, known: Iterable[str]) -> str:
    """Return `name` if it is one of the known names.

    Raises
    ------
    InputError
        Naming the closest match and all that there are.
    """
    known = list(known)
    if isinstance(name, str) and name in known:
        return name
    hint = closest(name, known) if isinstance(name, str) else ""
    raise InputError(f"{what} {name!r} is not known{hint} (known: {', '.join(known)})")
