"""A trace as one page for a browser: MathML, tables and styles, nothing from elsewhere."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from chainrule import notation
from chainrule.numerics import Array
from chainrule.tracing import cells, derivation, formulas, record, statements
from chainrule.tracing.formulas import Atom, Fraction, Group, Node, Row, Script, Values

if TYPE_CHECKING:
    from chainrule.tracing.traces import Trace
    from chainrule.tracing.weight import Path, WeightPaths

_OPERATORS = {"=", "+", "-", ",", "*", r"\circ", r"\cdot", r"\ldots", r"\sum", r"\partial",
              r"\leftarrow"}  # fmt: skip
_MOST_NUMBERS = 50_000
"""Of a larger trace the page does not hold the JSON too."""
_MOST_PATHS = 200
# of a page alone: a notebook has a background of its own
_BODY = """<style>
body { margin: 0; }
@media (prefers-color-scheme: dark) { body { background: #14171b; } }
</style>
"""


def page(trace: Trace, weight: WeightPaths | None = None, told: str = "") -> str:
    """Return the whole page.

    Parameters
    ----------
    trace : Trace
        What is shown.
    weight : WeightPaths, optional
        A weight whose paths to the cost are shown too.
    told : str, optional
        Where the samples come from.
    """
    sizes = "-".join(map(str, trace.layer_sizes))
    n_numbers = sum(np.size(step.value) for step in trace.steps)
    data = ""
    if n_numbers <= _MOST_NUMBERS:
        text = record.dumps(record.of(trace, weight)).replace("</", "<\\/")
        data = f'<script type="application/json" id="trace">{text}</script>\n'
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Backpropagation in {sizes}</title>\n{_BODY}</head>\n<body>\n"
        f"{fragment(trace, weight, told)}{whole_derivation()}{data}</body>\n</html>\n"
    )


def styles() -> str:
    """Return the style sheet, with the font for formulas in it.

    Most machines have no mathematical font; where there is none, letters of formulas are missing.
    """
    files = resources.files("chainrule.tracing")
    font = base64.b64encode(files.joinpath("math.woff").read_bytes()).decode()
    face = f'font-family: "Chainrule Math"; src: url("data:font/woff;base64,{font}")'
    return f"@font-face {{ {face} }}\n{files.joinpath('page.css').read_text('utf-8')}"


def fragment(trace: Trace, weight: WeightPaths | None = None, told: str = "") -> str:
    """Return the trace alone with its styles, for a notebook; parameters as for `page`."""
    known = statements.values(trace)
    parts = [f'<style>{styles()}</style>\n<main class="chainrule">\n', *_head(trace, told)]
    for title, steps in statements.passes(trace):
        parts.append(f"<h2>{title}</h2>\n")
        parts += (section(statement, known) for statement in steps)
    if weight is not None:
        parts += weight_paths(weight)
    return "".join([*parts, "</main>\n"])


def _head(trace: Trace, told: str) -> Iterator[str]:
    yield f"<h1>{'-'.join(map(str, trace.layer_sizes))}</h1>\n"
    yield (
        f"<p>{_text(', '.join(trace.activations))}; loss {_text(trace.loss_name)}; "
        f"{statements.samples(trace)}. "
        "Layers are counted from 1; point at a number to see all its digits.</p>\n"
    )
    if told:
        yield f"<p>{_text(told[0].upper() + told[1:])}.</p>\n"
    yield (
        '<table class="forms"><tr><th>form</th><th>multiplications backward</th>'
        "<th>what it computes</th></tr>\n"
    )
    for form, sentence in notation.FORMS.items():
        count = cells.count(trace.backward_multiplications[form])
        chosen = ' class="chosen"' if form == trace.form else ""
        yield (f"<tr{chosen}><td>{form}</td><td>{count}</td><td>{_text(sentence)}</td></tr>\n")
    yield "</table>\n"


def section(statement: statements.Statement, known: Values) -> str:
    """Return one step: its equation, and the same with what is known in numbers."""
    symbol, value = statement.step.symbol, statement.step.value
    left, right = formulas.sides(formulas.parse(statement.latex))
    if symbol == "C":
        result = f'<span class="C" title="{value.item()!r}">{cells.number(value.item())}</span>'
    else:
        result = matrix(value, symbol)
    operands = _worked(right, known) + math(_operator("=")) if statement.says_more(known) else ""
    note = f'<p class="note">{_text(statement.note)}</p>\n' if statement.note else ""
    return (
        f'<section class="step" id="{symbol}-{statement.step.layer}">\n'
        f'<div class="head"><span class="number">{_number(statement.number)}</span>'
        f"{math(mathml(left) + _operator('=') + mathml(right))}"
        f'<span class="told">{_text(statement.meaning)} '
        f'<span class="shape">{_text(statement.shape)}</span></span></div>\n'
        f'<div class="worked">{math(_operator("="))}{operands}{result}</div>\n{note}</section>\n'
    )


def _number(number: str) -> str:
    if not number:
        return ""
    return (
        f'<a href="#{number}">({number})</a>' if number != "paths" else '<a href="#paths">paths</a>'
    )


def matrix(value: Array, style: str = "") -> str:
    """Return a matrix in brackets; an entry's title has all its digits."""
    full = cells.as_matrix(value)
    rows, columns = full.shape
    lines = []
    for row in cells.cells(value):
        if all(cell is None for cell in row):
            lines.append("<td>\N{VERTICAL ELLIPSIS}</td>" * len(row))
            continue
        lines.append(
            "".join(
                "<td>\N{MIDLINE HORIZONTAL ELLIPSIS}</td>"
                if cell is None
                else f'<td title="{full[cell.row, cell.column].item()!r}">{cell.text}</td>'
                for cell in row
            )
        )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<table class="matrix {style}" aria-label="{rows} by {columns} matrix">{body}</table>'


def math(inside: str, block: bool = False) -> str:
    """Return MathML in its element."""
    return f'<math displaystyle="true"{" display=block" if block else ""}>{inside}</math>'


def _operator(token: str) -> str:
    return f"<mo>{html.escape(notation.UNICODE.get(token, token))}</mo>"


def mathml(node: Node) -> str:
    """Return a formula as MathML, to stand in a ``<math>`` element."""
    if isinstance(node, Atom):
        return _atom(node)
    if isinstance(node, Row):
        return f"<mrow>{''.join(map(mathml, node.parts))}</mrow>"
    if isinstance(node, Group):
        left, right = (f'<mo fence="true" stretchy="false">{c}</mo>' for c in "()")
        return f"<mrow>{left}{mathml(node.inside)}{right}</mrow>"
    if isinstance(node, Fraction):
        return f"<mfrac>{mathml(node.above)}{mathml(node.below)}</mfrac>"
    base, below = mathml(node.base), node.below
    if node.base == Atom(r"\sum"):
        assert below is not None
        return f"<munder>{base}{mathml(below)}</munder>"
    above = mathml(node.above) if node.above else ""
    if node.prime:
        marks = "\N{PRIME}" if node.prime == 1 else "\N{DOUBLE PRIME}"
        above = f"<mrow><mo>{marks}</mo>{above}</mrow>"
    if above and below:
        return f"<msubsup>{base}{mathml(below)}{above}</msubsup>"
    if above:
        return f"<msup>{base}{above}</msup>"
    assert below is not None
    return f"<msub>{base}{mathml(below)}</msub>"


def _atom(atom: Atom) -> str:
    if atom.token == r"\sum":
        return '<mo movablelimits="false">\N{N-ARY SUMMATION}</mo>'
    if atom.token in _OPERATORS:
        return _operator(atom.token)
    if atom.token.isdigit():
        return f"<mn>{atom.token}</mn>"
    style = formulas.attribute_of(atom)
    text = html.escape(notation.UNICODE.get(atom.token, atom.token))
    return f'<mi class="{style}">{text}</mi>' if style else f"<mi>{text}</mi>"


def _worked(node: Node, known: Values) -> str:
    """Return a formula with tables for what is known in numbers."""
    if isinstance(node, Row):
        parts, i = [], 0
        while i < len(node.parts):
            size, value = formulas.known(node, i, known)
            style = "sigma_prime" if size == 2 else formulas.attribute_of(node.parts[i])
            parts.append(_worked(node.parts[i], known) if value is None else matrix(value, style))
            i += size
        return "".join(parts)
    if isinstance(node, Group):
        inside = _worked(node.inside, known)
        if inside.startswith("<table") and inside.count("<table") == 1:
            return inside
        return f'<span class="group">{inside}</span>'
    if isinstance(node, Script) and isinstance(node.base, Group):
        high = f"<sup>{html.escape(formulas.plain(node.above))}</sup>" if node.above else ""
        low = f"<sub>{html.escape(formulas.plain(node.below))}</sub>" if node.below else ""
        return f"{_worked(node.base, known)}{high}{low}"
    return math(mathml(node))


def weight_paths(found: WeightPaths, most: int = _MOST_PATHS) -> Iterator[str]:
    """Yield the first paths of a weight to the cost, and what all of them sum to."""
    name = math(mathml(formulas.parse(found.latex)))
    paths = found.paths or ()
    yield (
        f'<h2 id="weight">The weight {name}</h2>\n<p>From unit {found.k} of layer {found.L - 1} to '
        f"unit {found.j} of layer {found.L}: {found.counted}. Each is a "
        "product of partial derivatives, one for each step.</p>\n"
    )
    if found.paths is None:
        yield "<p>They are too many to list; the backward pass sums over all of them at once.</p>\n"
    for i, path in enumerate(paths[:most]):
        yield _path(path, in_full=i == 0)
    if len(paths) > most:
        yield f"<p>And {len(paths) - most:,} more, which are in the sum.</p>\n"
    yield '<table class="forms">'
    if found.total is not None:
        yield f"<tr><td>sum over the paths</td><td>{found.spelled(found.total)}</td></tr>\n"
    for number, value in found.gradients.items():
        yield f"<tr><td>by {_number(number)}</td><td>{found.spelled(value)}</td></tr>\n"
    yield "</table>\n"


def _path(path: Path, in_full: bool) -> str:
    dot = math(_operator(r"\cdot"))
    rows = []
    if in_full:
        parts = (math(mathml(formulas.parse(f.derivative))) for f in path.factors)
        rows.append(dot.join(parts) + math(_operator("=")))
    rows.append(dot.join(math(mathml(formulas.parse(f.latex))) for f in path.factors))
    numbers = dot.join(_samples(factor.value) for factor in path.factors)
    rows.append(f"{math(_operator('='))}{numbers}{math(_operator('='))}{_samples(path.product)}")
    lines = "".join(f'<div class="worked">{row}</div>\n' for row in rows)
    return f'<section class="step path">\n{lines}</section>\n'


def _samples(value: Array) -> str:
    if np.size(value) > 1:
        return matrix(value[None, :])
    return f'<span title="{value.item()!r}">{cells.number(value.item())}</span>'


def whole_derivation() -> str:
    """Return all equations of the derivation, in its order."""
    parts = ['<main class="chainrule derivation">\n<h2>The derivation</h2>\n']
    for part in derivation.PARTS:
        parts.append(f"<h3>{_text(part.title)}</h3>\n")
        parts.append(f"<p>{_text(part.text)}</p>\n" if part.text else "")
        parts += map(_equation, part.equations)
    parts.append("</main>\n")
    return "".join(parts)


def _equation(equation: derivation.Equation) -> str:
    rows = ""
    for i, right in enumerate(equation.right):
        left = mathml(formulas.parse(equation.left)) if i == 0 else ""
        rows += (
            f'<mtr><mtd class="left">{left}</mtd><mtd>{_operator("=")}</mtd>'
            f'<mtd class="right">{mathml(formulas.parse(right))}</mtd></mtr>'
        )
    place = equation.number or ("paths" if equation is derivation.PATHS else "")
    mark = f' id="{place}"' if place else ""
    number = f"({equation.number})" if equation.number else ""
    return (
        f'<div class="equation"{mark}>{math(f"<mtable>{rows}</mtable>", True)}'
        f'<span class="number">{number}</span></div>\n'
    )


def _text(text: str) -> str:
    return html.escape(text)
