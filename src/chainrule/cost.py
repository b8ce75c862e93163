"""C of one batch, as the derivation's equations ask for it: samples are columns.

Everything else in the package has samples as rows; this is where the two meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import losses
from chainrule.activations import Activation
from chainrule.errors import InputError
from chainrule.losses import Loss
from chainrule.numerics import Array


class BatchCost:
    """The loss of a batch as a function of the last layer.

    Parameters
    ----------
    loss : Loss
        The loss of one sample.
    activation : Activation
        The output activation.
    Y : array of shape (n, n_targets)
        The targets.
    sample_weight : array of shape (n,), optional
        Weights of the samples; None weighs all alike.

    Notes
    -----
    C = sum_i w_i c_i / sum_i w_i, so that a sample of weight 2 counts as two samples. If all
    weights of the batch are zero, so are C and its derivatives.
    """

    def __init__(
        self, loss: Loss, activation: Activation, Y: Array, sample_weight: Array | None = None
    ) -> None:
        self.loss, self.activation, self.Y = loss, activation, Y
        self.folded = None if activation.own else loss.folded.get(activation.name)
        self.share: Any = None
        """What each sample contributes of its own loss; None stands for 1/n."""
        if sample_weight is not None:
            total = sample_weight.sum()
            self.share = sample_weight / (total if total else 1)

    def value(self, rho: Array, phi: Array) -> Any:
        """Return C, for rho^l and phi^l of shape (n_l, n)."""
        if self.folded is None:
            samples = self.loss.per_sample(phi.T, self.Y)
        else:
            samples = self.folded.value(rho.T, phi.T, self.Y).sum(axis=1)
        return samples.sum() / len(samples) if self.share is None else samples @ self.share

    def omega(self, phi: Array) -> Array:
        """Return omega^l = dC/dphi^l, of shape (n_l, n)."""
        return self.averaged(self.loss.derivative(phi.T, self.Y))

    def lambda_(self, rho: Array, phi: Array) -> Array | None:
        """Return dC/drho^l of shape (n_l, n) in closed form, or None: omega o sigma'(rho)."""
        if self.folded is not None:
            return self.averaged(self.folded.derivative(rho.T, phi.T, self.Y))
        if not self.activation.elementwise:
            return self.activation.pull_back(self.omega(phi).T, rho.T, phi.T).T
        return None

    def curvature(self, rho: Array, phi: Array) -> BatchCurvature:
        """Return the curvature of C at rho^l and phi^l of shape (n_l, n)."""
        return BatchCurvature(self, rho, phi)

    def averaged(self, derivative: Array) -> Array:
        """Return rows of derivatives as columns, each times its sample's share."""
        columns = derivative.T
        return columns / columns.shape[1] if self.share is None else columns * self.share


class BatchCurvature:
    """H of a batch: for each sample, the curvature of C by its row of the last layer.

    H takes the place of the second derivative of C: by rho^l where the loss has it in closed form
    with the output activation, else by phi^l. It is diag(h), or for softmax in closed form
    diag(h) - h h^T / sum(h).

    Raises
    ------
    InputError
        If the loss has no curvature.
    """

    def __init__(self, cost: BatchCost, rho: Array, phi: Array) -> None:
        self.activation, self.rho, self.phi = cost.activation, rho, phi
        by_phi = losses.require_curvature(cost.loss)
        by_rho = cost.folded.curvature if cost.folded is not None else None
        self.by_rho = by_rho is not None
        h = by_rho(rho.T, phi.T, cost.Y) if by_rho is not None else by_phi(phi.T, cost.Y)
        if h.shape != rho.T.shape:
            raise InputError(
                f"the curvature of loss {cost.loss.name!r} must have the shape of the outputs "
                f"{rho.T.shape}, but has {h.shape}"
            )
        self.h = cost.averaged(h)

    def root(self, k: int) -> LinearCost:
        """Return column k of an S with S S^T = H, as a cost whose backward pass starts from it."""
        column = np.zeros_like(self.h)
        column[k] = np.sqrt(self.h[k])
        if self.by_rho and not self.activation.elementwise:
            column -= self.phi * column[k]
        return self._starting_from(column)

    def times(self, rho_dot: Array) -> LinearCost:
        """Return H times the velocities of the last layer, to start a backward pass from."""
        if not self.by_rho:
            # the transpose of the output activation's derivative, which is symmetric
            return self._starting_from(self.h * self._pull_back(rho_dot))
        if self.activation.elementwise:
            return self._starting_from(self.h * rho_dot)
        return self._starting_from(self.h * (rho_dot - (self.phi * rho_dot).sum(axis=0)))

    def _starting_from(self, column: Array) -> LinearCost:
        """Return the backward pass from a column of the outputs that H is by."""
        return LinearCost(column if self.by_rho else self._pull_back(column))

    def _pull_back(self, column: Array) -> Array:
        return self.activation.pull_back(column.T, self.rho.T, self.phi.T).T


