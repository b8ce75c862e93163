"""The picture of a network: units as circles, weights by colour and width."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from chainrule.notebook.html import Markup, svg, text
from chainrule.numerics import Array

POSITIVE, NEGATIVE = "#3b8fd4", "#e0722b"
"""Blue and orange: told apart also by those who do not see red and green."""
_MOST_UNITS, _MOST_LAYERS = 10, 8
_GAP, _STEP, _RADIUS = 130.0, 22.0, 6.0
_TOP, _SIDE = 20.0, 60.0
_WIDTHS = (0.3, 0.8, 1.5, 2.4, 3.5)
_NAMES, _LETTERS = 40.0, 12  # room for the inputs' names, and how much of one is shown


def network(
    layer_sizes: Sequence[int],
    activations: Sequence[str],
    weights: Sequence[Array],
    names: Sequence[str] = (),
) -> Markup:
    """Return an SVG of the network.

    Edges are blue for positive and orange for negative weights, and the wider the larger a weight
    is beside the largest of its layer. Of more than ten units the first and last are drawn, of
    more than eight layers likewise, with dots between them.

    Parameters
    ----------
    layer_sizes : sequence of int
        n_0, ..., n_l.
    activations : sequence of str
        Of the layers 1..l.
    weights : sequence of arrays of shape (n_L, n_(L-1))
    names : sequence of str
        Of the inputs, if they have any.
    """
    named = len(names) == layer_sizes[0]
    at, width, height = placed(layer_sizes, _NAMES if named else 0)
    layers = list(at)
    parts: list[str] = []
    for below, above in pairwise(layers):
        if above == below + 1:
            parts += _edges(weights[below], at[below], at[above])
        else:
            x = (at[below][0][0] + at[above][0][0]) / 2
            parts.append(text(x, height / 2 - 10, "· · ·"))
            parts.append(text(x, height - 10, f"{above - below - 1} layers"))
    for L in layers:
        parts += _units(at[L], layer_sizes[L])
        x = at[L][0][0]
        parts.append(text(x, height - 24, "input" if L == 0 else activations[L - 1]))
        parts.append(text(x, height - 10, f"{layer_sizes[L]:,}"))
    if named:
        for unit, (x, y) in at[0].items():
            name = str(names[unit])
            short = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
            parts.append(text(x - _RADIUS - 3, y + 4, short, "end"))
    sizes = "-".join(map(str, layer_sizes))
    return svg(width, height, f"network {sizes}; blue weights are positive", parts)


def placed(
    layer_sizes: Sequence[int], room_left: float = 0
) -> tuple[dict[int, dict[int, tuple[float, float]]], float, float]:
    """Return where units are drawn: x and y by layer and unit, then the picture's width and height.

    Layers and units that are left out of the picture have no place.
    """
    layers = _ends(len(layer_sizes), _MOST_LAYERS)
    shown = {L: _ends(layer_sizes[L], _MOST_UNITS) for L in layers}
    rows = max(_places(shown[L], layer_sizes[L])[-1] for L in layers) + 1
    height = rows * _STEP + _TOP + 40
    left = _SIDE + room_left
    width = left + _SIDE + _GAP * (len(layers) - 1)
    at: dict[int, dict[int, tuple[float, float]]] = {}
    for column, L in enumerate(layers):
        places = _places(shown[L], layer_sizes[L])
        top = _TOP + (rows - 1 - places[-1]) * _STEP / 2
        x = left + column * _GAP
        at[L] = {
            unit: (x, top + place * _STEP)
            for unit, place in zip(shown[L], places, strict=True)
        }  # fmt: skip
    return at, width, height


def _ends(n: int, most: int) -> list[int]:
    """Return 0..n-1, the middle left out where there are more than `most`."""
    if n <= most:
        return list(range(n))
    half = most // 2
    return [*range(half), *range(n - half, n)]


def _places(units: Sequence[int], n: int) -> list[int]:
    """Return the row of each unit, one left free where units are left out."""
    return [i + (len(units) < n and i >= len(units) // 2) for i in range(len(units))]


def _edges(
    W: Array, below: dict[int, tuple[float, float]], above: dict[int, tuple[float, float]]
) -> list[str]:
    """Return a path for each colour and width, so that the file stays small."""
    values = np.nan_to_num(W.astype(np.float64), nan=0.0, posinf=1e300, neginf=-1e300)
    largest = np.abs(values).max() or 1.0
    lines: dict[tuple[str, int], list[str]] = defaultdict(list)
    for j, (x1, y1) in above.items():
        for k, (x0, y0) in below.items():
            w = values[j, k] / largest
            if w:
                level = min(int(abs(w) * len(_WIDTHS)), len(_WIDTHS) - 1)
                colour = POSITIVE if w > 0 else NEGATIVE
                lines[colour, level].append(f"M{x0:g} {y0:g}L{x1:g} {y1:g}")
    return [
        f'<path d="{"".join(path)}" stroke="{colour}" stroke-width="{_WIDTHS[level]}" '
        f'stroke-opacity="{0.35 + 0.13 * level:.2f}" fill="none"/>'
        for (colour, level), path in sorted(lines.items(), key=lambda entry: entry[0][1])
    ]


def _units(at: dict[int, tuple[float, float]], n: int) -> list[str]:
    parts = [
        f'<circle cx="{x:g}" cy="{y:g}" r="{_RADIUS:g}" fill="#8a8f98" stroke="currentColor"/>'
        for x, y in at.values()
    ]
    if len(at) < n:
        places = list(at.values())
        x, y = places[len(places) // 2]
        parts.append(text(x, y - _STEP + 4, "⋮", more=' font-size="16"'))
    return parts
