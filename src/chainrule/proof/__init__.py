"""The proof that the code which trains is the derivative: the equations run on symbols."""

from __future__ import annotations

from chainrule.proof.proving import prove
from chainrule.proof.report import Difference, Proof

__all__ = ["Difference", "Proof", "prove"]
