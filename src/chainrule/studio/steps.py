r"""One step of gradient descent, as a list to click through: the trace's steps, then the update."""

from __future__ import annotations

import html
from typing import NamedTuple

import numpy as np

from chainrule import notation
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.studio import speech
from chainrule.tracing import Trace, cells, formulas, layout, statements
from chainrule.tracing import html as shown

UPDATE = r"{symbol}^{{{L}}} \leftarrow {symbol}^{{{L}}} - \eta {gradient}"
_GRADIENTS = {
    "W": r"\frac{{\partial C}}{{\partial W^{{{L}}}}}",
    "B": r"\frac{{\partial C}}{{\partial B^{{{L}}}}}",
}


class Lit(NamedTuple):
    """Which part of the picture a step speaks of."""

    units: frozenset[int] = frozenset()
    """Layers whose units are lit, 0 being the input."""
    edges: frozenset[int] = frozenset()
    """Layers whose weights are lit."""


class Item(NamedTuple):
    """One click."""

    symbol: str
    """An attribute of the trace, ``"W"`` or ``"B"`` for an update, ``"C"`` for the cost."""
    L: int | None
    name: str
    """Such as ``ω²``."""
    markup: str
    """The equation, and the same in numbers, as HTML."""
    spoken: str
    """The equation in words, for screen readers."""
    lit: Lit
    value: Array
    """What it computes."""


def items(trace: Trace, learning_rate: float, new_cost: float) -> list[Item]:
    """Return the steps of one pass and of the update that follows from it.

    Parameters
    ----------
    trace : Trace
        Of any form.
    learning_rate : float
        Of gradient descent.
    new_cost : float
        C of the same samples with the updated parameters.
    """
    known = statements.values(trace)
    found = []
    for statement in statements.statements(trace):
        symbol, L = statement.step.symbol, statement.step.layer
        markup = shown.section(statement, known)
        lit = _lit(symbol, L, len(trace.layer_sizes) - 1)
        spoken = speech.formula(formulas.parse(statement.latex))
        value = np.asarray(statement.step.value)
        found.append(Item(symbol, L, name(symbol, L), markup, spoken, lit, value))
    for L in range(1, len(trace.layer_sizes)):
        for symbol in ("W", "B"):
            found.append(_update(trace, symbol, L, learning_rate))
    return [*found, _after(trace, new_cost)]


def name(symbol: str, L: int | None) -> str:
    """Return a quantity in one line of text.

    Examples
    --------
    >>> name("omega", 2), name("grad_W", 1), name("C", None)
    ('ω²', '∂C/∂W¹', 'C')
    """
    latex = notation.SYMBOLS[symbol].latex + ("" if L is None else f"^{{{L}}}")
    (line,) = layout.formula(formulas.parse(latex)).lines
    return "".join(text for text, _ in line).replace(" ", "")


def updated(trace: Trace, symbol: str, L: int, learning_rate: float) -> Array:
    """Return W^L or B^L after the step, in the network's dtype."""
    old, gradient = getattr(trace, symbol)[L], getattr(trace, f"grad_{symbol}")[L]
    return np.asarray(old - old.dtype.type(learning_rate) * gradient)


def downhill(net: Network, trace: Trace, learning_rate: float) -> None:
    """Change the parameters of a network by one step of gradient descent, that of its trace."""
    for L, (W, B) in enumerate(zip(net.weights, net.biases, strict=True), 1):
        W[:] = updated(trace, "W", L, learning_rate)
        if B is not None:
            B[:] = updated(trace, "B", L, learning_rate)


def _lit(symbol: str, L: int | None, l: int) -> Lit:
    """Return what a quantity is computed from and into."""
    if L is None:
        return Lit(units=frozenset({l}))
    match symbol:
        case "rho":
            return Lit(frozenset({L - 1, L}), frozenset({L}))
        case "omega":
            return Lit(frozenset({L}), frozenset({L + 1}) if l > L else frozenset())
        case "grad_W":
            return Lit(frozenset({L - 1, L}), frozenset({L}))
        case "W":
            return Lit(edges=frozenset({L}))
    return Lit(frozenset({L}))


def _update(trace: Trace, symbol: str, L: int, learning_rate: float) -> Item:
    gradient = _GRADIENTS[symbol].format(L=L)
    latex = UPDATE.format(symbol=symbol, L=L, gradient=gradient)
    value = updated(trace, symbol, L, learning_rate)
    minus, times, equals = (
        shown.math(shown.mathml(formulas.parse(t))) for t in ("-", r"\cdot", "=")
    )
    worked = (
        f"{shown.matrix(getattr(trace, symbol)[L], symbol)}{minus}"
        f'<span title="{learning_rate!r}">{cells.number(learning_rate)}</span>{times}'
        f"{shown.matrix(getattr(trace, f'grad_{symbol}')[L], f'grad_{symbol}')}{equals}"
        f"{shown.matrix(value, symbol)}"
    )
    what = "weights" if symbol == "W" else "biases"
    markup = _section(latex, f"the {what} of layer {L}, a step downhill", worked)
    lit = Lit(edges=frozenset({L})) if symbol == "W" else Lit(units=frozenset({L}))
    spoken = speech.formula(formulas.parse(latex))
    return Item(symbol, L, f"new {name(symbol, L)}", markup, spoken, lit, value)


def _after(trace: Trace, new_cost: float) -> Item:
    fell = "fell" if new_cost < trace.loss else "did not fall: the learning rate is too large"
    arrow = shown.math(shown.mathml(formulas.parse(r"\leftarrow")))
    worked = (
        f'<span class="C" title="{new_cost!r}">{cells.number(new_cost)}</span>{arrow}'
        f'<span class="C" title="{trace.loss!r}">{cells.number(trace.loss)}</span>'
    )
    l = len(trace.layer_sizes) - 1
    told = f"the same sample again: the cost {fell}"
    lit = Lit(frozenset({l}), frozenset(range(1, l + 1)))
    return Item("C", l, "new C", _section("C", told, worked), told, lit, np.asarray(new_cost))


def _section(latex: str, told: str, worked: str) -> str:
    return (
        '<section class="step"><div class="head"><span class="number"></span>'
        f"{shown.math(shown.mathml(formulas.parse(latex)))}"
        f'<span class="told">{html.escape(told)}</span></div>'
        f'<div class="worked">{worked}</div></section>'
    )
