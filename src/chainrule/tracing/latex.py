r"""A trace as a LaTeX document: `pdflatex` compiles it as it is, with amsmath alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from chainrule import notation
from chainrule.numerics import Array
from chainrule.tracing import cells, derivation, formulas, statements
from chainrule.tracing.formulas import Atom, Fraction, Group, Node, Row, Script, Values

if TYPE_CHECKING:
    from chainrule.tracing.traces import Trace
    from chainrule.tracing.weight import WeightPaths

_MOST = 4
"""The most rows and columns of a matrix: a page is narrower than a screen."""
_WIDEST = 12
"""The most columns of numbers in one line."""
_PREAMBLE = r"""\documentclass{article}
\usepackage{amsmath}
\setlength{\textwidth}{17cm}
\setlength{\textheight}{24cm}
\setlength{\oddsidemargin}{-0.5cm}
\setlength{\topmargin}{-1.5cm}
\setlength{\parindent}{0pt}
\begin{document}
"""


def document(trace: Trace, weight: WeightPaths | None = None) -> str:
    """Return the document; with a weight, its paths to the cost too."""
    parts = [_PREAMBLE, *_head(trace)]
    known = statements.values(trace)
    parts.append("\\section*{Forward pass}\n")
    backward = False
    for statement in statements.statements(trace):
        if not backward and statement.step.symbol not in ("phi", "rho", "C"):
            backward = True
            parts.append("\\section*{Backward pass}\n")
        parts.append(_statement(statement, known))
    if weight is not None:
        parts += _weight(weight)
    parts += _derivation()
    parts.append("\\end{document}\n")
    return "\n".join(parts)


def _head(trace: Trace) -> Iterator[str]:
    yield rf"\section*{{{'-'.join(map(str, trace.layer_sizes))}}}"
    s = "s, the columns of the matrices" if trace.n_samples > 1 else ""
    yield (
        f"Activations {escape(', '.join(trace.activations))}; loss {escape(trace.loss_name)}; "
        f"{trace.n_samples} sample{s}. Layers are counted from 1.\n"
    )
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
    if statement.step.symbol != "C" and _columns(right, known) + _width(value) <= _WIDEST:
        worked = spelled(right, known)
        if worked not in (lines[0], last):
            lines.append(worked)
    lines.append(last)
    chain = " \\\\\n  &= ".join(lines)
    note = f"{escape(statement.note)}\n" if statement.note else ""
    start = f"{spelled(left)} &= "
    return f"\\begin{{align*}}\n  {start}{chain}{tag}\n\\end{{align*}}\n{note}"


def _width(value: Array) -> int:
    return len(cells.shown(cells.as_matrix(value).shape[1], _MOST))


def _columns(node: Node, known: Values) -> int:
    """Return how many columns of numbers stand beside each other in a formula."""
    if isinstance(node, Row):
        total, i = 0, 0
        while i < len(node.parts):
            size, value = formulas.known(node, i, known)
            total += _width(value) if value is not None else _columns(node.parts[i], known)
            i += size
        return total
    if isinstance(node, Group):
        return _columns(node.inside, known)
    return _columns(node.base, known) if isinstance(node, Script) else 0


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
        marks = "'" if node.prime else ""
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
        f"\n{found.n_paths:,} paths lead from it to the cost. Units are counted from 1.\n"
    )
    for path in (found.paths or ())[:_WIDEST]:
        derivatives = " ".join(factor.derivative for factor in path.factors)
        symbols = r" \cdot ".join(factor.latex for factor in path.factors)
        numbers = r" \cdot ".join(_samples(factor.value) for factor in path.factors)
        yield (
            f"\\begin{{align*}}\n  & {derivatives} \\\\\n  &= {symbols} \\\\\n  &= {numbers} \\\\\n"
            f"  &= {_samples(path.product, alone=True)}\n\\end{{align*}}"
        )
    if found.paths and len(found.paths) > _WIDEST:
        yield f"And {len(found.paths) - _WIDEST:,} more.\n"
    yield r"\begin{align*}"
    if found.total is not None:
        yield rf"  \text{{sum over all paths}} &= {number(found.spelled(found.total))} \\"
    by = rf"\frac{{\partial C}}{{\partial {found.latex}}}"
    yield " \\\\\n".join(
        rf"  {by} \text{{ by {name}}} &= {number(found.spelled(value))}"
        for name, value in found.gradients.items()
    )
    yield "\\end{align*}\n"


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
    >>> escape("squared_error, 100%, phi^l")
    'squared\\_error, 100\\%, phi\\textasciicircum{}l'
    """
    replaced = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}"}
    return "".join(replaced.get(c, "\\" + c if c in "_%&#${}" else c) for c in text)
