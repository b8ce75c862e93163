"""Methods that see all the data at once: they have no update of one step, but their own loops."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar

from chainrule.errors import InputError, require_choice
from chainrule.optimizers.checking import require_numbers_in_range

LINEAR_SOLVERS = ("auto", "cholesky", "cg")


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
    """Levenberg-Marquardt, for any loss that has a curvature; an epoch is one step.

    With the gradient g of the objective f (C with its penalty) and its generalised Gauss-Newton
    matrix G (for the squared error J^T J / n; Schraudolph 2002, Neural Comput. 14, 1723-1738), a
    step solves

    (G + mu D) delta = -g,  D = diag(G) + mean(diag(G)) / 10

    (Marquardt 1963, J. SIAM 11, 431-441; the mean keeps parameters with little influence, such as
    those of a saturated unit, from running away). The damping mu follows the ratio of actual to
    predicted decrease (Nielsen 1999, IMM-REP-1999-05). Arithmetic is in float64 whatever the
    network's dtype, to which the result is rounded.

    Parameters
    ----------
    damping : float, default 1.0
        mu before the first step; above 0.
    acceleration : bool, default True
        Whether a step follows the curve of the outputs to second order (the geodesic acceleration
        of Transtrum and Sethna 2012, arXiv:1201.5885), for three more predictions and a gradient.
    gradient_tolerance : float, default 1e-10
        Training has converged when |g_j| <= `gradient_tolerance` sqrt(2 f G_jj) for all
        parameters j: for the squared error, when no column of the Jacobian has a larger cosine with
        the residuals.
    step_tolerance : float, default 1e-10
        Or when a step is shorter than this fraction of the length of all parameters.
    loss_tolerance : float, default 1e-8
        Or when each of the last `patience` steps lowered f by no more than this fraction of it.
    patience : int, default 5
        At least 1.
    linear_solver : {"auto", "cholesky", "cg"}, default "auto"
        How a step is solved for: by the Cholesky factor of the matrix, which takes 16 bytes times
        the square of the number of parameters; or by conjugate gradients, which need products with
        G alone, and end when they no longer pay. ``"auto"`` takes the matrix up to 8,000
        parameters. The history tells which it was.
    """

    damping: float = 1.0
    acceleration: bool = True
    gradient_tolerance: float = 1e-10
    step_tolerance: float = 1e-10
    loss_tolerance: float = 1e-8
    patience: int = 5
    linear_solver: str = "auto"

    name = "lm"

    def __post_init__(self) -> None:
        """Check that every number is in its range."""
        require_numbers_in_range(self)
        require_choice("linear_solver", self.linear_solver, LINEAR_SOLVERS)
        if self.damping == 0:
            raise InputError(
                "damping of LevenbergMarquardt must be above 0, because it is multiplied until a "
                "step helps, but is 0: take the default, 1.0, or less if the start is good"
            )
        if not (isinstance(self.patience, Integral) and self.patience >= 1):
            raise InputError(
                "patience of LevenbergMarquardt must be a whole number of steps of at least 1, but "
                f"is {self.patience!r}"
            )


@dataclass(frozen=True)
class Auto(FullBatch):
    """Adam, L-BFGS or Levenberg-Marquardt, chosen by the network, the samples and the loss.

    The rule is in `chainrule.training.choosing`; the history says which one it was, and why.
    """

    name = "auto"
