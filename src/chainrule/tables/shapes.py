"""The functions that make inputs of numbers, for training and for models read from files."""

from __future__ import annotations

import numpy as np

from chainrule.numerics import Array


def soft(z: Array) -> Array:
    """Return z / sqrt(1 + (z/3)^2), which stays between -3 and 3, as float32."""
    return (z / np.hypot(1, z / 3)).astype(np.float32)


def used(knots: Array) -> Array:
    """Return the knots, or none if there are fewer than three."""
    return knots if len(knots) > 2 else knots[:0]


def hats(x: Array, knots: Array) -> Array:
    """Return a function for each knot: 1 there, falling linearly to 0 at its neighbours.

    Parameters
    ----------
    x : array of shape (n,)
        Numbers; those beyond the outer knots count as these.
    knots : array of shape (k,)
        Increasing.

    Returns
    -------
    array of shape (n, k), float32
        None for fewer than three knots.

    Examples
    --------
    >>> hats(np.array([0.5, 9.0]), np.array([0.0, 1.0, 2.0])).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """
    knots = used(knots)
    values = np.zeros((len(x), len(knots)), np.float32)
    if not len(knots):
        return values
    x, rows = x.clip(knots[0], knots[-1]), np.arange(len(x))
    left = np.searchsorted(knots, x, side="right").clip(1, len(knots) - 1) - 1
    values[rows, left + 1] = (x - knots[left]) / (knots[left + 1] - knots[left])
    values[rows, left] = 1 - values[rows, left + 1]
    return values
