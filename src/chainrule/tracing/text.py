"""A trace for a terminal: formulas in one line, matrices in brackets, colours by symbol."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chainrule import notation
from chainrule.numerics import Array
from chainrule.tracing import cells, formulas, layout, statements
from chainrule.tracing.formulas import Node, Values
from chainrule.tracing.layout import Block, Line, beside, length, word
from chainrule.tracing.spelling import UNICODE, Spelling

if TYPE_CHECKING:
    from chainrule.tracing.traces import Trace
    from chainrule.tracing.weight import Path, WeightPaths

_INDENT = 9
_COLUMNS = (cells.MOST, 3, 2, 1)
"""Of a matrix: as many as there is room for."""


def plain(lines: Iterable[Line]) -> str:
    """Return lines as text without colours."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def wrapped(text: str, width: int, style: str = "", indent: int = 0) -> list[Line]:
    """Return a text as lines."""
    space = " " * indent
    return [
        [(space + line, style)]
        for line in textwrap.wrap(text, max(width - indent, 20), break_on_hyphens=False)
    ]


def headline(trace: Trace) -> str:
    """Return the sentence that says which network it is."""
    sizes = "-".join(map(str, trace.layer_sizes))
    about = f"({', '.join(trace.activations)}), loss {trace.loss_name}"
    return f"{sizes} {about}, {statements.samples(trace)}"


