"""L-BFGS: all the data in each iteration, in float64 whatever the network's dtype."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.engines import Data, EpochLoss
from chainrule.errors import InputError
from chainrule.numerics import Array
from chainrule.optimizers import LBFGS
from chainrule.training.monitor import Monitor
from chainrule.training.settings import Settings


class _Stop(Exception):
    """Ends scipy's iteration from within."""


def train(monitor: Monitor, data: Data, settings: Settings) -> None:
    """Minimise C by L-BFGS-B, in place; see `chainrule.optimizers.LBFGS`.

    The learning rate, the batch size and the schedule are not used: its line search takes their
    place. With ``l1`` above 0 the objective has kinks that it may stop at.

    Raises
    ------
    DivergenceError
        If the loss became infinite or NaN.
    """
    from scipy.optimize import minimize

    method = settings.optimizer
    assert isinstance(method, LBFGS)
    data = data.in_double()  # once, not in every evaluation
    history, parameters = monitor.history, monitor.parameters
    double = replace(monitor.architecture, dtype="float64")
    regularization, total_weight = settings.regularization, data.total_weight()
    latest = EpochLoss(np.nan, 0.0)

    def objective(theta: Array) -> tuple[float, Array]:
        nonlocal latest
        loss, gradient, _ = monitor.engine.gradients(double, theta, data, inputs=False)
        weights, _ = double.views(theta)
        regularization.add_gradient(double.views(gradient)[0], weights, total_weight)
        latest = EpochLoss(loss, regularization.penalty(weights, total_weight))
        return sum(latest), gradient

    def iteration_done(intermediate_result: Any) -> None:
        np.copyto(parameters, intermediate_result.x, casting="same_kind")
        # the last point that the line search tried is the one it took
        if monitor.epoch_done(latest, 1.0):
            raise _Stop

    with monitor:
        if settings.epochs:
            start = parameters.astype(np.float64)
            monitor.require_finite("loss", objective(start)[0])
            options = {
                "maxiter": settings.epochs,
                "maxfun": method.max_evaluations or 20 * settings.epochs + 20,
                "gtol": method.gradient_tolerance,
                "ftol": method.loss_tolerance,
            }
            try:
                result = minimize(
                    objective, start, jac=True, method="L-BFGS-B", callback=iteration_done,
                    options=options,
                )  # fmt: skip
            except _Stop:
                return
            # status 1: all iterations or evaluations used; above: the line search failed
            if history.epochs < settings.epochs:
                reasons = {0: "converged", 1: "evaluations"}
                history.stop_reason = reasons.get(result.status, str(result.message))


def refuse_unused(settings: Settings, checkpoint: Any, start: Any) -> None:
    """Refuse what the methods that see all data at once cannot do.

    Raises
    ------
    InputError
        Naming the setting and what to do.
    """
    name = settings.optimizer.name
    if settings.regularization.dropout:
        raise InputError(
            f"{name} needs a cost that does not change, but dropout changes it: "
            "pass dropout=0, or another optimizer"
        )
    if settings.regularization.gradient_clip is not None:
        raise InputError(f"{name} chooses its own step: pass gradient_clip=None")
    if checkpoint is not None:
        raise InputError(f"{name} cannot be resumed from a checkpoint: pass checkpoint=None")
    if start is not None:
        raise InputError(f"{name} keeps nothing from one run to the next: pass start=None")
