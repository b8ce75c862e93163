"""Our derivatives beside those of a reference, entry by entry."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.checks.report import ParameterCheck
from chainrule.numerics import Array

OneSided = Callable[[int], tuple[float, float]]
"""From a place in a point to the derivatives of C by that entry from both sides."""
_MOVES = 4


@dataclass(frozen=True)
class Comparison:
    """What is compared: C's derivatives at a point, the parameters and then the inputs."""

    point: Array
    cost: float
    gradient_at: Callable[[Array], Array]
    """Ours."""
    reference_at: Callable[[Array], OneSided]
    nearer: OneSided | None
    """Differences with a shorter step, where the reference has steps."""
    digits: float
    """The digits that it is not asked for: moving the point by so much should change nothing."""
    tolerance: float
    max_entries: int
    rng: np.random.Generator

    def of(self, name: str, places: Array) -> ParameterCheck:
        """Compare one array, given the places of its entries."""
        chosen = np.arange(places.size)
        if places.size > self.max_entries:
            chosen = np.sort(self.rng.choice(places.size, self.max_entries, replace=False))
        at = places.ravel()[chosen]
        gradient = self._ours[at]
        left, right = (
            np.array(side) for side in zip(*(self._reference(int(i)) for i in at), strict=True)
        )
        expected = (left + right) / 2
        scale = np.maximum(np.abs(gradient), np.abs(expected))
        largest = max(float(np.abs(expected).max()), abs(self.cost), 1e-300)
        scale = np.maximum(scale, 1e-6 * largest)
        error = np.abs(gradient - expected) / scale
        kink = self._on_kinks(at, left, right, scale)
        error[kink] = 0
        uncertain = 0
        for k in np.flatnonzero(error > self.tolerance):
            if self._beyond_doubt(int(at[k])) <= self.tolerance * scale[k]:
                error[k] = 0
                uncertain += 1
        error[np.isnan(error)] = math.inf
        worst = int(np.argmax(error))
        return ParameterCheck(
            name=name,
            size=places.size,
            checked=len(chosen),
            kinks=int(kink.sum()),
            uncertain=uncertain,
            error=float(error[worst]),
            index=tuple(int(i) for i in np.unravel_index(chosen[worst], places.shape)),
            gradient=float(gradient[worst]),
            expected=float(expected[worst]),
        )

    def _on_kinks(self, at: Array, left: Array, right: Array, scale: Array) -> Array:
        """Return where the derivatives from both sides differ, and ours lies between them."""
        slack = 100 * self.tolerance * scale
        low, high = np.minimum(left, right), np.maximum(left, right)
        gap = high - low
        gradient = self._ours[at]
        kink = (gap > slack) & (gradient >= low - slack) & (gradient <= high + slack)
        if self.nearer is not None and kink.any():
            # A smooth function has a gap too, but one that shrinks with the step.
            near = (self.nearer(int(i)) for i in at[kink])
            kink[kink] = [abs(a - b) > g / 2 for (a, b), g in zip(near, gap[kink], strict=True)]
        return np.asarray(kink)

    def _beyond_doubt(self, i: int) -> float:
        """Return how far our derivative and the reference are apart close by, at the least.

        Where C bends sharply or digits are lost, both are uncertain. How much, is seen where the
        point is moved by digits that should not matter.
        """
        references = [sum(there(i)) / 2 for there in (self._reference, *self._references_close_by)]
        ours = [float(there[i]) for there in (self._ours, *self._ours_close_by)]
        uncertain = np.ptp(references) + np.ptp(ours)
        apart = abs(min(references) + max(references) - min(ours) - max(ours)) / 2
        return max(float(apart - 1.5 * uncertain), 0.0)

    @functools.cached_property
    def _ours(self) -> Array:
        return self.gradient_at(self.point)

    @functools.cached_property
    def _reference(self) -> OneSided:
        return self.reference_at(self.point)

    @functools.cached_property
    def _close_by(self) -> list[Array]:
        moves = np.random.default_rng(0).choice([-1, 1], (_MOVES, len(self.point)))
        return [self.point * (1 + self.digits * move) for move in moves]

    @functools.cached_property
    def _ours_close_by(self) -> list[Array]:
        return [self.gradient_at(point) for point in self._close_by]

    @functools.cached_property
    def _references_close_by(self) -> list[OneSided]:
        return [self.reference_at(point) for point in self._close_by]
