"""Smooth functions that engineers put a small network in place of, and one noisy measurement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.numerics import Array

N_TEST = 10_000


@dataclass(frozen=True)
class Sample:
    """Points for training and fresh ones, all inputs in [-1, 1], in float64."""

    X: Array
    Y: Array
    X_test: Array
    Y_test: Array
    """Without noise, also where the targets of training have some."""


@dataclass(frozen=True)
class Problem:
    """A function on a box, and the network that is to take its place."""

    name: str
    layers: tuple[int, ...]
    n: int
    """How many points there are for training."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    function: Callable[[Array], Array]
    """From points of shape (n, n_inputs) in the box to targets of shape (n, n_outputs)."""
    noise: float = 0.0
    """Standard deviation of what is added to the targets of training."""
    standardized: bool = False
    """Whether the targets are far from 1, and so are measured in their standard deviations."""

    def sample(self, seed: int) -> Sample:
        """Draw points uniformly from the box."""
        rng = np.random.default_rng(seed)
        low, high = np.array(self.low), np.array(self.high)
        unit = rng.uniform(size=(self.n + N_TEST, len(low)))
        Y = self.function(low + unit * (high - low))
        if self.standardized:
            Y = (Y - Y[: self.n].mean(axis=0)) / Y[: self.n].std(axis=0)
        X = 2 * unit - 1
        noisy = Y[: self.n] + self.noise * rng.standard_normal(Y[: self.n].shape)
        return Sample(X[: self.n], noisy, X[self.n :], Y[self.n :])


def franke(x: Array) -> Array:
    """Return Franke's surface (1979, NPS-53-79-003), the usual test of interpolation."""
    a, b = 9 * x.T
    return (
        0.75 * np.exp(-((a - 2) ** 2) / 4 - (b - 2) ** 2 / 4)
        + 0.75 * np.exp(-((a + 1) ** 2) / 49 - (b + 1) / 10)
        + 0.5 * np.exp(-((a - 7) ** 2) / 4 - (b - 3) ** 2 / 4)
        - 0.2 * np.exp(-((a - 4) ** 2) - (b - 7) ** 2)
    )[:, None]


def robot_arm(angles: Array) -> Array:
    """Return where the hand of a planar arm of four links of length 1/4 is, in its lengths."""
    direction = np.cumsum(angles, axis=1)
    return np.stack([np.cos(direction).mean(axis=1), np.sin(direction).mean(axis=1)], axis=1)


def borehole(x: Array) -> Array:
    """Return the flow of water through a borehole (Morris et al. 1993, Technometrics 35)."""
    rw, r, Tu, Hu, Tl, Hl, L, Kw = x.T
    log = np.log(r / rw)
    flow = 2 * np.pi * Tu * (Hu - Hl) / (log * (1 + 2 * L * Tu / (log * rw**2 * Kw) + Tu / Tl))
    return flow[:, None]


def otl_circuit(x: Array) -> Array:
    """Return the voltage of a push-pull circuit (Ben-Ari & Steinberg 2007, Qual. Eng. 19)."""
    Rb1, Rb2, Rf, Rc1, Rc2, beta = x.T
    Vb1 = 12 * Rb2 / (Rb1 + Rb2)
    gain = beta * (Rc2 + 9)
    below = gain + Rf
    voltage = (Vb1 + 0.74) * gain / below + 11.35 * Rf / below + 0.74 * Rf * gain / (below * Rc1)
    return voltage[:, None]


def pendulum(x: Array, stiffness: float = 100.0, damping: float = 1.0, time: float = 0.5) -> Array:
    """Return angle and speed (over 10) of a stiff damped pendulum half a second later.

    theta'' = -stiffness sin(theta) - damping theta', by a Runge-Kutta step of 1 ms of order 4.
    """
    theta, omega = x[:, 0], 10 * x[:, 1]

    def slope(theta: Array, omega: Array) -> tuple[Array, Array]:
        return omega, -stiffness * np.sin(theta) - damping * omega

    h = 1e-3
    for _ in range(round(time / h)):
        k1 = slope(theta, omega)
        k2 = slope(theta + h / 2 * k1[0], omega + h / 2 * k1[1])
        k3 = slope(theta + h / 2 * k2[0], omega + h / 2 * k2[1])
        k4 = slope(theta + h * k3[0], omega + h * k3[1])
        theta = theta + h / 6 * (k1[0] + 2 * k2[0] + 2 * k3[0] + k4[0])
        omega = omega + h / 6 * (k1[1] + 2 * k2[1] + 2 * k3[1] + k4[1])
    return np.stack([theta, omega / 10], axis=1)


def calibration(x: Array) -> Array:
    """Return the answer of a sensor that saturates, with a ripple."""
    return np.tanh(2 * x) + 0.2 * np.sin(6 * x)


PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("franke", (2, 20, 20, 1), 2_000, (0.0,) * 2, (1.0,) * 2, franke),
        Problem("robot_arm", (4, 30, 30, 2), 4_000, (-1.5,) * 4, (1.5,) * 4, robot_arm),
        Problem(
            "borehole", (8, 20, 20, 1), 2_000,
            (0.05, 100, 63070, 990, 63.1, 700, 1120, 9855),
            (0.15, 50000, 115600, 1110, 116, 820, 1680, 12045),
            borehole, standardized=True,
        ),
        Problem(
            "otl_circuit", (6, 20, 20, 1), 2_000,
            (50, 25, 0.5, 1.2, 0.25, 50), (150, 70, 3, 2.5, 1.2, 300),
            otl_circuit, standardized=True,
        ),
        Problem("pendulum", (2, 30, 30, 2), 3_000, (-2.0, -1.0), (2.0, 1.0), pendulum),
        Problem("calibration", (1, 12, 1), 300, (-1.0,), (1.0,), calibration, noise=0.02),
    )
}  # fmt: skip
"""By name. All but the last are exact."""
