"""Whether the other tool predicts what we do, asked before a file is left behind."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import VerificationError
from chainrule.interchange.models import Model
from chainrule.numerics import Array


@dataclass(frozen=True)
class Verification:
    """What a comparison of the other tool's predictions with ours came to.

    Examples
    --------
    >>> print(Verification("ONNX Runtime", 3e-7, 1000))
    max difference 3e-07 over 1,000 rows (ONNX Runtime)
    >>> print(Verification("gcc", remedy="install a C compiler"))
    not verified: gcc is not there; install a C compiler and export again
    """

    tool: str
    """What was asked."""
    difference: float = math.nan
    """The largest between two outputs; NaN if the tool is not installed."""
    rows: int = 0
    remedy: str = ""
    """How to get a tool that is not installed."""
    note: str = ""
    """What else is to be known, such as what int8 costs."""

    @property
    def verified(self) -> bool:
        """Whether there was a tool to ask."""
        return not self.remedy

    def __str__(self) -> str:
        if not self.verified:
            return f"not verified: {self.tool} is not there; {self.remedy} and export again"
        rows = f"{self.rows:,} row{'s' if self.rows > 1 else ''}"
        note = f"; {self.note}" if self.note else ""
        return f"max difference {self.difference:.1g} over {rows} ({self.tool}){note}"

    def told(self) -> Verification:
        """Return this after a warning if there was no tool to ask.

        Warns
        -----
        UserWarning
            If it is not verified.
        """
        if not self.verified:
            warnings.warn(str(self), stacklevel=3)
        return self


def compare(
    tool: str,
    theirs: Array,
    model: Model,
    examples: tuple[Any, Array],
    dtype: str | None = None,
    note: str = "",
) -> Verification:
    """Return how far two predictions are apart.

    Parameters
    ----------
    tool : str
        Whose the first is.
    theirs : array of shape (n, width)
        Its predictions.
    model : Model
        Whose they are; says how much rounding explains.
    examples : samples and array of shape (n, width)
        From `Model.examples`: what was predicted, and our predictions.
    dtype : {"float32", "float64"}, optional
        The precision of the tool's arithmetic, by default that of the network.
    note : str, optional
        What else is to be known.

    Raises
    ------
    VerificationError
        If they differ by more than rounding explains, or in shape.
    """
    given, ours = examples
    if theirs.shape != ours.shape:
        raise VerificationError(
            f"{tool} gives predictions of shape {theirs.shape} instead of {ours.shape}, so nothing "
            "was written: please report it, with the network's summary"
        )
    apart = _apart(theirs, ours)
    if (wrong := (apart > model.tolerances(given, dtype)).any(axis=1)).any():
        row = int(wrong.argmax())
        raise VerificationError(
            f"{tool} predicts {_few(theirs[row])} for a sample of which chainrule predicts "
            f"{_few(ours[row])}, more apart than rounding explains, so nothing was written: please "
            "report it, with the network's summary"
        )
    return Verification(tool, float(apart.max()), len(ours), note=note)


def _apart(theirs: Array, ours: Array) -> Array:
    """Return how far each is from the other; what is equal, infinities too, is not apart."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(theirs.astype(np.float64) - ours.astype(np.float64))
    same = (theirs == ours) | (np.isnan(theirs) & np.isnan(ours))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))


def _few(numbers: Array) -> str:
    shown = ", ".join(f"{number:.7g}" for number in np.ravel(numbers)[:4])
    return shown + (", ..." if np.size(numbers) > 4 else "")
