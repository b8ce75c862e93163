"""Levenberg-Marquardt as one writes it in an afternoon: plain NumPy, the whole Jacobian at once.

Independent of the package's own, which is tested against it and measured beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from chainrule.numerics import Array


def outputs(theta: Array, layers: tuple[int, ...], X: Array) -> list[Array]:
    """Return X and the outputs of every layer of a tanh network, the last of them linear.

    theta is flat: the weights (n_out, n_in) of the first layer, its biases, those of the second...
    """
    found = [X]
    for W, b in weights_and_biases(theta, layers):
        z = found[-1] @ W.T + b
        found.append(z if len(found) == len(layers) - 1 else np.tanh(z))
    return found


def weights_and_biases(theta: Array, layers: tuple[int, ...]) -> list[tuple[Array, Array]]:
    """Return views of theta."""
    found, start = [], 0
    for n_in, n_out in itertools.pairwise(layers):
        end = start + n_in * n_out
        found.append((theta[start:end].reshape(n_out, n_in), theta[end : end + n_out]))
        start = end + n_out
    return found


def outputs_and_jacobian(theta: Array, layers: tuple[int, ...], X: Array) -> tuple[Array, Array]:
    """Return the outputs (n, K) and their derivatives by theta (n, K, P)."""
    found = outputs(theta, layers, X)
    n, K = found[-1].shape
    back, columns = np.tile(np.eye(K), (n, 1, 1)), list[Array]()
    for L in range(len(layers) - 1, 0, -1):
        if L < len(layers) - 1:
            back = back * (1 - found[L] ** 2)[:, None, :]
        by_weights = np.einsum("nkj,ni->nkji", back, found[L - 1]).reshape(n, K, -1)
        columns = [by_weights, back, *columns]
        back = back @ weights_and_biases(theta, layers)[L - 1][0]
    return found[-1], np.concatenate(columns, axis=2)


def train(
    theta: Array,
    layers: tuple[int, ...],
    X: Array,
    Y: Array,
    iterations: int,
    told: Callable[[Array], bool],
) -> Array:
    """Return the parameters after so many iterations, or when `told` returns True.

    C = 1/(2n) sum |residual|^2; Marquardt's scaling; the damping is divided by 3 after a step
    that helps and doubled after one that does not.
    """
    damping = 1e-3
    P, n = len(theta), len(X)

    def cost(at: Array) -> float:
        return float(((outputs(at, layers, X)[-1] - Y) ** 2).sum() / (2 * n))

    value = cost(theta)
    for _ in range(iterations):
        found, J = outputs_and_jacobian(theta, layers, X)
        J, residual = J.reshape(-1, P), (found - Y).ravel()
        A, g = J.T @ J / n, J.T @ residual / n
        while damping < 1e16:
            step = np.linalg.solve(A + damping * np.diag(np.diag(A) + 1e-12), -g)
            if (trial := cost(theta + step)) < value:
                theta, value, damping = theta + step, trial, damping / 3
                break
            damping *= 2
        else:
            return theta
        if told(theta):
            return theta
    return theta
