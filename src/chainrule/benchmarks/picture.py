"""The curves as a picture: the time of a step, and below it JAX's over ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from chainrule.benchmarks import peers
from chainrule.benchmarks.harness import ratio
from chainrule.errors import MissingExtraError

_COLOURS = {"chainrule": "#0b6e99", "jax": "#c8602a"}
_STYLES = ("-", "--", ":", "-.")


def draw(curves: Sequence[dict[str, Any]], path: Path) -> None:
    """Write a PNG with a column of two panels for each curve.

    Parameters
    ----------
    curves : sequence of dict
        The figures of the tables of `experiments.curves`.
    path : Path
        The file; replaced if it exists.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        # Without pyplot, which would look for a display.
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plot", "the picture of the curves") from None

    n = len(curves)
    figure = Figure(figsize=(3.4 * n, 5.6), layout="constrained")
    axes = figure.subplots(2, n, sharex="col", sharey="row", squeeze=False)
    for (upper, lower), curve in zip(axes.T, curves, strict=True):
        _draw_column(upper, lower, curve)
    axes[0, 0].set_ylabel("time of a step [us]")
    axes[1, 0].set_ylabel("JAX's time over ours")
    figure.savefig(path, dpi=150)


def _draw_column(upper: Any, lower: Any, curve: dict[str, Any]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    lines = list(dict.fromkeys(point["line"] for point in curve["points"]))
    for line, style in zip(lines, _STYLES, strict=False):
        points = [point for point in curve["points"] if point["line"] == line]
        for peer in ("chainrule", "jax"):
            measured = [point for point in points if peer in point["seconds"]]
            if not measured:
                continue
            label = peers.title(peer, measured[0]["about"][peer])
            upper.plot(
                [point["x"] for point in measured],
                [median(point["seconds"][peer]) * 1e6 for point in measured],
                style, color=_COLOURS[peer], marker="o", markersize=3,
                # the lines are told apart below
                label=label if line == lines[0] else None,
            )  # fmt: skip
        both = [point for point in points if "jax" in point["seconds"]]
        ratios = [ratio(p["seconds"]["jax"], p["seconds"]["chainrule"]) for p in both]
        if both:
            # the range of the rounds as bars
            below = [r.median - r.low for r in ratios]
            above = [r.high - r.median for r in ratios]
            lower.errorbar(
                [point["x"] for point in both], [r.median for r in ratios], (below, above),
                linestyle=style, color="0.2", marker="o", markersize=3, capsize=2,
                linewidth=1.2, label=line or None,
            )  # fmt: skip
    lower.axhline(1, color="0.7", linewidth=1)
    ticks = sorted({point["x"] for point in curve["points"]})
    # a ratio may stay within a decade, and needs labels between
    for panel, subs in ((upper, (1.0,)), (lower, (1.0, 2.0, 5.0))):
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.grid(alpha=0.25)
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.tick_params(axis="x", labelsize=7)
        panel.yaxis.set_major_locator(LogLocator(subs=subs))
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    upper.legend(fontsize=7)
    upper.set_title(curve["network"], fontsize=9)
    lower.set_xlabel(curve["axis"])
    if any(lines):
        lower.legend(fontsize=7)
