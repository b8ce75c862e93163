r"""A trace as a LaTeX document: `pdflatex` compiles it as it is, with amsmath alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from chainrule import notation
from chainrule.numerics import Array
from chainrule.tracing import cells, derivation, formulas, statements
from chainrule.tracing.formulas import Atom, Fraction, Group, Node, Script, Values

if TYPE_CHECKING:
    from chainrule.tracing.traces import Trace
    from chainrule.tracing.weight import WeightPaths

_MOST = 4
"""The most rows and columns of a matrix: a page is narrower than a screen."""
_WIDEST = 75
"""The most characters of numbers in one line."""
_MOST_PATHS = 12
_SYMBOL = 11
"""About as many characters as wide as a partial derivative or a symbol, and a bit."""
_PREAMBLE = r"""\documentclass{article}
\usepackage{amsmath}
\setlength{\textwidth}{17cm}
\setlength{\textheight}{24cm}
\setlength{\oddsidemargin}{-0.5cm}
\setlength{\topmargin}{-1.5cm}
\setlength{\parindent}{0pt}
\begin{document}
"""


def document(trace: Trace, weight: WeightPaths | None = None, told: str = "") -> str:
    """Return the document.

    Parameters
    ----------
    trace : Trace
        What is shown.
    weight : WeightPaths, optional
        A weight whose paths to the cost are shown too.
    told : str, optional
        Where the samples come from.
    """
    parts = [_PREAMBLE, *_head(trace, told)]
    known = statements.values(trace)
    for title, steps in statements.passes(trace):
        parts.append(f"\\section*{{{title}}}\n")
        parts += (_statement(statement, known) for statement in steps)
    if weight is not None:
        parts += _weight(weight)
    parts += _derivation()
    parts.append("\\end{document}\n")
    return "\n".join(parts)


def _head(trace: Trace, told: str) -> Iterator[str]:
    # with spaces, at which a long list of layers can be broken
    yield rf"\section*{{{' - '.join(map(str, trace.layer_sizes))}}}"
    yield (
        f"Activations {escape(', '.join(trace.activations))}; loss {escape(trace.loss_name)}; "
        f"{statements.samples(trace)}. Layers are counted from 1.\n"
    )
    if told:
        yield f"{escape(told[0].upper() + told[1:])}.\n"
    yield r"\begin{tabular}{lrp{11cm}} & multiplications & \\"
    for form, sentence in notation.FORMS.items():
        count = cells.count(trace.backward_multiplications[form])
        name = rf"\textbf{{{form}}}" if form == trace.form else form
        yield rf"{name} & {count} & {escape(sentence)} \\"
    yield "\\end{tabular}\n"


def _statement(statement: statements.Statement, known: Values) -> str:
    tag = rf" \tag{{{statement.number}}}" if statement.number else ""
    left, right = formulas.sides(formulas.parse(statement.latex))
    value = statement.step.value
    last = number(cells.number(float(value))) if statement.step.symbol == "C" else matrix(value)
    lines = [spelled(right)]
    if statement.says_more(known):
        operands = formulas.all_known(right, known)
        if sum(map(_characters, operands)) <= _WIDEST:
            lines.append(spelled(right, known))
    lines.append(last)
    chain = " \\\\\n  &= ".join(lines)
    note = f"{escape(statement.note)}\n" if statement.note else ""
    start = f"{spelled(left)} &= "
    return f"\\begin{{align*}}\n  {start}{chain}{tag}\n\\end{{align*}}\n{note}"


def _characters(value: Array) -> int:
    """Return about how many characters wide a matrix is."""
    columns = zip(*cells.cells(value, _MOST, _MOST), strict=True)
    return 2 + sum(2 + max(len(cell.text) if cell else 1 for cell in column) for column in columns)


def matrix(value: Array) -> str:
    """Return a matrix in brackets."""
    rows = []
    for row in cells.cells(value, _MOST, _MOST):
        if all(cell is None for cell in row):
            rows.append(" & ".join(r"\vdots" for _ in row))
            continue
        rows.append(" & ".join(r"\cdots" if cell is None else number(cell.text) for cell in row))
    return r"\begin{bmatrix} " + r" \\ ".join(rows) + r" \end{bmatrix}"


def number(text: str) -> str:
    r"""Return a number as mathematics.

    Examples
    --------
    >>> number("1.5e-05"), number("nan")
    ('1.5 \\cdot 10^{-5}', '\\text{nan}')
    """
    if "n" in text:
        return rf"\text{{{text}}}"
    mantissa, e, exponent = text.partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else text


def spelled(node: Node, known: Values | None = None) -> str:
    """Return a formula, with matrices for what is known in numbers."""
    if isinstance(node, Atom):
        return node.token
    if isinstance(node, Script):
        marks = "'" * node.prime
        if node.above:
            marks += f"^{{{spelled(node.above)}}}"
        if node.below:
            marks += f"_{{{spelled(node.below)}}}"
        return spelled(node.base, known) + marks
    if isinstance(node, Fraction):
        return rf"\frac{{{spelled(node.above)}}}{{{spelled(node.below)}}}"
    if isinstance(node, Group):
        inside = spelled(node.inside, known)
        if inside.startswith(r"\begin{bmatrix}") and inside.count(r"\begin") == 1:
            return inside
        return rf"\left( {inside} \right)"
    parts, i = [], 0
    while i < len(node.parts):
        size, value = formulas.known(node, i, known or {})
        parts.append(matrix(value) if value is not None else spelled(node.parts[i], known))
        i += size
    return " ".join(parts)


def _weight(found: WeightPaths) -> Iterator[str]:
    yield (
        rf"\section*{{The weight ${found.latex}$}}"
        f"\n{found.counted}. Units are counted from 1.\n"
    )
    for path in (found.paths or ())[:_MOST_PATHS]:
        derivatives = _broken([(f.derivative, _SYMBOL) for f in path.factors], " ")
        symbols = _broken([(f.latex, _SYMBOL) for f in path.factors])
        numbers = _broken([(_samples(f.value), _characters(f.value[None])) for f in path.factors])
        yield (
            f"\\begin{{align*}}\n  & {derivatives} \\\\\n  &= {symbols} \\\\\n  &= {numbers} \\\\\n"
            f"  &= {_samples(path.product, alone=True)}\n\\end{{align*}}"
        )
    if found.paths and len(found.paths) > _MOST_PATHS:
        yield f"And {len(found.paths) - _MOST_PATHS:,} more.\n"
    yield r"\begin{align*}"
    if found.total is not None:
        yield rf"  \text{{sum over all paths}} &= {number(found.spelled(found.total))} \\"
    by = rf"\frac{{\partial C}}{{\partial {found.latex}}}"
    yield " \\\\\n".join(
        rf"  {by} \text{{ by {name}}} &= {number(found.spelled(value))}"
        for name, value in found.gradients.items()
    )
    yield "\\end{align*}\n"


def _broken(factors: Sequence[tuple[str, int]], times: str = r" \cdot ") -> str:
    """Return a product of factors, each with its width, in several lines where it is long."""
    lines: list[list[str]] = [[]]
    room = _WIDEST
    for factor, width in factors:
        room -= width
        if room < 0 and lines[-1]:
            lines.append([])
            room = _WIDEST - width
        lines[-1].append(factor)
    return f" \\\\\n  &\\quad{times}".join(map(times.join, lines))


def _samples(value: Array, alone: bool = False) -> str:
    if np.size(value) == 1:
        text = number(cells.number(value.item()))
        return rf"\left({text}\right)" if text.startswith("-") and not alone else text
    return matrix(value[None, :])


def _derivation() -> Iterator[str]:
    yield "\\newpage\n\\section*{The derivation}\n"
    for part in derivation.PARTS:
        yield rf"\subsection*{{{escape(part.title)}}}"
        yield escape(part.text)
        for equation in part.equations:
            tag = rf" \tag{{{equation.number}}}" if equation.number else ""
            chain = " \\\\\n  &= ".join(equation.right)
            yield f"\\begin{{align*}}\n  {equation.left} &= {chain}{tag}\n\\end{{align*}}"


def escape(text: str) -> str:
    r"""Return text with what LaTeX would take for commands spelled out.

    Examples
    --------
    >>> escape("squared_error, 100%, phi^l, \u03bb")
    'squared\\_error, 100\\%, phi\\textasciicircum{}l, [U+03BB]'
    """
    return "".join(map(_escaped, text))


_SPELLED_OUT = {
    "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def _escaped(character: str) -> str:
    if character in "_%&#${}":
        return "\\" + character
    if character.isascii():
        return _SPELLED_OUT.get(character, character)
    # its fonts have few others, and it stops at what they lack
    return f"[U+{ord(character):04X}]"
