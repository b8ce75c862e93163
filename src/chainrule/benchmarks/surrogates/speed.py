"""What an iteration takes: beside plain NumPy, and of what the machine can do in float64."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from statistics import median

import numpy as np

import chainrule as cr
from chainrule.benchmarks.surrogates import plain
from chainrule.benchmarks.surrogates.methods import network
from chainrule.benchmarks.surrogates.problems import PROBLEMS
from chainrule.engines import NATIVE, Data
from chainrule.numerics import Array

_SHAPES = ((2, 20, 20, 1), (6, 28, 28, 1), (4, 30, 30, 2), (8, 40, 40, 1), (8, 50, 50, 1))
_ROUNDS = 7


def against_plain(problem: str, iterations: int = 10) -> tuple[float, float, float]:
    """Return our seconds an iteration, plain NumPy's, and the median ratio over the rounds."""
    chosen = PROBLEMS[problem]
    sample = chosen.sample(0)

    def ours() -> None:
        net = network(chosen, 0)
        net.fit(sample.X, sample.Y, optimizer="lm", epochs=iterations)

    def theirs() -> None:
        theta = network(chosen, 0).parameters.copy()
        plain.train(theta, chosen.layers, sample.X, sample.Y, iterations, lambda _: False)

    pairs = [(_seconds(ours) / iterations, _seconds(theirs) / iterations) for _ in range(_ROUNDS)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(b / a for a, b in pairs)


def multiplications(layers: tuple[int, ...]) -> int:
    """Return those of the matrix products in J^T J, for each sample and whatever the outputs.

    The pairs of lambdas of two layers meet the pairs of their inputs; within a layer both kinds
    of pairs are symmetric.

    Examples
    --------
    >>> multiplications((2, 20, 20, 1))
    85281
    """

    def triangle(n: int) -> int:
        return n * (n + 1) // 2

    pairs = list(itertools.pairwise(layers))
    count = sum(triangle(n_out) * triangle(n_in + 1) for n_in, n_out in pairs)
    for i, (n_in, n_out) in enumerate(pairs):
        count += sum(n_out * m_out * (n_in + 1) * (m_in + 1) for m_in, m_out in pairs[i + 1 :])
    return count


def of_peak(layers: tuple[int, ...], n: int = 20_000) -> tuple[float, float]:
    """Return the share of a square float64 product's rate that J^T J reaches.

    Returns
    -------
    arithmetic : float
        Counting the multiplications that are made.
    equivalent : float
        Counting those of J^T J from a J that is held, half of the product being enough.
    """
    net = cr.Network(layers, activation="tanh", dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    data = Data(rng.uniform(-1, 1, (n, layers[0])), rng.uniform(-1, 1, (n, layers[-1])))
    square = rng.uniform(-1, 1, (1024, 1024))
    arithmetic, equivalent = [], []
    for _ in range(_ROUNDS):
        peak = 2 * 1024**3 / min(_seconds(lambda: _product(square)) for _ in range(5))
        took = _seconds(lambda: _normal_equations(net, data))
        arithmetic.append(2 * n * multiplications(layers) / took / peak)
        equivalent.append(n * layers[-1] * net.n_parameters**2 / took / peak)
    return median(arithmetic), median(equivalent)


def _normal_equations(net: cr.Network, data: Data) -> None:
    NATIVE.normal_equations(net.architecture, net.parameters, data)


def _product(square: Array) -> None:
    square @ square


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def report() -> list[str]:
    """Return lines of Markdown."""
    lines = ["| an iteration | chainrule | plain NumPy | ratio |", "| --- | ---: | ---: | ---: |"]
    for problem in ("franke", "robot_arm"):
        ours, theirs, ratio = against_plain(problem)
        shape = "-".join(map(str, PROBLEMS[problem].layers))
        lines.append(
            f"| {problem}, {shape} | {ours * 1e3:.1f} ms | {theirs * 1e3:.1f} ms | {ratio:.1f} |"
        )
    lines += [
        "",
        "| J^T J of a square float64 product's rate | parameters | arithmetic | as if J was held |",
        "| --- | ---: | ---: | ---: |",
    ]
    for layers in _SHAPES:
        arithmetic, equivalent = of_peak(layers)
        n = sum((a + 1) * b for a, b in itertools.pairwise(layers))
        shape = "-".join(map(str, layers))
        lines.append(f"| {shape} | {n:,} | {arithmetic:.0%} | {equivalent:.0%} |")
    return lines
