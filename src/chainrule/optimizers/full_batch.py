"""Methods that see all the data at once: they have no update of one step, but their own loops."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar

from chainrule.errors import InputError
from chainrule.optimizers.checking import require_numbers_in_range


@dataclass(frozen=True)
class FullBatch:
    """Base class of the methods that see all the data at once, and have no update of one step."""

    name: ClassVar[str]
    """What ``fit`` takes and histories and errors call it."""
    whole_batch: ClassVar[bool] = True


@dataclass(frozen=True)
class LBFGS(FullBatch):
    """L-BFGS-B (Byrd, Lu, Nocedal and Zhu 1995, SIAM J. Sci. Comput. 16, 1190-1208), scipy's.

    An epoch is one iteration. Training has converged when no entry of the gradient is larger than
    `gradient_tolerance`, or when an iteration lowers the objective f (C with its penalty) to f'
    with f - f' <= `loss_tolerance` max(f, f', 1).

    Parameters
    ----------
    gradient_tolerance : float, default 1e-5
        At least 0.
    loss_tolerance : float, default 2.2e-9
        At least 0; ten million times the relative rounding of float64.
    max_evaluations : int, optional
        Training ends after the iteration in which C has been evaluated more often than this; by
        default 20 times the number of epochs, and 20.
    """

    gradient_tolerance: float = 1e-5
    loss_tolerance: float = 2.220446049250313e-09
    max_evaluations: int | None = None

    name = "lbfgs"

    def __post_init__(self) -> None:
        """Check that every number is in its range."""
        require_numbers_in_range(self)
        most = self.max_evaluations
        if most is not None and not (isinstance(most, Integral) and most >= 1):
            raise InputError(
                "max_evaluations of LBFGS must be a whole number of at least 1, or None, but is "
                f"{most!r}"
            )


@dataclass(frozen=True)
class LevenbergMarquardt(FullBatch):
    """Levenberg-Marquardt (Marquardt 1963), for squared errors and some thousand parameters.

    An epoch is one step.
    """

    name = "lm"
