"""Where a picture is drawn."""

from __future__ import annotations

from typing import Any

from chainrule.errors import MissingExtraError


def axes(ax: Any) -> Any:
    """Return the axes to draw in.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise MissingExtraError("matplotlib", "plot", "drawing") from None
    return pyplot.subplots(layout="constrained")[1]
