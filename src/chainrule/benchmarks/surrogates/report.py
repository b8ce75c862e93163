"""The curves as tables and as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from chainrule.benchmarks.surrogates.measuring import Curve, median_time_to, middle
from chainrule.errors import MissingExtraError

_OURS = "chainrule lm"


def names(curves: Sequence[Curve], field: str) -> list[str]:
    """Return the problems or methods in the order in which they came."""
    return list(dict.fromkeys(getattr(curve, field) for curve in curves))


def errors(curves: list[Curve]) -> list[str]:
    """Return a table of the last errors at fresh points, medians over the seeds."""
    problems, methods = names(curves, "problem"), names(curves, "method")
    lines = [f"| RMSE | {' | '.join(methods)} |", f"| --- |{' ---: |' * len(methods)}"]
    for problem in problems:
        row = [middle(curves, problem, method) for method in methods]
        cells = [f"{c.test[-1]:.1e} ({c.seconds[-1]:.3g} s)" if c else "" for c in row]
        lines.append(f"| {problem} | {' | '.join(cells)} |")
    return lines


def times(curves: list[Curve]) -> list[str]:
    """Return how much later each method has the error that it ends with than we have it.

    For each seed, its error is the smallest that it reached, and its time that of the first
    within 5% of it.
    """
    problems = names(curves, "problem")
    methods = [method for method in names(curves, "method") if method != _OURS]
    lines = [
        f"| time over that of lm | {' | '.join(methods)} |",
        f"| --- |{' ---: |' * len(methods)}",
    ]
    for problem in problems:
        cells = []
        for method in methods:
            found = [c for c in curves if (c.problem, c.method) == (problem, method) and c.test]
            ratios = [r for c in found if (r := _later(c, curves)) is not None]
            cells.append(f"{median(ratios):.3g}" if ratios else "")
        lines.append(f"| {problem} | {' | '.join(cells)} |")
    return lines


def _later(curve: Curve, curves: list[Curve]) -> float | None:
    """Return its time over ours to the same error; 0 where we do not get there."""
    target = 1.05 * min(curve.test)
    for ours in curves:
        if (ours.problem, ours.seed, ours.method) == (curve.problem, curve.seed, _OURS):
            return curve.time_to(target) / ours.time_to(target)
    return None


def to_a_thousandth(curves: list[Curve]) -> list[str]:
    """Return the median times to an RMSE of 1e-3."""
    problems, methods = names(curves, "problem"), names(curves, "method")
    lines = [f"| s to RMSE 1e-3 | {' | '.join(methods)} |", f"| --- |{' ---: |' * len(methods)}"]
    for problem in problems:
        found = [median_time_to(curves, problem, method, 1e-3) for method in methods]
        cells = ["-" if math.isinf(t) else f"{t:.2g}" for t in found]
        lines.append(f"| {problem} | {' | '.join(cells)} |")
    return lines


def draw(curves: list[Curve], path: Path) -> None:
    """Write a PNG: RMSE against time, a panel for each problem, the middle seed of each method.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # without pyplot, which would look for a display
    except ImportError:
        raise MissingExtraError("matplotlib", "plot", "the picture of the curves") from None

    problems, methods = names(curves, "problem"), names(curves, "method")
    figure = Figure(figsize=(10.5, 3.3 * math.ceil(len(problems) / 3)), layout="constrained")
    axes: Any = figure.subplots(math.ceil(len(problems) / 3), min(3, len(problems)), squeeze=False)
    colours = dict(zip(methods, _COLOURS, strict=False))
    for panel, problem in zip(axes.flat, problems, strict=False):
        for method in methods:
            curve = middle(curves, problem, method)
            if curve:
                panel.loglog(
                    curve.seconds, curve.test, color=colours[method], label=method,
                    linewidth=2 if method == _OURS else 1.2,
                )  # fmt: skip
        panel.set_title(problem.replace("_", " "), fontsize=9)
        panel.set_xlabel("seconds", fontsize=8)
        panel.grid(alpha=0.25)
        panel.tick_params(labelsize=7)
    for panel in axes[:, 0]:
        panel.set_ylabel("RMSE at fresh points", fontsize=8)
    for panel in axes.flat[len(problems) :]:
        panel.set_visible(False)
    axes.flat[0].legend(fontsize=6)
    figure.savefig(path, dpi=150)


_COLOURS = (
    "#0b6e99", "#4caf87", "#7a5fb0", "#999999", "#c8602a", "#b03060", "#b59a00", "#333333",
)  # fmt: skip
