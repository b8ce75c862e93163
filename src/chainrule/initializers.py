"""Initial weights: functions of a random generator and a shape (n_out, n_in).

Biases start at zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from chainrule.errors import InputError, require_choice
from chainrule.numerics import Array

Initializer = Callable[[np.random.Generator, tuple[int, int]], Array]


def he(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Return normal weights of variance 2 / n_in (He et al. 2015, arXiv:1502.01852).

    Keeps the scale of the signal through layers of relu.
    """
    return rng.normal(0, math.sqrt(2 / shape[1]), shape)


def glorot(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Return uniform weights of variance 2 / (n_in + n_out).

    Glorot and Bengio 2010, AISTATS, equation 16; for tanh and sigmoid.
    """
    bound = math.sqrt(6 / (shape[0] + shape[1]))
    return rng.uniform(-bound, bound, shape)


def lecun(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Return normal weights of variance 1 / n_in (LeCun et al. 1998, "Efficient BackProp")."""
    return rng.normal(0, math.sqrt(1 / shape[1]), shape)


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Return standard normal weights, the simplest choice of the textbooks."""
    return rng.normal(0, 1, shape)


NAMED: dict[str, Initializer] = {"he": he, "glorot": glorot, "lecun": lecun, "normal": normal}


def get(initializer: str | Initializer) -> Initializer:
    """Return the initializer of that name, or `initializer` itself if it is callable.

    Raises
    ------
    InputError
        If there is none of that name; the closest is named.

    Examples
    --------
    >>> get("he").__name__
    'he'
    """
    if callable(initializer):
        return initializer
    return NAMED[require_choice("weight_init", initializer, [*NAMED, "auto"])]


def draw(initializer: Initializer, rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Return weights of that shape.

    Raises
    ------
    InputError
        If a callable of the user's returns another shape or something not finite.
    """
    weights = np.asarray(initializer(rng, shape))
    if weights.shape != shape or not np.isfinite(weights).all():
        raise InputError(
            "weight_init must return finite weights of shape (n_out, n_in) = "
            f"{shape}, but returned shape {weights.shape}"
        )
    return weights