class LinearCost:
    """A cost that is linear in rho^l: its lambda^l is given, and all that a backward pass needs."""

    def __init__(self, lambda_l: Array) -> None:
        self._lambda = lambda_l

    def omega(self, phi: Array) -> Array:
        """Raise NotImplementedError: no omega^l need lead to this lambda^l."""
        raise NotImplementedError

    def lambda_(self, rho: Array, phi: Array) -> Array:
        """Return lambda^l, of shape (n_l, n)."""
        del rho, phi
        return self._lambda


class DerivativeCost:
    """D of a batch: half the squared error of the outputs' derivatives by the inputs.

    Parameters
    ----------
    dY : array of shape (n, n_outputs, n_inputs)
        The derivatives wanted; those that are NaN are not known, and not in D.
    share : array of shape (n,), optional
        What each sample contributes of its own, `BatchCost.share`; None stands for 1/n.
    weight : float, default 1.0
        What D counts beside C.
    """

    def __init__(self, dY: Array, share: Any = None, weight: float = 1.0) -> None:
        self.dY, self.weight = dY, weight
        self.share = 1 / len(dY) if share is None else share
        self.known = dY == dY  # isnan takes no symbols
        self.directions = [m for m in range(dY.shape[2]) if self.known[:, :, m].any()]
        """The inputs by which some derivative is known; `value` and `omega` count these."""

    def value(self, phi_dots: Sequence[Array]) -> Any:
        """Return D, for the derivatives of phi^l along each of the directions."""
        errors = [self._error(m, phi_dot) for m, phi_dot in enumerate(phi_dots)]
        return self.weight / 2 * sum((self.share * error * error).sum() for error in errors)

    def omega(self, m: int, phi_dot: Array) -> Array:
        """Return dD/dphi_dot^l of shape (n_l, n), for the m-th of the directions."""
        return self._error(m, phi_dot) * (self.weight * self.share)

    def root(self, m: int, k: int) -> Array:
        """Return column k of the S_m with S_m S_m^T the curvature of D by phi_dot^l."""
        column = np.zeros(self.known.shape[1::-1])
        column[k] = np.sqrt(self.times(m, np.ones_like(column))[k])
        return column

    def times(self, m: int, phi_dot: Array) -> Array:
        """Return the curvature of D by the m-th derivatives, times how these move."""
        return np.where(self._of(self.known, m), phi_dot * (self.weight * self.share), 0)

    def _of(self, array: Array, m: int) -> Array:
        return array[:, :, self.directions[m]].T

    def _error(self, m: int, phi_dot: Array) -> Array:
        return np.where(self._of(self.known, m), phi_dot - self._of(self.dY, m), 0)


class GivenErrors:
    """A cost that is linear in the outputs' derivatives alone, of which the errors are given."""

    def __init__(self, errors: Sequence[Array]) -> None:
        self.errors = errors

    def omega(self, m: int, phi_dot: Array) -> Array:
        """Return dD/dphi_dot^l."""
        del phi_dot
        return self.errors[m]


class NoCost:
    """The cost beside it: 0, whatever the outputs."""

    def omega(self, phi: Array) -> Array:
        """Return zeros."""
        return np.zeros_like(phi)

    def lambda_(self, rho: Array, phi: Array) -> None:
        """Return None: there is no other form."""
        del rho, phi


class UnitCost:
    """The cost that is the k-th output alone: its gradients are row k of the Jacobian."""

    def __init__(self, activation: Activation, k: int) -> None:
        self.activation, self.k = activation, k

    def omega(self, phi: Array) -> Array:
        """Return omega^l: 1 for output k, 0 for the others."""
        omega = np.zeros_like(phi)
        omega[self.k] = 1
        return omega

    def lambda_(self, rho: Array, phi: Array) -> Array | None:
        """Return dC/drho^l in closed form where the activation is not elementwise."""
        if self.activation.elementwise:
            return None
        return self.activation.pull_back(self.omega(phi).T, rho.T, phi.T).T
