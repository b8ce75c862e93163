"""What a network says, as a picture: a decision region, classes, or numbers against the truth."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from chainrule.notebook import drawing
from chainrule.notebook.html import svg, text
from chainrule.numerics import Array
from chainrule.studio.datasets import Dataset

Predict = Callable[[Array], Array]
"""X of shape (n, n_0) to outputs of shape (n, n_l)."""

COLOURS = (drawing.NEGATIVE, drawing.POSITIVE, "#4aa564")
_FIELD, _SIZE = 64, 300.0
_MOST_POINTS = 200
_LOW, _HIGH = 40.0, 290.0  # where axes start and end in a picture


def picture(data: Dataset, predict: Predict) -> str:
    """Return the SVG that suits the data.

    Parameters
    ----------
    data : Dataset
        With its test samples, which are drawn.
    predict : callable
        The network.
    """
    if data.X.shape[1] == 2 and len(data.classes) <= len(COLOURS) and data.Y.shape[1] <= 3:
        return _region(data, predict)
    if data.X.shape[1] == 1 and not data.classes:
        return _curve(data, predict)
    outputs = predict(data.X_test)
    return _confusion(data, outputs) if data.classes else _against_truth(data, outputs)


def score(data: Dataset, outputs: Array) -> str:
    """Return how well the outputs fit the test samples, in words."""
    if data.classes:
        right = (data.labels(outputs) == data.labels(data.Y_test)).mean()
        return f"{right:.1%} of {len(outputs)} test samples right"
    error = float(np.sqrt(((outputs - data.Y_test) ** 2).mean()))
    of = "" if data.preprocessing is None else " standard deviations"
    return f"root mean squared error {error:.4g}{of} on {len(outputs)} test samples"


def _rgb(colour: str) -> Array:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], float)


def _region(data: Dataset, predict: Predict) -> str:
    low, high = data.X.min(axis=0), data.X.max(axis=0)
    margin = 0.05 * (high - low)
    low, high = low - margin, high + margin
    xs, ys = (np.linspace(low[i], high[i], _FIELD) for i in (0, 1))
    grid = np.stack(np.meshgrid(xs, ys[::-1]), axis=-1).reshape(-1, 2).astype(np.float32)
    shares = _shares(data, predict(grid))
    rgb = shares @ np.stack([_rgb(c) for c in COLOURS[: shares.shape[1]]])
    places = (data.X_test - low) / (high - low)
    colours = [_rgb_text(c) for c in _shares(data, data.Y_test) @ np.stack(
        [_rgb(c) for c in COLOURS[: shares.shape[1]]])]  # fmt: skip
    points = [
        f'<circle cx="{x * _SIZE:.1f}" cy="{(1 - y) * _SIZE:.1f}" r="3.5" fill="{colour}" '
        'stroke="#fff" stroke-width="1"/>'
        for (x, y), colour in zip(places[:_MOST_POINTS], colours, strict=False)
    ]
    image = (
        f'<image href="{png(rgb.reshape(_FIELD, _FIELD, 3))}" width="{_SIZE:g}" '
        f'height="{_SIZE:g}" preserveAspectRatio="none" opacity="0.75"/>'
    )
    return svg(
        _SIZE, _SIZE, "what the network says of each point, and test samples", [image, *points]
    )


def _shares(data: Dataset, outputs: Array) -> Array:
    """Return for each sample the share of each colour."""
    outputs = np.nan_to_num(outputs.astype(float))
    if outputs.shape[1] > 1:
        positive = np.clip(outputs, 0, None) + 1e-9
        return positive / positive.sum(axis=1, keepdims=True)
    low, high = (0.0, 1.0) if data.classes else (float(data.Y.min()), float(data.Y.max()))
    share = np.clip((outputs[:, 0] - low) / (high - low or 1.0), 0, 1)
    return np.stack([1 - share, share], axis=1)


def _rgb_text(rgb: Array) -> str:
    return "#" + "".join(f"{round(v):02x}" for v in np.clip(rgb, 0, 255))


def png(rgb: Array) -> str:
    """Return an image of shape (height, width, 3), values 0..255, as a data URL.

    Examples
    --------
    >>> png(np.zeros((1, 1, 3)))[:30]
    'data:image/png;base64,iVBORw0K'
    """
    pixels = np.clip(rgb, 0, 255).astype(np.uint8)
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    whole = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    whole += chunk(b"IDAT", zlib.compress(lines, 1)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(whole).decode()


def _scale(values: Sequence[Array]) -> tuple[Callable[[float], float], float, float]:
    low = min(float(np.nanmin(v)) for v in values)
    high = max(float(np.nanmax(v)) for v in values)
    room = 0.05 * (high - low) or 0.5
    low, high = low - room, high + room
    return lambda v: _LOW + (_HIGH - _LOW) * (v - low) / (high - low), low, high


def _axes(x: tuple[float, float], y: tuple[float, float], below: str, left: str) -> list[str]:
    bottom = _SIZE - _LOW
    return [
        f'<path d="M{_LOW:g} 10V{bottom:g}H{_HIGH:g}" stroke="currentColor" fill="none"/>',
        text((_LOW + _HIGH) / 2, bottom + 30, below),
        f'<g transform="rotate(-90 12 130)">{text(12, 134, left)}</g>',
        text(_LOW, bottom + 15, f"{x[0]:.2g}"), text(_HIGH, bottom + 15, f"{x[1]:.2g}", "end"),
        text(_LOW - 4, bottom, f"{y[0]:.2g}", "end"), text(_LOW - 4, 18, f"{y[1]:.2g}", "end"),
    ]  # fmt: skip


def _curve(data: Dataset, predict: Predict) -> str:
    grid = np.linspace(data.X.min(), data.X.max(), 150, dtype=np.float32)[:, None]
    outputs = np.nan_to_num(predict(grid)[:, 0])
    across, *x = _scale([data.X_test])
    up, *y = _scale([data.Y_test, outputs])
    points = [
        f'<circle cx="{across(a):.1f}" cy="{_SIZE - up(b):.1f}" r="2.5" fill="currentColor" '
        'fill-opacity="0.45"/>'
        for a, b in zip(data.X_test[:, 0], data.Y_test[:, 0], strict=True)
    ]
    curve = zip(grid[:, 0], outputs, strict=True)
    line = " ".join(f"{across(a):.1f},{_SIZE - up(b):.1f}" for a, b in curve)
    line = f'<polyline points="{line}" fill="none" stroke="{drawing.POSITIVE}" stroke-width="2.5"/>'
    parts = [*_axes((x[0], x[1]), (y[0], y[1]), data.inputs[0], "output"), *points, line]
    return svg(_SIZE, _SIZE, "what the network says, and test samples", parts)


def _against_truth(data: Dataset, outputs: Array) -> str:
    truth, said = data.Y_test[:, 0], np.nan_to_num(outputs[:, 0])
    if data.preprocessing is not None:
        target = data.preprocessing.target
        truth, said = (target.numbers(v[:, None]) for v in (truth, said))
    across, low, high = _scale([truth, said])
    points = [
        f'<circle cx="{across(a):.1f}" cy="{_SIZE - across(b):.1f}" r="3" '
        f'fill="{drawing.POSITIVE}" fill-opacity="0.6"/>'
        for a, b in zip(truth[:_MOST_POINTS], said[:_MOST_POINTS], strict=True)
    ]
    diagonal = (
        f'<path d="M{_LOW:g} {_SIZE - _LOW:g}L{_HIGH:g} {_SIZE - _HIGH:g}" stroke="currentColor" '
        'stroke-dasharray="4 4"/>'
    )
    parts = [*_axes((low, high), (low, high), "true", "predicted"), diagonal, *points]
    return svg(_SIZE, _SIZE, "predicted against true, test samples", parts)


def _confusion(data: Dataset, outputs: Array) -> str:
    n = min(len(data.classes), 20)
    counts = np.zeros((n, n), int)
    for true, said in zip(data.labels(data.Y_test), data.labels(outputs), strict=True):
        if true < n and said < n:
            counts[true, said] += 1
    side = (_HIGH - _LOW) / n
    parts = [text((_LOW + _HIGH) / 2, _SIZE - 4, "predicted"),
             f'<g transform="rotate(-90 10 130)">{text(10, 134, "true")}</g>']  # fmt: skip
    for i in range(n):
        name = data.classes[i][:6]
        parts.append(text(_LOW - 4, 10 + (i + 0.5) * side + 4, name, "end"))
        parts.append(text(_LOW + (i + 0.5) * side, _SIZE - 22, name))
        for j in range(n):
            share = counts[i, j] / max(counts[i].sum(), 1)
            colour = drawing.POSITIVE if i == j else drawing.NEGATIVE
            x, y = _LOW + j * side, 10 + i * side
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{side - 1:.1f}" height="{side - 1:.1f}" '
                f'fill="{colour}" fill-opacity="{0.08 + 0.85 * share:.2f}"/>'
            )
            if counts[i, j] and n <= 12:
                parts.append(text(x + side / 2, y + side / 2 + 4, str(counts[i, j])))
    return svg(_SIZE, _SIZE, "predicted and true classes of the test samples", parts)
