"""Pictures with matplotlib: each function draws into axes, its own or yours, and returns them.

Needs the extra ``plot``. Where samples are predicted, a network will do as well as an estimator
of scikit-learn's kind.
"""

from __future__ import annotations

from chainrule.plots.inside import activations, lambdas, loss, weights
from chainrule.plots.predictions import (
    calibration,
    confusion,
    decision_regions,
    predicted_against_true,
)

__all__ = [
    "activations",
    "calibration",
    "confusion",
    "decision_regions",
    "lambdas",
    "loss",
    "predicted_against_true",
    "weights",
]
