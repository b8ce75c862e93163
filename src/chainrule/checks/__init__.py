"""Gradients compared with independent ones."""

from __future__ import annotations

from chainrule.checks.checking import REFERENCES, check_gradients
from chainrule.checks.report import Culprit, GradientCheck, ParameterCheck

__all__ = ["REFERENCES", "Culprit", "GradientCheck", "ParameterCheck", "check_gradients"]
