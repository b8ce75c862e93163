"""Levenberg-Marquardt: Gauss-Newton steps on the squared error, damped until they help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chainrule.architecture import Architecture
from chainrule.engines import Data, EpochLoss
from chainrule.errors import InputError
from chainrule.numerics import Array
from chainrule.training.monitor import Monitor
from chainrule.training.settings import Settings

# J^T J holds the square of this many numbers: 200 MB.
_MOST_PARAMETERS = 5_000
_FIRST_DAMPING, _LARGEST_DAMPING = 1e-3, 1e16


def train(monitor: Monitor, data: Data, settings: Settings) -> None:
    """Minimise the squared error by Levenberg-Marquardt, in place; an epoch is one step.

    With residuals r and their Jacobian J, a step solves
    (J^T J / n + mu D) delta = -J^T r / n, where D is the diagonal of J^T J / n
    (Marquardt 1963, J. SIAM 11, 431-441). The damping mu follows the ratio of actual to
    predicted decrease (Nielsen 1999, IMM-REP-1999-05). Everything is in float64; the
    learning rate, the batch size and the schedule are not used.

    Raises
    ------
    DivergenceError
        If the loss became infinite or NaN.
    """
    architecture, parameters, history = monitor.architecture, monitor.parameters, monitor.history
    double = replace(architecture, dtype="float64")
    l2 = settings.regularization.strengths(data.total_weight())[0] * _is_weight(double)

    def objective(at: Array) -> EpochLoss:
        return EpochLoss(monitor.engine.loss(double, at, data), float((l2 * at * at).sum()) / 2)

    damping, growth = _FIRST_DAMPING, 2.0
    with monitor:
        theta = parameters.astype(np.float64)
        value = sum(objective(theta))
        monitor.require_finite("loss", value)
        for _ in range(settings.epochs):
            _, Jr, JJ = monitor.engine.normal_equations(double, theta, data)
            JJ[np.diag_indices_from(JJ)] += l2
            gradient = Jr + l2 * theta
            diagonal = np.diag(JJ).copy()
            # a parameter without influence must not make the system singular
            diagonal = np.maximum(diagonal, 1e-12 * diagonal.max() + 1e-300)
            while damping <= _LARGEST_DAMPING:
                step = _solve(JJ, damping * diagonal, -gradient)
                trial = EpochLoss(np.inf, 0.0) if step is None else objective(theta + step)
                if step is not None and sum(trial) < value:
                    predicted = float(step @ (damping * diagonal * step - gradient)) / 2
                    gain = (value - sum(trial)) / max(predicted, 1e-300)
                    damping *= max(1 / 3, 1 - (2 * gain - 1) ** 3)
                    damping, growth = max(damping, 1e-15), 2.0
                    break
                damping, growth = damping * growth, growth * 2
            else:
                history.stop_reason = "converged"
                break
            theta, value = theta + step, sum(trial)
            np.copyto(parameters, theta, casting="same_kind")
            if monitor.epoch_done(trial, 1.0):
                break


def refuse_unsuited(architecture: Architecture, settings: Settings) -> None:
    """Refuse a network or a penalty that Levenberg-Marquardt is not for.

    Raises
    ------
    InputError
        If the loss is not the squared error, or J^T J would be too large.
    """
    if architecture.loss.name != "squared_error" or settings.regularization.l1:
        raise InputError(
            f"lm minimises squared_error, with l2 or without, but the network has "
            f"{architecture.loss.name} and l1={settings.regularization.l1:g}: "
            "pass optimizer='lbfgs'"
        )
    if architecture.n_parameters > _MOST_PARAMETERS:
        raise InputError(
            f"lm solves for all parameters at once, at most {_MOST_PARAMETERS:,}, but the network "
            f"has {architecture.n_parameters:,}: take smaller layers, or optimizer='lbfgs'"
        )


def _is_weight(architecture: Architecture) -> Array:
    """Return 1 for every weight and 0 for every bias, flat."""
    flags = np.zeros(architecture.n_parameters)
    for w in architecture.views(flags)[0]:
        w[...] = 1
    return flags


def _solve(JJ: Array, damping: Array, right: Array) -> Array | None:
    """Return the solution of (J^T J + damping) delta = right, None where it has none."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    damped = JJ.copy()
    damped[np.diag_indices_from(damped)] += damping
    try:
        step: Array = cho_solve(cho_factor(damped, overwrite_a=True), right)
    except (LinAlgError, ValueError):  # not positive definite, or not finite
        return None
    return step if np.isfinite(step).all() else None
