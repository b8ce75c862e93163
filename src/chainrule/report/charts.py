"""The pictures of a report, as SVG; text and lines take the colour of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.notebook.drawing import NEGATIVE, POSITIVE
from chainrule.notebook.html import Markup, svg, text
from chainrule.numerics import Array

COLOURS = (POSITIVE, NEGATIVE, "#3fa34d", "#a66bbe")
_WIDTH, _HEIGHT, _LEGEND = 440.0, 272.0, 24.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 66.0, 426.0, 26.0, 232.0
_MOST_LETTERS = 22


@dataclass(frozen=True)
class Scale:
    """From values to places along one side of a picture."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """About five round values."""
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def scale(values: Array, start: float, end: float) -> Scale:
    """Return a scale with a little room on both sides of some finite values."""
    low, high = float(np.min(values)), float(np.max(values))
    if not high - low > 1e-12 * max(abs(low), abs(high)):  # of one value
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    room = 0.04 * (high - low)
    return Scale(low - room, high + room, start, end)


def number(value: float) -> str:
    """Return a number in a few letters.

    >>> number(1234567.0), number(1950.0), number(0.25), number(-0.0)
    ('1.23M', '1950', '0.25', '0')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size and abs(value) < 1e12:
            unit = 1e3 if letter == "k" else size
            return f"{value / unit:.3g}{letter}"
    if abs(value) >= 100:
        return f"{value:.4g}"
    return f"{value:.3g}" if value else "0"


def short(words: str, most: int = _MOST_LETTERS) -> str:
    """Return words, their end left out where there are too many.

    >>> short("a name that is long", 8)
    'a name …'
    """
    flat = " ".join(words.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def scatter(x: Array, y: Array, x_name: str, y_name: str, title: str) -> Markup:
    """Return points of both axes in one unit, with the diagonal on which they should lie."""
    both = np.concatenate([x, y])
    across, up = scale(both, _LEFT, _RIGHT), scale(both, _BOTTOM, _TOP)
    parts = _frame(across, up, x_name, y_name)
    a, b = across.low, across.high
    parts.append(_path([(across(a), up(a)), (across(b), up(b))], "currentColor", 1, "4 4"))
    parts += _dots(x, y, across, up)
    return svg(_WIDTH, _HEIGHT, title, parts)


def residuals(x: Array, y: Array, x_name: str, y_name: str, title: str) -> Markup:
    """Return points with a line at zero."""
    across, up = scale(x, _LEFT, _RIGHT), scale(np.append(y, 0.0), _BOTTOM, _TOP)
    parts = _frame(across, up, x_name, y_name)
    parts.append(_path([(_LEFT, up(0)), (_RIGHT, up(0))], "currentColor", 1, "4 4"))
    parts += _dots(x, y, across, up)
    return svg(_WIDTH, _HEIGHT, title, parts)


def lines(
    x: Sequence[float],
    curves: Mapping[str, Sequence[float]],
    x_name: str,
    y_name: str,
    title: str,
    *,
    diagonal: bool = False,
    marks: bool = False,
    y_from: float | None = None,
    y_to: float | None = None,
) -> Markup:
    """Return curves over common values.

    Parameters
    ----------
    x : sequence of float
        Increasing.
    curves : mapping from a name to a number for each of x
        At most four.
    x_name, y_name, title : str
        What the axes are, and the picture for those who cannot see it.
    diagonal : bool, default False
        Whether to draw the line on which both are equal.
    marks : bool, default False
        Whether each point has a mark.
    y_from, y_to : float, optional
        What the scale must reach.
    """
    values = np.concatenate([np.asarray(curve, float) for curve in curves.values()])
    reach = [v for v in (y_from, y_to) if v is not None]
    across = scale(np.asarray(x, float), _LEFT, _RIGHT)
    up = scale(np.append(values, reach), _BOTTOM, _TOP)
    parts = _frame(across, up, x_name, y_name)
    if diagonal:
        a, b = max(across.low, up.low), min(across.high, up.high)
        parts.append(_path([(across(a), up(a)), (across(b), up(b))], "currentColor", 1, "4 4"))
    for colour, curve in zip(COLOURS, curves.values(), strict=False):
        points = [(across(a), up(b)) for a, b in zip(x, curve, strict=True)]
        parts.append(_path(points, colour, 2))
        if marks or len(points) == 1:
            parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{colour}"/>'
                      for a, b in points]  # fmt: skip
    if len(curves) == 1:
        return svg(_WIDTH, _HEIGHT, title, parts)
    return svg(_WIDTH, _HEIGHT + _LEGEND, title, [*parts, *_legend(list(curves))])


def bars(
    names: Sequence[str], values: Sequence[float], labels: Sequence[str], title: str,
    spreads: Sequence[float] = (),
) -> Markup:  # fmt: skip
    """Return a bar for each name, with its label at the end, and a whisker of its spread."""
    row, left = 24.0, 150.0
    height = row * len(names) + 8
    ends = [value + spread for value, spread in zip(values, spreads or [0.0] * len(values),
                                                    strict=True)]  # fmt: skip
    across = Scale(min(0.0, *values), max(*ends, 1e-300), left, 350.0)
    parts = []
    for i, (name, value, label) in enumerate(zip(names, values, labels, strict=True)):
        middle = 4 + row * i + row / 2
        a, b = sorted((across(0), across(value)))
        parts.append(text(left - 8, middle + 4, short(name), "end"))
        colour = POSITIVE if value >= 0 else NEGATIVE
        parts.append(
            f'<rect x="{a:.1f}" y="{middle - 7:.1f}" width="{max(b - a, 1):.1f}" height="14" '
            f'rx="2" fill="{colour}"/>'
        )
        if spreads:
            ends_of = [(across(value - spreads[i]), middle), (across(value + spreads[i]), middle)]
            parts.append(_path(ends_of, "currentColor", 1.5))
            b = max(b, ends_of[1][0])
        parts.append(text(b + 7, middle + 4, label, "start"))
    return svg(_WIDTH, height, title, parts)


