"""A trace for a terminal: formulas in one line, matrices in brackets, colours by symbol."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from chainrule import notation
from chainrule.numerics import Array
from chainrule.tracing import cells, formulas, statements
from chainrule.tracing.formulas import Values
from chainrule.tracing.layout import (
    Block,
    Line,
    beside,
    formula,
    is_one_value,
    length,
    matrix,
    word,
)

if TYPE_CHECKING:
    from chainrule.tracing.traces import Trace
    from chainrule.tracing.weight import Path, WeightPaths

_INDENT = 9
_FEW = (3, 2)
"""The columns of a matrix where there is little room, and less."""


def plain(lines: Iterable[Line]) -> str:
    """Return lines as text without colours."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def pages(trace: Trace, width: int) -> Iterator[Line]:
    """Yield the lines of a trace, as they are made.

    Parameters
    ----------
    trace : Trace
        What is shown.
    width : int
        The columns there are: where matrices beside each other take more, the result stands alone.
    """
    yield from _head(trace, width)
    backward = False
    yield from [[], [("Forward pass", "title")]]
    known = statements.values(trace)
    for statement in statements.statements(trace):
        if not backward and statement.step.symbol not in ("phi", "rho", "C"):
            backward = True
            yield from [[], [("Backward pass", "title")]]
        yield from _statement(statement, known, width)
    forward = sum(s.multiplications for s in trace.steps if s.symbol in ("rho", "phi", "C"))
    total = trace.multiplications
    yield []
    yield [(f"{total:,} multiplications: {forward:,} forward, {total - forward:,} backward", "dim")]


def weight(found: WeightPaths, most: int = 12) -> Iterator[Line]:
    """Yield the lines on one weight: its paths to the cost, and what they sum to.

    Parameters
    ----------
    found : WeightPaths
        From `follow`.
    most : int, default 12
        The number of paths that are listed; the sum is over all of them.
    """
    name = formula(formulas.parse(found.latex)).lines[0]
    by = formula(formulas.parse(rf"\frac{{\partial C}}{{\partial {found.latex}}}")).lines[0]
    yield [("The weight ", "title"), *name, (
        f" from unit {found.k} of layer {found.L - 1} to unit {found.j} of layer {found.L}", ""
    )]  # fmt: skip
    s = "s" if found.n_paths != 1 else ""
    yield [(f"{found.n_paths:,} path{s} to the cost", "")]
    yield []
    for i, path in enumerate((found.paths or ())[:most]):
        yield from _path(path, found, in_full=i == 0)
    if found.paths is None:
        yield [("too many to list; the backward pass sums over all of them at once:", "note")]
    elif len(found.paths) > most:
        yield [(f"  ... and {len(found.paths) - most:,} more", "dim")]
    yield []
    if found.total is not None:
        yield [(f"  {'sum':<8}", "title"), (found.spelled(found.total), "grad_W")]
    for number, value in found.gradients.items():
        yield [(f"  ({number})    ", "number"), *by, (f" = {found.spelled(value)}", "grad_W")]


def _path(path: Path, found: WeightPaths, in_full: bool) -> Iterator[Line]:
    way: Line = [("  C", "C")]
    for M, unit in zip(range(found.L + len(path.units) - 1, 0, -1), path.units, strict=False):
        way += [(" \N{LEFTWARDS ARROW} ", "dim"), *_spelled(rf"\phi^{{{M}}}_{{{unit}}}")]
    yield [*way, (" \N{LEFTWARDS ARROW} ", "dim"), *_spelled(found.latex)]
    times = (" \N{DOT OPERATOR} ", "dim")
    if in_full:
        for what in ("derivative", "latex"):
            line: Line = [("    " if what == "derivative" else "  = ", "")]
            for i, factor in enumerate(path.factors):
                line += [*([times] if i else []), *_spelled(getattr(factor, what))]
            yield line
    blocks = [word("  = ")]
    for i, factor in enumerate(path.factors):
        blocks += [*([Block([[times]])] if i else []), _numbers(factor.value)]
    yield from beside([*blocks, word(" = "), _numbers(path.product, "grad_W")]).lines


def _numbers(value: Array, style: str = "") -> Block:
    """Return the numbers of the samples; a single one without brackets."""
    if np.size(value) == 1:
        return word(cells.number(value.item()), style)
    return matrix(value[None, :], style)


def _spelled(latex: str) -> Line:
    return formula(formulas.parse(latex)).lines[0]


def headline(trace: Trace) -> Line:
    """Return the line that says which network it is."""
    n = trace.n_samples
    samples = f"{n} samples, the columns of the matrices" if n > 1 else "1 sample"
    about = f" ({', '.join(trace.activations)}), loss {trace.loss_name}, {samples}"
    return [("-".join(map(str, trace.layer_sizes)), "title"), (about, "")]


def _head(trace: Trace, width: int) -> Iterator[Line]:
    yield headline(trace)
    yield []
    yield [("Three forms of one derivative, and the multiplications of each backward pass", "dim")]
    for form, sentence in notation.FORMS.items():
        style = "title" if form == trace.form else "dim"
        name = f"{'>' if form == trace.form else ' '} {form:<7}"
        text = cells.count(trace.backward_multiplications[form])
        for i, line in enumerate(textwrap.wrap(sentence, max(width - 20, 30))):
            start = f"{name}{text:>10} " if i == 0 else " " * 20
            yield [(start, style), (line, "dim")]


def _statement(statement: statements.Statement, known: Values, width: int) -> Iterator[Line]:
    number = f"({statement.number})" if statement.number else ""
    tree = formulas.parse(statement.latex)
    head = formula(tree).lines[0]
    told = statement.shape
    if len(statement.meaning) + len(told) + _INDENT + length(head) + 6 <= width:
        told = f"{statement.meaning}   {told}"
    gap = max(width - _INDENT - length(head) - len(told), 2)
    yield []
    yield [(f"{number:<{_INDENT}}", "number"), *head, (" " * gap + told, "dim")]
    symbol, value = statement.step.symbol, statement.step.value
    result = matrix(value, symbol) if symbol != "C" else word(cells.number(float(value)), symbol)
    block = beside([word("= "), result])
    if _has_operands(statement, known):
        for most in (cells.MOST, *_FEW):
            operands = formula(statement.right, known, most)
            whole = beside([word("= "), operands, word(" = "), result])
            if whole.width + _INDENT <= width:
                block = whole
                break
    # the = below that of the formula, where there is room
    indent = _INDENT + formula(formulas.sides(tree)[0]).width + 1
    indent = indent if indent + block.width <= width else _INDENT
    yield from ([(" " * indent, ""), *line] for line in block.lines)
    for line in textwrap.wrap(statement.note, max(width - _INDENT, 40)):
        yield [(" " * _INDENT + line, "note")]


def _has_operands(statement: statements.Statement, known: Values) -> bool:
    """Return whether numbers on the right side say more than the result."""
    if statement.step.symbol == "C":
        return False
    right = statement.right
    if is_one_value(right, known):
        return False
    block = formula(right, known)
    return any("[" in text or "\u23a1" in text for line in block.lines for text, _ in line)
