"""Formulas and matrices as blocks of text that stand beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.numerics import Array
from chainrule.tracing import cells, formulas
from chainrule.tracing.formulas import Atom, Fraction, Group, Node, Row, Script, Values
from chainrule.tracing.spelling import UNICODE, Spelling

Run = tuple[str, str]
"""Text and its style: an attribute of the notation, ``"title"``, ``"dim"``, or ``""``."""
Line = list[Run]


@dataclass
class Block:
    """A rectangle of text; its axis is the line that stands level with its neighbours."""

    lines: list[Line]
    axis: int = 0

    @property
    def width(self) -> int:
        """The number of characters of the longest line."""
        return max(map(length, self.lines))


def length(line: Line) -> int:
    """Return the number of characters of a line."""
    return sum(len(text) for text, _ in line)


def beside(blocks: Sequence[Block]) -> Block:
    """Return blocks beside each other, their axes level."""
    above = max(block.axis for block in blocks)
    below = max(len(block.lines) - block.axis for block in blocks)
    lines: list[Line] = [[] for _ in range(above + below)]
    for block in blocks:
        width, start = block.width, above - block.axis
        for i, line in enumerate(lines):
            inside = start <= i < start + len(block.lines)
            part = block.lines[i - start] if inside else []
            line += [*part, (" " * (width - length(part)), "")]
    return Block(lines, above)


def matrix(
    value: Array, style: str = "", most: int = cells.MOST, spelling: Spelling = UNICODE
) -> Block:
    """Return a matrix in brackets, of which at most so many columns are shown."""
    shown = cells.cells(value, most)
    vertical, horizontal, diagonal = spelling.dots
    middle = [i for i, row in enumerate(shown) if all(cell is None for cell in row)]
    columns = []
    for j in range(len(shown[0])):
        texts = [cell.text if (cell := row[j]) else "" for row in shown]
        if not any(texts):
            columns.append([diagonal if i in middle else horizontal for i in range(len(shown))])
            continue
        column = cells.aligned([text for text in texts if text])
        rest = iter(column)
        columns.append([next(rest) if text else vertical.center(len(column[0])) for text in texts])
    rows = ["  ".join(entries) for entries in zip(*columns, strict=True)]
    left, right = ("[", "]") if len(rows) == 1 else (_tall(b, len(rows)) for b in spelling.brackets)
    lines: list[Line] = [
        [(start, "dim"), (row, style), (end, "dim")]
        for start, row, end in zip(left, rows, right, strict=True)
    ]
    return Block(lines, (len(lines) - 1) // 2)


def _tall(pieces: str, n: int) -> str:
    """Return a bracket of n lines, from its pieces at the top, between, and at the bottom."""
    return pieces[0] + pieces[1] * (n - 2) + pieces[2]


def formula(
    node: Node,
    values: Values | None = None,
    most: int = cells.MOST,
    spelling: Spelling = UNICODE,
) -> Block:
    """Return a formula, with matrices for what is known in numbers."""
    row = node if isinstance(node, Row) else Row((node,))
    blocks: list[Block] = []
    i = 0
    while i < len(row.parts):
        size, value = formulas.known(row, i, values or {})
        part = row.parts[i]
        if i and _space_between(row.parts[i - 1], part):
            blocks.append(word(" "))
        if value is not None:
            style = "sigma_prime" if size == 2 else formulas.attribute_of(part)
            blocks.append(matrix(value, style, most, spelling))
        else:
            blocks.append(_part(part, values, most, spelling))
        i += size
    return beside(blocks)


def _space_between(left: Node, right: Node) -> bool:
    tight = {r"\partial", ",", "/"}
    if (isinstance(left, Atom) and left.token in tight) or right == Atom(","):
        return False
    applied = left.base if isinstance(left, Script) else left
    functions = (Atom(r"\sigma"), Atom(r"\phi"), Atom(r"\dot{\phi}"), Atom("c"))
    if isinstance(right, Group) and applied in functions:
        return False
    return not (isinstance(left, Atom) and left.token.isdigit() and isinstance(right, Atom))


def _part(part: Node, values: Values | None, most: int, spelling: Spelling) -> Block:
    if isinstance(part, Atom):
        return word(spelling.letter(part.token), formulas.attribute_of(part))
    if isinstance(part, Script):
        marks = (
            spelling.above(formulas.plain(part.above, spelling.letters))
            + spelling.below(formulas.plain(part.below, spelling.letters))
            + "'" * part.prime
        )
        base = formula(part.base, values, most, spelling)
        style = "" if isinstance(part.base, Group) else formulas.attribute_of(part)
        return beside([base, word(marks, style)])
    if isinstance(part, Fraction):
        above, below = (formula(side, spelling=spelling) for side in (part.above, part.below))
        if isinstance(part.below, Row) and part.below.parts[0] != Atom(r"\partial"):
            below = beside([word("("), below, word(")")])
        return beside([above, word("/"), below])
    if isinstance(part, Group):
        inside = formula(part.inside, values, most, spelling)
        if formulas.quantity(part.inside) in (values or {}):
            return inside  # its own brackets suffice
        n = len(inside.lines)
        left, right = ("(", ")") if n == 1 else (_tall(p, n) for p in spelling.parentheses)
        return beside([_column(left, inside.axis), inside, _column(right, inside.axis)])
    return formula(part, values, most, spelling)


def _column(text: str, axis: int) -> Block:
    style = "dim" if len(text) > 1 else ""
    return Block([[(piece, style)] for piece in text], axis)


def word(text: str, style: str = "") -> Block:
    """Return one line of text."""
    return Block([[(text, style)]])