def intervals(
    names: Sequence[str],
    scores: Sequence[tuple[float, float, float]],
    spell: Callable[[float], str],
    x_name: str,
    title: str,
) -> Markup:
    """Return a dot for each score, with its interval as a line; the first stands out."""
    row, left = 30.0, 150.0
    bottom = row * len(names) + 10
    finite = np.array([v for score in scores for v in score if math.isfinite(v)] or [0.0])
    across = scale(finite, left, 424.0)
    parts = []
    for tick in across.ticks:
        parts.append(_path([(across(tick), 4), (across(tick), bottom)], "currentColor", 0.4))
        parts.append(text(across(tick), bottom + 16, spell(tick)))
    parts.append(text((left + 424) / 2, bottom + 34, x_name))
    for i, (name, (value, low, high)) in enumerate(zip(names, scores, strict=True)):
        y, colour = 6 + row * i + row / 2, POSITIVE if i == 0 else "currentColor"
        bold = ' font-weight="bold"' if i == 0 else ""
        parts.append(text(left - 10, y + 4, name, "end", bold))
        if math.isfinite(low) and math.isfinite(high):
            parts.append(_path([(across(low), y), (across(high), y)], colour, 3))
        if math.isfinite(value):
            parts.append(f'<circle cx="{across(value):.1f}" cy="{y:.1f}" r="6" fill="{colour}"/>')
    return svg(_WIDTH, bottom + 42, title, parts)


def matrix(counts: Array, names: Sequence[str], title: str) -> Markup:
    """Return a confusion matrix: rows are the truth, columns the prediction.

    Parameters
    ----------
    counts : array of shape (k, k)
        How often a class of a row was predicted as that of a column.
    names : sequence of str
        Of the classes.
    title : str
        For those who cannot see it.
    """
    k = len(names)
    left, top = 104.0, 58.0
    cell = min(64.0, (_WIDTH - left - 6) / k)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    parts = [text(left + cell * k / 2, 14, "predicted"), text(4, top - 8, "true", "start")]
    room = max(3, int(cell / 7.5))
    for i, name in enumerate(names):
        parts.append(text(left - 8, top + cell * (i + 0.5) + 4, short(name, 13), "end"))
        parts.append(text(left + cell * (i + 0.5), top - 8, short(name, room)))
        for j in range(k):
            n, share = int(counts[i, j]), float(shares[i, j])
            x, y = left + cell * j, top + cell * i
            colour = POSITIVE if i == j else NEGATIVE
            parts.append(
                f'<rect x="{x + 1:.1f}" y="{y + 1:.1f}" width="{cell - 2:.1f}" '
                f'height="{cell - 2:.1f}" rx="3" fill="{colour}" '
                f'fill-opacity="{0.05 + 0.6 * share:.2f}"/>'
            )
            if n:
                parts.append(text(x + cell / 2, y + cell / 2 + 4, number(n)))
    return svg(_WIDTH, top + cell * k + 8, title, parts)


def tiny(counts: Sequence[int]) -> Markup:
    """Return a histogram that fits into a line of text."""
    width, height = 96.0, 22.0
    step, most = width / max(len(counts), 1), max([*counts, 1])
    path = "".join(
        f"M{i * step:.1f} {height}v{-max(height * n / most, 0.8):.1f}h{step * 0.85:.1f}V{height}z"
        for i, n in enumerate(counts)
        if n
    )
    return svg(width, height, "distribution", [f'<path d="{path}" fill="{POSITIVE}"/>'])


def _dots(x: Array, y: Array, across: Scale, up: Scale) -> list[str]:
    opacity = 0.75 if len(x) < 200 else 0.4 if len(x) < 1000 else 0.25
    path = "".join(
        f"M{across(a):.1f} {up(b):.1f}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True)
    )
    return [
        f'<path d="{path}" stroke="{POSITIVE}" stroke-width="6" stroke-linecap="round" '
        f'stroke-opacity="{opacity}" fill="none"/>'
    ]


def _frame(across: Scale, up: Scale, x_name: str, y_name: str) -> list[str]:
    parts = []
    for tick in across.ticks:
        parts.append(_path([(across(tick), _TOP), (across(tick), _BOTTOM)], "currentColor", 0.25))
        parts.append(text(across(tick), _BOTTOM + 17, number(tick)))
    for tick in up.ticks:
        parts.append(_path([(_LEFT, up(tick)), (_RIGHT, up(tick))], "currentColor", 0.25))
        parts.append(text(_LEFT - 7, up(tick) + 4, number(tick), "end"))
    parts.append(text((_LEFT + _RIGHT) / 2, _BOTTOM + 36, short(x_name, 48)))
    parts.append(text(6, _TOP - 11, short(y_name, 40), "start"))
    return parts


def _legend(names: Sequence[str]) -> list[str]:
    parts, step = [], (_RIGHT - _LEFT) / len(names)
    for i, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        x = _LEFT + step * i
        parts.append(_path([(x, _HEIGHT + 15), (x + 16, _HEIGHT + 15)], colour, 4))
        parts.append(text(x + 21, _HEIGHT + 20, short(name, int(step / 7.5) - 3), "start"))
    return parts


def _path(
    points: Sequence[tuple[float, float]], colour: str, width: float, dashes: str = ""
) -> str:
    where = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<path d="M{where}" stroke="{colour}" stroke-width="{width:g}" fill="none" '
        f'stroke-linejoin="round"{dashed}/>'
    )
