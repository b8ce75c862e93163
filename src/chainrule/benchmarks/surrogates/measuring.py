"""One method on one problem from one seed, in a process of its own, as a curve."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from statistics import median

import numpy as np

from chainrule.benchmarks.surrogates import plain
from chainrule.benchmarks.surrogates.methods import METHODS
from chainrule.benchmarks.surrogates.problems import PROBLEMS
from chainrule.numerics import Array


@dataclass(frozen=True)
class Curve:
    """How the error fell."""

    problem: str
    method: str
    seed: int
    iterations: int
    seconds: list[float]
    test: list[float]
    """Root mean squared error at fresh points, at those times."""
    train: list[float]

    def time_to(self, rmse: float) -> float:
        """Return when the error was first as small as that; infinity if it never was.

        Examples
        --------
        >>> curve = Curve("franke", "chainrule lm", 0, 2, [0.1, 0.2], [0.5, 0.01], [0.5, 0.01])
        >>> curve.time_to(0.1), curve.time_to(0.001)
        (0.2, inf)
        """
        pairs = zip(self.seconds, self.test, strict=True)
        return next((t for t, error in pairs if error <= rmse), float("inf"))


def measure(problem: str, method: str, seed: int, seconds: float) -> Curve:
    """Train and evaluate; the evaluation is not in the times."""
    chosen = PROBLEMS[problem]
    sample = chosen.sample(seed)
    watch = METHODS[method](chosen, sample, seed, seconds)

    def error(theta: Array, X: Array, Y: Array) -> float:
        outputs = plain.outputs(theta, chosen.layers, X)[-1]
        return float(np.sqrt(np.mean((outputs - Y) ** 2)))

    return Curve(
        problem, method, seed, watch.iterations,
        [t for t, _ in watch.points],
        [error(theta, sample.X_test, sample.Y_test) for _, theta in watch.points],
        [error(theta, sample.X, sample.Y) for _, theta in watch.points],
    )  # fmt: skip


def middle(curves: list[Curve], problem: str, method: str) -> Curve | None:
    """Return the curve whose last error is the median of those of the seeds."""
    found = [c for c in curves if (c.problem, c.method) == (problem, method) and c.test]
    found.sort(key=lambda curve: curve.test[-1])
    return found[(len(found) - 1) // 2] if found else None


def median_time_to(curves: list[Curve], problem: str, method: str, rmse: float) -> float:
    """Return the median over the seeds of the time to that error."""
    times = [c.time_to(rmse) for c in curves if (c.problem, c.method) == (problem, method)]
    return median(times) if times else float("inf")


if __name__ == "__main__":
    print(
        json.dumps(asdict(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
    )
