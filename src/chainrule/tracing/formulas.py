r"""Formulas: the few commands of LaTeX that the derivation needs, as a tree.

A formula is written once, in LaTeX, and shown in a terminal, in a browser and in LaTeX; each
of these walks the tree that `parse` returns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chainrule import notation
from chainrule.numerics import Array

Values = Mapping[tuple[str, int], Array]
"""What is known in numbers, by attribute of `chainrule.notation` and L."""

_TOKEN = re.compile(r"\s*(\\(?:left|right)\s*[()]|\\[A-Za-z]+|[A-Za-z]|\d+|\S)")
_BY_LATEX = {s.latex: s.attribute for s in notation.SYMBOLS.values()} | {"X": "phi", "y": "Y"}


@dataclass(frozen=True)
class Atom:
    """A letter, number, operator or command."""

    token: str


@dataclass(frozen=True)
class Row:
    """Parts one after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Script:
    """A base with what stands above and below it."""

    base: Node
    above: Node | None = None
    below: Node | None = None
    prime: int = 0
    """How many."""


@dataclass(frozen=True)
class Fraction:
    r"""``\frac{above}{below}``."""

    above: Node
    below: Node


@dataclass(frozen=True)
class Group:
    """Something in parentheses."""

    inside: Node


Node = Atom | Row | Script | Fraction | Group


def parse(latex: str) -> Row:
    r"""Return the tree of a formula.

    Parameters
    ----------
    latex : str
        Letters, numbers, operators, commands, ``^``, ``_``, ``'``, ``\frac``, ``\dot`` over one
        letter, and parentheses, which may have ``\left`` and ``\right``.

    Examples
    --------
    >>> [type(part).__name__ for part in parse(r"\phi^{2} = \frac{1}{n} y").parts]
    ['Script', 'Atom', 'Fraction', 'Atom']
    """
    tokens = [re.sub(r"\\(left|right)\s*", "", token) for token in _TOKEN.findall(latex)]
    tokens.reverse()
    row = _row(tokens)
    assert not tokens, latex
    return row


def _row(tokens: list[str]) -> Row:
    parts: list[Node] = []
    while tokens and tokens[-1] not in "})":
        parts.append(_scripted(tokens))
    return Row(tuple(parts))


def _scripted(tokens: list[str]) -> Node:
    base = _single(tokens)
    above = below = None
    prime = 0
    while tokens and tokens[-1] in "^_'":
        mark = tokens.pop()
        if mark == "'":
            prime += 1
        elif mark == "^":
            above = _single(tokens)
        else:
            below = _single(tokens)
    return Script(base, above, below, prime) if above or below or prime else base


def _single(tokens: list[str]) -> Node:
    token = tokens.pop()
    if token in "{(":
        inside = _row(tokens)
        tokens.pop()  # the bracket that closes it
        if token == "(":
            return Group(inside)
        return inside.parts[0] if len(inside.parts) == 1 else inside
    if token == r"\frac":
        return Fraction(_single(tokens), _single(tokens))
    if token == r"\dot":
        letter = _single(tokens)
        assert isinstance(letter, Atom), letter
        return Atom(rf"\dot{{{letter.token}}}")
    return Atom(token)


def at(latex: str, L: int, l: int) -> str:
    """Return a formula for layer L of a network of l layers.

    Examples
    --------
    >>> at("W^{L} W^{L-1} W^{L+1} W^{l}", 2, 5)
    'W^{2} W^{1} W^{3} W^{5}'
    """
    numbers = {"{L}": L, "{L-1}": L - 1, "{L+1}": L + 1, "{l}": l}
    for name, number in numbers.items():
        latex = latex.replace(name, f"{{{number}}}")
    return latex


def quantity(node: Node) -> tuple[str, int] | None:
    """Return attribute and L of a whole quantity, such as phi^2; None for anything else."""
    if isinstance(node, Row) and len(node.parts) == 1:
        return quantity(node.parts[0])
    if isinstance(node, Atom) and node.token in ("X", "y"):
        return _BY_LATEX[node.token], 0
    if not (isinstance(node, Script) and isinstance(node.base, Atom)) or node.below or node.prime:
        return None
    layer, attribute = plain(node.above), _BY_LATEX.get(node.base.token)
    return (attribute, int(layer)) if attribute and layer.isdigit() else None


def attribute_of(node: Node) -> str:
    """Return the attribute of the symbol that a node is about, for its colour; or ``""``."""
    if isinstance(node, Script):
        return attribute_of(node.base)
    # a dot has the colour of what it is the dot of
    return _BY_LATEX.get(node.token, "").removeprefix("dot.") if isinstance(node, Atom) else ""


def plain(node: Node | None, letters: Mapping[str, str] = notation.UNICODE) -> str:
    r"""Return the letters of a row without scripts and fractions, such as an index.

    Examples
    --------
    >>> plain(parse(r"a,b,\ldots,f"))
    'a,b,…,f'
    """
    if isinstance(node, Row):
        return "".join(plain(part, letters) for part in node.parts)
    return letters.get(node.token, node.token) if isinstance(node, Atom) else ""


def known(row: Row, i: int, values: Values) -> tuple[int, Array | None]:
    """Return how many parts of a row, from the i-th, are one known value; and that value.

    sigma_v' applied to rho^L is a value of its own, though it is two parts.
    """
    part = row.parts[i]
    after: Any = row.parts[i + 1] if i + 1 < len(row.parts) else None
    if isinstance(part, Script) and part.prime and isinstance(after, Group):
        argument = quantity(after.inside)
        if argument and ("sigma_prime", argument[1]) in values:
            return 2, values["sigma_prime", argument[1]]
    place = quantity(part)
    return 1, values.get(place) if place else None


def all_known(node: Node, values: Values) -> list[Array]:
    """Return every known value in a formula, in the order in which they are written."""
    if isinstance(node, Row):
        found, i = [], 0
        while i < len(node.parts):
            size, value = known(node, i, values)
            found += all_known(node.parts[i], values) if value is None else [value]
            i += size
        return found
    if isinstance(node, Group):
        return all_known(node.inside, values)
    return all_known(node.base, values) if isinstance(node, Script) else []


def sides(row: Row) -> tuple[Row, Row]:
    """Return what is left and right of the last ``=``."""
    i = max(i for i, part in enumerate(row.parts) if part == Atom("="))
    return Row(row.parts[:i]), Row(row.parts[i + 1 :])
