"""The network of a step: what it speaks of lit up, every unit and edge able to tell its values."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from chainrule.notebook import drawing
from chainrule.notebook.html import svg, text
from chainrule.numerics import Array
from chainrule.studio import steps
from chainrule.studio.steps import Item, Lit
from chainrule.tracing import Trace, cells

_UNITS = ("rho", "phi", "omega", "lambda_", "grad_B")
_RADIUS, _LEAST, _MOST = 8.0, 0.6, 4.0
_GRIP = 9.0
"""How wide an edge is for the pointer, however thin it is drawn."""


def network(trace: Trace, done: Sequence[Item], lit: Lit) -> str:
    """Return an SVG of the network after some of its steps.

    Parameters
    ----------
    trace : Trace
        Of one sample.
    done : sequence of Item
        The steps so far: what they computed is told, what comes later is not.
    lit : Lit
        What to light up.
    """
    known = {(item.symbol, item.L) for item in done}
    at, width, height = drawing.placed(trace.layer_sizes)
    parts = []
    for L in list(at)[1:]:
        if L - 1 in at:
            parts += _edges(trace, L, at, known, L in lit.edges)
    for L, places in at.items():
        parts += _units(trace, L, places, known, L in lit.units)
        x = next(iter(places.values()))[0]
        under = "input" if L == 0 else trace.activations[L - 1]
        parts.append(text(x, height - 24, under))
        n, total = len(places), trace.layer_sizes[L]
        parts.append(text(x, height - 10, f"{n} of {total}" if n < total else f"layer {L}"))
    sizes = "-".join(map(str, trace.layer_sizes))
    return svg(width, height, f"network {sizes}; what the step speaks of is lit", parts)


def _edges(
    trace: Trace,
    L: int,
    at: dict[int, dict[int, tuple[float, float]]],
    known: set[tuple[str, int | None]],
    lit: bool,
) -> list[str]:
    W, gradient = trace.W[L], trace.grad_W[L]
    largest = float(np.abs(W).max()) or 1.0
    parts = []
    for j, (x1, y1) in at[L].items():
        for k, (x0, y0) in at[L - 1].items():
            w = float(W[j, k])
            width = _LEAST + (_MOST - _LEAST) * abs(w) / largest
            told = f"{steps.name('W', L)}, unit {k + 1} to {j + 1}: {cells.number(w)}"
            if ("grad_W", L) in known:
                told += f", {steps.name('grad_W', L)} = {cells.number(gradient[j, k])}"
            colour = drawing.POSITIVE if w > 0 else drawing.NEGATIVE
            line = f"M{x0:g} {y0:g}L{x1:g} {y1:g}"
            parts.append(
                f'<g class="edge{" lit" if lit else ""}" data-edge="{L},{j + 1},{k + 1}" '
                f'data-told="{html.escape(told)}">'
                f'<path d="{line}" stroke="{colour}" stroke-width="{width:.2f}"/>'
                f'<path d="{line}" stroke="transparent" stroke-width="{_GRIP:g}"/></g>'
            )
    return parts


def _units(
    trace: Trace,
    L: int,
    places: dict[int, tuple[float, float]],
    known: set[tuple[str, int | None]],
    lit: bool,
) -> list[str]:
    parts = []
    for j, (x, y) in places.items():
        values = [
            f"{steps.name(symbol, L)} = {cells.number(_entry(getattr(trace, symbol)[L], j))}"
            for symbol in _UNITS
            if (symbol, L) in known and getattr(trace, symbol)[L] is not None
        ]
        told = f"unit {j + 1} of layer {L}" + (": " + ", ".join(values) if values else "")
        fill = _shade(trace.phi[L], j) if ("phi", L) in known else "var(--paper)"
        parts.append(
            f'<circle class="unit{" lit" if lit else ""}" cx="{x:g}" cy="{y:g}" r="{_RADIUS:g}" '
            f'tabindex="0" role="img" aria-label="{html.escape(told)}" '
            f'data-told="{html.escape(told)}" style="--fill:{fill}"/>'
        )
    return parts


def _entry(value: Array, j: int) -> float:
    return float(np.asarray(value)[j].ravel()[0])


def _shade(phi: Array, j: int) -> str:
    """Return a colour: blue for positive, orange for negative, faint near zero."""
    value = _entry(phi, j)
    share = min(abs(value) / (float(np.abs(phi).max()) or 1.0), 1.0)
    colour = drawing.POSITIVE if value > 0 else drawing.NEGATIVE
    return f"color-mix(in srgb, {colour} {100 * share:.0f}%, var(--paper))"
