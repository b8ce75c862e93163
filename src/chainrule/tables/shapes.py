"""The functions that make inputs of numbers, for training and for models read from files."""

from __future__ import annotations

import numpy as np

from chainrule.numerics import Array

FARTHEST = 1e15
"""Scaled numbers beyond it are as good as infinite, and have squares that may overflow."""


def soft(z: Array) -> Array:
    """Return z / sqrt(1 + (z/3)^2), which stays between -3 and 3, as float32."""
    z = np.clip(z, -FARTHEST, FARTHEST)
    return (z / np.sqrt(1 + (z / 3) * (z / 3))).astype(np.float32)


def cycle(days: Array, period: float, harmonic: int) -> Array:
    """Return where in a cycle dates are: the sine and the cosine of its angle, as float32.

    Parameters
    ----------
    days : array of shape (n,)
        Since 1970, times of day as fractions.
    period : float
        The days of a cycle.
    harmonic : int
        How often it goes around in that time.

    Returns
    -------
    array of shape (n, 2)

    Examples
    --------
    >>> cycle(np.array([0.0, 0.25, 7.5]), period=1.0, harmonic=1).round(3).tolist()
    [[0.0, 1.0], [1.0, 0.0], [0.0, -1.0]]
    """
    angle = 2 * np.pi * harmonic * ((days % period) / period)
    return np.column_stack([np.sin(angle), np.cos(angle)]).astype(np.float32)


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