@dataclass(frozen=True)
class Printer:
    """Lines for a terminal.

    Parameters
    ----------
    width : int, default 100
        The columns there are: matrices that take more are abbreviated.
    spelling : Spelling, default `UNICODE`
        The characters that the terminal has.
    """

    width: int = 100
    spelling: Spelling = UNICODE

    def trace(self, trace: Trace) -> Iterator[Line]:
        """Yield the lines of a trace, as they are made."""
        yield from self._head(trace)
        known = statements.values(trace)
        for title, steps in statements.passes(trace):
            yield from [[], [(title, "title")]]
            for statement in steps:
                yield from self._statement(statement, known)
        total = trace.multiplications
        forward = sum(step.multiplications for step in trace.steps if step.forward)
        counted = f"{total:,} multiplications: {forward:,} forward, {total - forward:,} backward"
        yield from [[], *wrapped(counted, self.width, "dim")]

    def weight(self, found: WeightPaths, most: int = 12) -> Iterator[Line]:
        """Yield the lines on one weight: its paths to the cost, and what they sum to.

        Parameters
        ----------
        found : WeightPaths
            From `follow`.
        most : int, default 12
            The number of paths that are listed; the sum is over all of them.
        """
        by = self._spelled(rf"\frac{{\partial C}}{{\partial {found.latex}}}")
        yield from self._broken([
            ("The weight ", "title"), *self._spelled(found.latex),
            (f" from unit {found.k} of layer {found.L - 1} ", ""),
            (f"to unit {found.j} of layer {found.L}", ""),
        ])  # fmt: skip
        yield from [[(found.counted, "")], []]
        for i, path in enumerate((found.paths or ())[:most]):
            yield from self._path(path, found, in_full=i == 0)
        if found.paths is None:
            too_many = "too many to list; the backward pass sums over all of them at once:"
            yield from wrapped(too_many, self.width, "note")
        elif len(found.paths) > most:
            yield [(f"  ... and {len(found.paths) - most:,} more", "dim")]
        yield []
        if found.total is not None:
            yield [(f"  {'sum':<8}", "title"), (found.spelled(found.total), "grad_W")]
        for number, value in found.gradients.items():
            yield [(f"  ({number})    ", "number"), *by, (f" = {found.spelled(value)}", "grad_W")]

    def _path(self, path: Path, found: WeightPaths, in_full: bool) -> Iterator[Line]:
        arrow = self._sign(r"\leftarrow")
        way: Line = [("  C", "C")]
        for M, unit in zip(range(found.L + len(path.units) - 1, 0, -1), path.units, strict=False):
            way += [arrow, *self._spelled(rf"\phi^{{{M}}}_{{{unit}}}")]
        yield from self._broken([*way, arrow, *self._spelled(found.latex)], 4)
        if in_full:
            derivatives = self._product(factor.derivative for factor in path.factors)
            yield from self._broken([("    ", ""), *derivatives], 4)
            symbols = self._product(factor.latex for factor in path.factors)
            yield from self._broken([("  = ", ""), *symbols], 4)
        blocks = [word("  = ")]
        for i, factor in enumerate(path.factors):
            times = word(*self._sign(r"\cdot"))
            blocks += [*([times] if i else []), self._samples(factor.value)]
        numbers = beside([*blocks, word(" = "), self._samples(path.product, "grad_W")])
        yield from self._broken(numbers.lines[0], 4)

    def _sign(self, command: str) -> tuple[str, str]:
        return f" {self.spelling.letter(command)} ", "dim"

    def _product(self, factors: Iterable[str]) -> Line:
        line: Line = []
        for factor in factors:
            line += [*([self._sign(r"\cdot")] if line else []), *self._spelled(factor)]
        return line

    def _samples(self, value: Array, style: str = "") -> Block:
        """Return the numbers of the samples; a single one without brackets."""
        if np.size(value) == 1:
            return word(cells.number(value.item()), style)
        rows = [self._matrix(value[None, :], style, most) for most in _COLUMNS]
        return next((row for row in rows if row.width + 8 <= self.width), rows[-1])

    def _head(self, trace: Trace) -> Iterator[Line]:
        first, *rest = wrapped(headline(trace), self.width)
        sizes, _, about = first[0][0].partition(" ")
        yield from [[(sizes, "title"), (f" {about}", "")], *rest, []]
        what = "Three forms of one derivative, and the multiplications of each backward pass"
        yield from wrapped(what, self.width, "dim")
        for form, sentence in notation.FORMS.items():
            count = trace.backward_multiplications[form]
            style = "title" if form == trace.form else "dim"
            name = f"{'>' if form == trace.form else ' '} {form:<7}"
            text = cells.count(count)
            for i, line in enumerate(textwrap.wrap(sentence, max(self.width - 20, 20))):
                start = f"{name}{text:>10} " if i == 0 else " " * 20
                yield [(start, style), (line, "dim")]

    def _statement(self, statement: statements.Statement, known: Values) -> Iterator[Line]:
        number = f"({statement.number})" if statement.number else ""
        tree = formulas.parse(statement.latex)
        head = self._formula(tree).lines[0]
        lines = [*self._broken([(f"{number:<{_INDENT}}", "number"), *head], _INDENT + 4)]
        told = statement.shape
        if length(lines[-1]) + len(told) + 2 > self.width:
            lines.append([])
        if length(lines[-1]) + len(statement.meaning) + len(told) + 6 <= self.width:
            told = f"{statement.meaning}   {told}"
        gap = self.width - length(lines[-1]) - len(told)
        lines[-1] = [*lines[-1], (" " * gap + told, "dim")]
        yield from [[], *lines]
        block = self._worked(statement, known)
        # the = below that of the formula, where there is room
        indent = _INDENT + self._formula(formulas.sides(tree)[0]).width + 1
        indent = indent if indent + block.width <= self.width else _INDENT
        yield from ([(" " * indent, ""), *line] for line in block.lines)
        yield from wrapped(statement.note, self.width, "note", _INDENT)

    def _worked(self, statement: statements.Statement, known: Values) -> Block:
        """Return the numbers on the right side and the result, or less where there is no room."""
        symbol, value = statement.step.symbol, statement.step.value
        if symbol == "C":
            return beside([word("= "), word(cells.number(float(value)), symbol)])
        equals = word("= ")
        result, *shorter = (
            beside([equals, self._matrix(value, symbol, most)]) for most in _COLUMNS
        )
        beneath: list[Block] = []
        worked: list[Block] = []
        if statement.says_more(known):
            for most in _COLUMNS[:-1]:
                operands = beside([equals, self._formula(statement.right, known, most)])
                worked.append(beside([operands, word(" "), result]))
                beneath.append(Block([*operands.lines, *result.lines]))
        fitting = (
            block
            for block in (*worked, *beneath, result, *shorter)
            if block.width + _INDENT <= self.width
        )
        return next(fitting, shorter[-1])

    def _broken(self, line: Line, indent: int = 0) -> Iterator[Line]:
        """Yield a line as several where it is too long, broken between words."""
        part: Line = []
        words: Line = []
        for i, run in enumerate(line, 1):
            words.append(run)
            if not run[0].endswith(" ") and i < len(line):
                continue
            if part and length(part) + len(plain([words])) > self.width:
                yield part
                part = [(" " * indent, "")]
            part += words
            words = []
        yield part

    def _formula(self, node: Node, known: Values | None = None, most: int = cells.MOST) -> Block:
        return layout.formula(node, known, most, self.spelling)

    def _matrix(self, value: Array, style: str = "", most: int = cells.MOST) -> Block:
        return layout.matrix(value, style, most, self.spelling)

    def _spelled(self, latex: str) -> Line:
        return self._formula(formulas.parse(latex)).lines[0]
