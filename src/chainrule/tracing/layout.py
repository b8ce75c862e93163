"""Formulas and matrices as blocks of text that stand beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule import notation
from chainrule.numerics import Array
from chainrule.tracing import cells, formulas
from chainrule.tracing.formulas import Atom, Fraction, Group, Node, Row, Script, Values

Run = tuple[str, str]
"""Text and its style: an attribute of the notation, ``"title"``, ``"dim"``, or ``""``."""
Line = list[Run]

# What has a raised or lowered form of its own; other letters follow ^ or _.
_HIGH = dict(
    zip(
        "0123456789T",
        "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u1d40",
        strict=True,
    )
)
_LOW = dict(
    zip(
        "0123456789aehijklmnoprstuvx",
        "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089"
        "\u2090\u2091\u2095\u1d62\u2c7c\u2096\u2097\u2098\u2099\u2092\u209a\u1d63\u209b\u209c"
        "\u1d64\u1d65\u2093",
        strict=True,
    )
)
_DOTS = (
    "\N{VERTICAL ELLIPSIS}",
    "\N{MIDLINE HORIZONTAL ELLIPSIS}",
    "\N{DOWN RIGHT DIAGONAL ELLIPSIS}",
)


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


def matrix(value: Array, style: str = "", most: int = cells.MOST) -> Block:
    """Return a matrix in brackets, of which at most so many columns are shown."""
    shown = cells.cells(value, most)
    vertical, horizontal, diagonal = _DOTS
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
    lines: list[Line] = [
        [(left, "dim"), (row, style), (right, "dim")]
        for (left, right), row in zip(_brackets(len(rows)), rows, strict=True)
    ]
    return Block(lines, (len(lines) - 1) // 2)


def _brackets(n: int) -> list[tuple[str, str]]:
    if n == 1:
        return [("[", "]")]
    return [("\u23a1", "\u23a4"), *[("\u23a2", "\u23a5")] * (n - 2), ("\u23a3", "\u23a6")]


def formula(node: Node, values: Values | None = None, most: int = cells.MOST) -> Block:
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
            style = formulas.attribute_of(part)
            blocks.append(matrix(value, "sigma_prime" if size == 2 else style, most))
        else:
            blocks.append(_part(part, values, most))
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


def _part(part: Node, values: Values | None, most: int) -> Block:
    if isinstance(part, Atom):
        return word(notation.UNICODE.get(part.token, part.token), formulas.attribute_of(part))
    if isinstance(part, Script):
        marks = _high(part.above) + _low(part.below) + "'" * part.prime
        base = formula(part.base, values, most)
        if isinstance(part.base, Group):
            return beside([base, Block([[(marks, "")]])])
        return beside([base, word(marks, formulas.attribute_of(part))])
    if isinstance(part, Fraction):
        above, below = formula(part.above), formula(part.below)
        if isinstance(part.below, Row) and part.below.parts[0] != Atom(r"\partial"):
            below = beside([word("("), below, word(")")])
        return beside([above, word("/"), below])
    if isinstance(part, Group):
        inside = formula(part.inside, values, most)
        if is_one_value(part.inside, values):
            return inside  # its own brackets suffice
        left, right = ("(", ")")
        if len(inside.lines) == 1:
            return beside([word(left), inside, word(right)])
        return beside(
            [_tall("\u239b\u239c\u239d", inside), inside, _tall("\u239e\u239f\u23a0", inside)]
        )
    return formula(part, values, most)


def is_one_value(node: Node, values: Values | None) -> bool:
    """Return whether a formula is one quantity that is known in numbers."""
    place = formulas.quantity(node)
    return bool(values) and place in (values or {})


def _tall(pieces: str, beside_it: Block) -> Block:
    top, middle, bottom = tuple(pieces)
    n = len(beside_it.lines)
    column = [top, *[middle] * (n - 2), bottom]
    return Block([[(piece, "dim")] for piece in column], beside_it.axis)


def word(text: str, style: str = "") -> Block:
    """Return one line of text."""
    return Block([[(text, style)]])


def _high(node: Node | None) -> str:
    return _marks("^", formulas.plain(node), _HIGH)


def _low(node: Node | None) -> str:
    return _marks("_", formulas.plain(node).replace(",", ""), _LOW)


def _marks(sign: str, text: str, letters: dict[str, str]) -> str:
    if all(letter in letters for letter in text):
        return "".join(letters[letter] for letter in text)
    return sign + text
