"""Arrays that count the multiplications they take part in.

The equations run on them unchanged, so that what is counted is what the code does, not
what somebody thinks that it does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.numerics import Array


class Tally:
    """A count of multiplications."""

    def __init__(self) -> None:
        self.multiplications = 0

    def array(self, values: Array) -> Array:
        """Return a view of `values` that counts here."""
        view = np.asarray(values).view(_Counted)
        view.tally = self
        return view

    def activation(self, sigma: Any) -> Any:
        """Return an activation whose own arithmetic is not counted, only the equations'."""
        return _Uncounted(sigma, self)


def paths_multiplications(n: Sequence[int], product: bool) -> int:
    """Return what the backward pass of the `paths` form multiplies, for one sample.

    For networks with so many paths that nobody wants to wait for the count. A path to layer L
    has 2 (l - L) + 1 factors, from dC/drho^l down; a weight has phi^(L-1) besides, and an
    input no sigma' of its own.

    Parameters
    ----------
    n : sequence of int
        n_0, ..., n_l.
    product : bool
        Whether dC/drho^l is the product omega^l o sigma'(rho^l), and no closed form.

    Examples
    --------
    >>> paths_multiplications([2, 3, 1], True)
    46
    """
    l = len(n) - 1
    total = n[l] if product else 0
    for L in range(1, l + 1):
        n_paths, each = math.prod(n[L:]), 2 * (l - L)
        total += n_paths * each + n_paths * n[L - 1] * (each + 1)
    return total + math.prod(n) * (2 * l - 1)


class NotedList(list[Any]):
    """A list over the layers 0..l that notes, for each assignment, what the tally then was."""

    def __init__(
        self, symbol: str, l: int, tally: Tally, order: list[tuple[str, int, int]]
    ) -> None:
        super().__init__([None] * (l + 1))
        self.symbol, self.tally, self.order = symbol, tally, order

    def __setitem__(self, L: Any, value: Any) -> None:
        super().__setitem__(L, value)
        self.order.append((self.symbol, L, self.tally.multiplications))


class _Counted(np.ndarray[Any, Any]):
    tally: Tally | None = None

    def __array_finalize__(self, parent: Any) -> None:
        self.tally = getattr(parent, "tally", None)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        result = getattr(ufunc, method)(*(plain(x) for x in inputs), **kwargs)
        tally = next(x.tally for x in inputs if isinstance(x, _Counted))
        if tally is None:
            return result
        if method == "__call__" and ufunc is np.multiply:
            tally.multiplications += np.size(result)
        elif method == "__call__" and ufunc is np.matmul:
            tally.multiplications += np.size(result) * inputs[0].shape[-1]
        return tally.array(result)


class _Uncounted:
    def __init__(self, activation: Any, tally: Tally) -> None:
        self.activation, self.tally = activation, tally

    def sigma(self, rho: Array) -> Array:
        return self.tally.array(self.activation.sigma(plain(rho)))

    def slope(self, rho: Array, phi: Array) -> Array:
        return self.tally.array(self.activation.slope(plain(rho), plain(phi)))


class UncountedCost:
    """A cost whose own arithmetic is not counted."""

    def __init__(self, cost: Any, tally: Tally) -> None:
        self.cost, self.tally = cost, tally

    def omega(self, phi: Array) -> Array:
        """Return dC/dphi^l."""
        return self.tally.array(self.cost.omega(plain(phi)))

    def lambda_(self, rho: Array, phi: Array) -> Array | None:
        """Return dC/drho^l in closed form, or None."""
        closed_form = self.cost.lambda_(plain(rho), plain(phi))
        return None if closed_form is None else self.tally.array(closed_form)


def plain(value: Any) -> Any:
    """Return an array that no longer counts; anything else as it is."""
    return value.view(np.ndarray) if isinstance(value, _Counted) else value
