"""Losses: each value beside its derivative and its curvature.

A loss compares outputs with targets; a sample is a row in both. Its value is summed over the
outputs and averaged over the samples, as the cost C of the derivation is; with sample
weights, the average is the weighted one. Where a loss and an output activation cancel
(softmax with cross-entropy, ...), the pair is computed from the pre-activations, which
neither overflows nor divides zero by zero.

The curvature is what second-order methods take for the second derivative: never negative, so
that their quadratic model has a minimum. Of squared_error and cross_entropy it is the second
derivative itself. Of losses that are likelihoods (poisson, gamma, binary_cross_entropy,
gaussian_nll) it is its expectation over targets that are distributed as the outputs say (Fisher's
information), which no single target can spoil. Of huber and log_cosh it is derivative / (p - y),
that of the parabola which touches the loss in p from above (iteratively reweighted least squares;
Holland and Welsch 1977, Commun. Stat. 6, 813-827). Losses with corners have none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np

from chainrule import numerics
from chainrule.errors import InputError, require_choice
from chainrule.naming import Named, parameter_of
from chainrule.numerics import EVERYWHERE, POSITIVE, Array, Interval

LossFunction = Callable[[Array, Array], Array]

# gaussian_nll: below this log-variance (a variance of 1e-6) the precision goes on as its
# tangent, so that it can neither overflow nor get stuck.
_LOG_VARIANCE_FLOOR = math.log(1e-6)


@dataclass(frozen=True)
class Folded:
    """A loss taken together with one output activation, from the pre-activations x.

    Both take ``(x, outputs, targets)``.
    """

    value: Callable[[Array, Array, Array], Array]
    derivative: Callable[[Array, Array, Array], Array]
    """The derivative by x."""
    curvature: Callable[[Array, Array, Array], Array] | None = None
    """The curvature by x: that of each entry, h. Where the activation is softmax, all outputs of
    a sample together have the curvature diag(h) - h h^T / sum(h)."""


@dataclass(frozen=True, eq=False, repr=False)
class Loss(Named):
    """A loss function and its derivative by the outputs.

    Parameters
    ----------
    name : str
        What histories, summaries and files call it.
    value : callable
        ``value(outputs, targets)``, both of shape (n, n_outputs): the loss of every entry,
        in that shape, or of every sample, of shape (n,). Do not sum or average over the
        samples: the caller does, with the sample weights.
    derivative : callable
        ``derivative(outputs, targets)``: the derivative of each sample's loss by its
        outputs, of shape (n, n_outputs).
    curvature : callable, optional
        ``curvature(outputs, targets)``: what second-order methods take for the second derivative
        of each entry by its output, none negative, of shape (n, n_outputs). Without it, they
        refuse this loss.
    domain : tuple of float, default (-inf, inf)
        The interval in which the loss is defined; an output activation with values outside
        it is refused.
    targets : tuple of float, default (-inf, inf)
        The interval in which targets make sense; `fit` refuses others.
    folded : mapping, optional
        From the name of an output activation to the pair's `Folded` form.
    outputs_per_target : int, default 1
        How many outputs describe one target: 2 for `gaussian_nll`.
    check : bool, default True
        Whether a network compares `derivative` with finite differences of `value` when it
        first uses this loss (see `check_derivative`).
    own : bool, default True
        Whether it was defined by a user; those of this module set it to False.

    Examples
    --------
    >>> import numpy as np
    >>> quartic = Loss("quartic", lambda p, y: (p - y) ** 4, lambda p, y: 4 * (p - y) ** 3)
    >>> quartic.per_sample(np.array([[2.0, 1.0]]), np.array([[0.0, 0.0]]))
    array([17.])
    """

    name: str
    value: LossFunction
    derivative: LossFunction
    _: KW_ONLY
    curvature: LossFunction | None = None
    domain: Interval = EVERYWHERE
    targets: Interval = EVERYWHERE
    folded: Mapping[str, Folded] = field(default_factory=dict)
    outputs_per_target: int = 1
    check: bool = True
    own: bool = True

    def per_sample(self, outputs: Array, targets: Array) -> Array:
        """Return the loss of each sample, of shape (n,)."""
        return _sum_outputs(self.name, self.value(outputs, targets), len(outputs))


def _sum_outputs(name: str, value: Array, n: int) -> Array:
    value = np.asarray(value)
    if value.ndim == 2 and len(value) == n:
        return np.asarray(value.sum(axis=1))
    if value.shape == (n,):
        return value
    raise InputError(
        f"the value of loss {name!r} must have the shape of the outputs or one entry a "
        f"sample ({n},), but has shape {value.shape}: return it without summing or "
        "averaging over the samples"
    )


def _built_in(name: str, value: LossFunction, derivative: LossFunction, **more: Any) -> Loss:
    return Loss(name, value, derivative, own=False, **more)


def _ratio(a: Array, b: Array) -> Array:
    """Return a / b, and 1 where b is 0."""
    return np.divide(a, b, out=np.ones_like(a), where=b != 0)


squared_error = _built_in(
    "squared_error",
    lambda p, y: (p - y) ** 2 / 2,
    lambda p, y: p - y,
    curvature=lambda p, y: np.ones_like(p),
)
absolute_error = _built_in(
    "absolute_error", lambda p, y: numerics.magnitude(p - y), lambda p, y: np.sign(p - y)
)
log_cosh = _built_in(
    "log_cosh",
    # log((e^d + e^-d) / 2), with the larger exponential taken out
    lambda p, y: (
        numerics.softplus(-2 * numerics.magnitude(p - y)) + numerics.magnitude(p - y) - math.log(2)
    ),
    lambda p, y: np.tanh(p - y),
    curvature=lambda p, y: _ratio(np.tanh(p - y), p - y),
)
hinge = _built_in(
    "hinge",
    lambda p, y: np.maximum(1 - y * p, 0),
    lambda p, y: np.where(y * p < 1, -y, 0),
    targets=(-1, 1),
)
cross_entropy = _built_in(
    "cross_entropy",
    lambda p, y: -y * numerics.log(p),
    lambda p, y: -y * numerics.log_prime(p),
    curvature=lambda p, y: y * numerics.log_prime(p) ** 2,
    domain=(0, 1),
    targets=(0, 1),
    folded={
        "softmax": Folded(
            lambda x, p, y: y * (numerics.log_sum_exp(x) - x),
            # p - y where the targets of a sample sum to one
            lambda x, p, y: p * y.sum(axis=1, keepdims=True) - y,
            lambda x, p, y: p * y.sum(axis=1, keepdims=True),
        )
    },
)
binary_cross_entropy = _built_in(
    "binary_cross_entropy",
    lambda p, y: -y * numerics.log(p) - (1 - y) * numerics.log(1 - p),
    lambda p, y: (1 - y) * numerics.log_prime(1 - p) - y * numerics.log_prime(p),
    curvature=lambda p, y: numerics.log_prime(p) + numerics.log_prime(1 - p),  # 1 / (p (1 - p))
    domain=(0, 1),
    targets=(0, 1),
    folded={
        "sigmoid": Folded(
            lambda x, p, y: numerics.softplus(x) - y * x,
            lambda x, p, y: p - y,
            lambda x, p, y: p * (1 - p),
        )
    },
)
poisson = _built_in(
    "poisson",
    lambda p, y: p - y * numerics.log(p),
    lambda p, y: 1 - y * numerics.log_prime(p),
    curvature=lambda p, y: numerics.log_prime(p),
    domain=POSITIVE,
    targets=POSITIVE,
    folded={
        "exponential": Folded(
            lambda x, p, y: p - y * numerics.log_exp(x),
            lambda x, p, y: numerics.exp_prime(x) - y * numerics.log_exp_prime(x),
            lambda x, p, y: numerics.exp_prime(x),
        )
    },
)
gamma = _built_in(
    "gamma",
    lambda p, y: numerics.log(p) + y * numerics.reciprocal(p),
    lambda p, y: numerics.log_prime(p) + y * numerics.reciprocal_prime(p),
    curvature=lambda p, y: numerics.log_prime(p) ** 2,
    domain=POSITIVE,
    targets=POSITIVE,
    folded={
        "exponential": Folded(
            lambda x, p, y: numerics.log_exp(x) + y * numerics.exp(-x),
            lambda x, p, y: numerics.log_exp_prime(x) - y * numerics.exp_prime(-x),
            lambda x, p, y: np.ones_like(x),
        )
    },
)


def _split(outputs: Array) -> tuple[Array, Array]:
    """Return the means and the log-variances."""
    k = outputs.shape[1] // 2
    return outputs[:, :k], outputs[:, k:]


def _gaussian_nll(outputs: Array, y: Array) -> Array:
    mean, log_variance = _split(outputs)
    precision = numerics.exp(-log_variance, limit=-_LOG_VARIANCE_FLOOR)
    return (log_variance + (mean - y) ** 2 * precision) / 2


def _gaussian_nll_prime(outputs: Array, y: Array) -> Array:
    mean, log_variance = _split(outputs)
    precision = numerics.exp(-log_variance, limit=-_LOG_VARIANCE_FLOOR)
    precision_prime = -numerics.exp_prime(-log_variance, limit=-_LOG_VARIANCE_FLOOR)
    by_log_variance = (1 + (mean - y) ** 2 * precision_prime) / 2
    return np.concatenate([(mean - y) * precision, by_log_variance], axis=1)


def _gaussian_nll_curvature(outputs: Array, y: Array) -> Array:
    del y  # whose distance from the mean is expected to be as large as the variance says
    _, log_variance = _split(outputs)
    precision = numerics.exp(-log_variance, limit=-_LOG_VARIANCE_FLOOR)
    return np.concatenate([precision, np.full_like(precision, 0.5)], axis=1)


gaussian_nll = _built_in(
    "gaussian_nll",
    _gaussian_nll,
    _gaussian_nll_prime,
    curvature=_gaussian_nll_curvature,
    outputs_per_target=2,
)


DEFAULTS = {"huber": 1.0}
"""The parameters of the families where a name has none."""


def _huber(name: str, delta: float = DEFAULTS["huber"]) -> Loss:
    def value(p: Array, y: Array) -> Array:
        inside = np.minimum(numerics.magnitude(p - y), delta)
        return inside * (numerics.magnitude(p - y) - inside / 2)

    return _built_in(
        name,
        value,
        lambda p, y: np.clip(p - y, -delta, delta),
        curvature=lambda p, y: delta / np.maximum(numerics.magnitude(p - y), delta),
    )


huber = _huber("huber")


def quantile(q: float = 0.5) -> Loss:
    """Return the pinball loss, which the conditional quantile of level `q` minimises.

    ``q (y - p)`` where the output p is below the target y, ``(1 - q) (p - y)`` above it
    (Koenker and Bassett 1978, Econometrica 46, 33-50).

    Parameters
    ----------
    q : float, default 0.5
        The level, strictly between 0 and 1; 0.5 is the median.

    Raises
    ------
    InputError
        If `q` is not between 0 and 1.

    Examples
    --------
    >>> quantile(0.9)
    <Loss quantile(0.9)>
    """
    if not 0 < q < 1:
        raise InputError(f"quantile takes a level strictly between 0 and 1, but got {q!r}")
    return _built_in(
        f"quantile({float(q)!r})",
        lambda p, y: np.maximum(q * (y - p), (q - 1) * (y - p)),
        lambda p, y: np.where(p < y, -q, np.where(p > y, 1 - q, 0)).astype(p.dtype),
    )


NAMED = {
    loss.name: loss
    for loss in (
        squared_error, cross_entropy, binary_cross_entropy, absolute_error, huber, log_cosh,
        poisson, gamma, hinge, gaussian_nll,
    )
}  # fmt: skip


def get(loss: str | Loss) -> Loss:
    """Return the loss of that name, or `loss` itself if it is one.

    ``"quantile(0.9)"`` and ``"huber(2)"`` take their parameter in parentheses;
    ``"quantile"`` alone is the median.

    Raises
    ------
    InputError
        If there is none of that name; the closest is named.

    Examples
    --------
    >>> get("huber"), get("quantile")
    (<Loss huber>, <Loss quantile(0.5)>)
    """
    if isinstance(loss, Loss):
        return loss
    if loss in (quantile, "quantile"):
        return quantile()
    if found := parameter_of(loss, ["huber", "quantile"]):
        family, value = found
        return quantile(value) if family == "quantile" else _huber(f"huber({value!r})", value)
    return NAMED[require_choice("loss", loss, [*NAMED, "quantile"])]


def require_curvature(loss: Loss) -> LossFunction:
    """Return the curvature of a loss.

    Raises
    ------
    InputError
        If it has none.
    """
    if loss.curvature is None:
        raise InputError(
            f"the loss {loss.name} has no curvature, which second-order methods need: take another "
            "loss, or a first-order optimizer or 'lbfgs'"
        )
    return loss.curvature


def check_derivative(loss: Loss, outputs: Array, targets: Array) -> None:
    """Compare the derivative with central differences of the value, in float64.

    Parameters
    ----------
    loss : Loss
        Your own loss.
    outputs : array of shape (n, n_outputs)
        Where to compare; a few samples will do.
    targets : array of shape (n, n_targets)
        The targets of these samples.

    Raises
    ------
    InputError
        If a shape is wrong or the derivative is not that of the value; the entry where they
        differ most is named.
    """
    # Off any kink, such as outputs that equal their targets.
    outputs = outputs.astype(np.float64) + 1e-3
    targets = targets.astype(np.float64)
    given = np.asarray(loss.derivative(outputs, targets))
    if given.shape != outputs.shape:
        raise InputError(
            f"the derivative of loss {loss.name!r} must have the shape of the outputs "
            f"{outputs.shape}, but has {given.shape}"
        )
    for k in range(outputs.shape[1]):
        h = np.zeros_like(outputs)
        h[:, k] = 1e-6 * np.maximum(1, np.abs(outputs[:, k]))
        up, down = loss.per_sample(outputs + h, targets), loss.per_sample(outputs - h, targets)
        difference = (up - down) / (2 * h[:, k])
        error = np.abs(difference - given[:, k]) / np.maximum(1, np.abs(difference))
        worst = int(np.argmax(error))
        if not error[worst] <= 1e-5:
            raise InputError(
                f"the derivative of loss {loss.name!r} is not that of its value: for output "
                f"{outputs[worst, k]:.6g} and targets {targets[worst].tolist()} it gives "
                f"{given[worst, k]:.6g}, a central difference of the value gives "
                f"{difference[worst]:.6g} (value must not be averaged over the samples)"
            )
