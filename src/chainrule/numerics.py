"""Scalar functions that neither overflow nor lose their small values.

They act on every element, keep float32, let a NaN through, and take complex arguments
(analytic on each side of a kink), so that gradients can be checked by a complex step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

Interval = tuple[float, float]
EVERYWHERE: Interval = (-math.inf, math.inf)
POSITIVE: Interval = (0, math.inf)

# Above this, `exp` goes on as its tangent. exp(64) is 6e27, so that even at an argument of
# 1e4 the value is finite in float32.
EXP_LIMIT = 64.0


def magnitude(x: Array) -> Array:
    """Return |x|; for a complex x, the branch of it that is analytic."""
    return np.maximum(x, -x)


def exp(x: Array, limit: float = EXP_LIMIT) -> Array:
    """Return exp(x), continued by its tangent above `limit`."""
    return np.exp(np.minimum(x, limit)) * (1 + np.maximum(x - limit, 0))


def exp_prime(x: Array, limit: float = EXP_LIMIT) -> Array:
    """Return the derivative of `exp`."""
    return np.exp(np.minimum(x, limit))


def exp_double_prime(x: Array, limit: float = EXP_LIMIT) -> Array:
    """Return the derivative of `exp_prime`: 0 where `exp` is its tangent."""
    return np.where(x > limit, 0, exp_prime(x, limit))


def log_exp(x: Array) -> Array:
    """Return the logarithm of ``exp(x)``: x, but for its continuation."""
    return np.minimum(x, EXP_LIMIT) + np.log1p(np.maximum(x - EXP_LIMIT, 0))


def log_exp_prime(x: Array) -> Array:
    """Return the derivative of `log_exp`."""
    return 1 / (1 + np.maximum(x - EXP_LIMIT, 0))


def _floor(x: Array) -> float:
    # Far enough above the smallest normal number that even 1 / floor**2 is finite.
    return float(np.finfo(x.dtype).tiny) ** 0.25


def log(x: Array) -> Array:
    """Return log(x), continued by its tangent below 3e-10 (float32) or 1e-77 (float64).

    An output that underflowed to zero then has a large loss, not an infinite one.
    """
    floor = _floor(x)
    return np.log(np.maximum(x, floor)) + np.minimum(x - floor, 0) / floor


def log_prime(x: Array) -> Array:
    """Return the derivative of `log`."""
    return 1 / np.maximum(x, _floor(x))


def reciprocal(x: Array) -> Array:
    """Return 1 / x, continued by its tangent where `log` is."""
    floor = _floor(x)
    return 1 / np.maximum(x, floor) - np.minimum(x - floor, 0) / floor**2


def reciprocal_prime(x: Array) -> Array:
    """Return the derivative of `reciprocal`."""
    return -1 / np.maximum(x, _floor(x)) ** 2


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x))."""
    z = np.exp(-magnitude(x))  # of a negative number only: it cannot overflow
    return np.asarray(np.where(x.real >= 0, 1, z) / (1 + z))


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)); its derivative is `sigmoid`."""
    return np.asarray(np.maximum(x, 0) + log1p(np.exp(-magnitude(x))))


def log1p(z: Array) -> Array:
    """Return log(1 + z), also for complex z."""
    if not np.iscomplexobj(z):
        return np.asarray(np.log1p(z))
    # NumPy's own forms 1 + z first, which loses a small z
    square = z.real * (2 + z.real) + z.imag**2
    return np.asarray(np.log1p(square) / 2 + 1j * np.arctan2(z.imag, 1 + z.real))


def softmax(x: Array) -> Array:
    """Return exp(x_j) / sum_k exp(x_k) along the last axis; the gradient of `log_sum_exp`."""
    e = np.exp(x - x.real.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def log_sum_exp(x: Array) -> Array:
    """Return log(sum_k exp(x_k)) along the last axis, which is kept with length 1."""
    largest = x.real.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(x - largest).sum(axis=-1, keepdims=True)) + largest)


def normal_cdf(x: Array) -> Array:
    """Return the cumulative distribution function of the standard normal."""
    from scipy.special import erfc  # here, because importing it takes longer than NumPy itself

    return np.asarray(0.5 * erfc(-np.sqrt(0.5) * x)).astype(x.dtype, copy=False)


def normal_pdf(x: Array) -> Array:
    """Return the density of the standard normal, the derivative of `normal_cdf`."""
    return np.asarray(np.exp(-0.5 * x * x) * float(1 / np.sqrt(2 * np.pi)))
