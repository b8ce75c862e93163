"""The picture of a training run: loss by epoch, without matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from chainrule.notebook.drawing import NEGATIVE, POSITIVE
from chainrule.notebook.html import Markup, svg, text

_WIDTH, _HEIGHT = 460.0, 200.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 450.0, 24.0, 165.0
_MOST_POINTS = 300


def losses(curves: Mapping[str, Sequence[float]], every: int = 1) -> Markup:
    """Return an SVG of curves over the epochs, on a logarithmic scale where all are above 0.

    Parameters
    ----------
    curves : mapping from a name to one finite number an epoch
        One or two curves.
    every : int, default 1
        Each number is that of so many epochs.
    """
    values = [v for curve in curves.values() for v in curve]
    logarithmic = min(values) > 0 and max(values) > 3 * min(values)
    scale = math.log10 if logarithmic else float
    low, high = scale(min(values)), scale(max(values))
    room = 0.05 * (high - low) or 0.5
    low, high = low - room, high + room
    epochs = max(len(curve) for curve in curves.values())

    def x(epoch: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * ((epoch - 1) / (epochs - 1) if epochs > 1 else 0.5)

    def y(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (scale(value) - low) / (high - low)

    parts = [
        f'<path d="M{_LEFT:g} {_TOP:g}V{_BOTTOM:g}H{_RIGHT:g}" stroke="currentColor" fill="none"/>'
    ]
    for tick in _ticks(low, high, logarithmic):
        parts.append(text(_LEFT - 6, y(tick) + 4, f"{tick:.3g}", "end"))
        parts.append(
            f'<path d="M{_LEFT:g} {y(tick):.1f}H{_RIGHT:g}" stroke="currentColor" '
            'stroke-opacity="0.15"/>'
        )
    for epoch in sorted({1, (epochs + 1) // 2, epochs}):
        at_end = "end" if epoch == epochs > 1 else "middle"
        parts.append(text(x(epoch), _BOTTOM + 15, str(epoch * every), at_end))
    parts.append(text((_LEFT + _RIGHT) / 2, _BOTTOM + 30, "epoch"))
    for i, ((name, curve), colour) in enumerate(
        zip(curves.items(), (POSITIVE, NEGATIVE), strict=False)
    ):
        every = max(1, -(-len(curve) // _MOST_POINTS))
        chosen = sorted({*range(0, len(curve), every), len(curve) - 1})
        points = " ".join(f"{x(k + 1):.1f},{y(curve[k]):.1f}" for k in chosen)
        if len(curve) == 1:
            parts.append(f'<circle cx="{x(1):g}" cy="{y(curve[0]):.1f}" r="3" fill="{colour}"/>')
        parts.append(
            f'<polyline points="{points}" stroke="{colour}" stroke-width="1.8" fill="none"/>'
        )
        left = _LEFT + 10 + 130 * i
        parts.append(f'<path d="M{left:g} 12h18" stroke="{colour}" stroke-width="3"/>')
        parts.append(text(left + 24, 16, name, "start"))
    return svg(_WIDTH, _HEIGHT, f"{', '.join(curves)} over {epochs * every} epochs", parts)


def _ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    """Return about four values to write at the axis."""
    if logarithmic:
        powers = [10.0**p for p in range(math.ceil(low), math.floor(high) + 1)]
        if len(powers) >= 2:
            return powers[:: -(-len(powers) // 5)]
        return [10 ** (low + (high - low) * share) for share in (0.05, 0.35, 0.65, 0.95)]
    return [low + (high - low) * share for share in (0.05, 0.35, 0.65, 0.95)]
