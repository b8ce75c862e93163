"""A small problem and a network for it, for the tests of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import chainrule as cr

Array = npt.NDArray[Any]


def problem(n: int = 200, seed: int = 0, dtype: str = "float64") -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)).astype(dtype)
    return X, np.stack([np.sin(X[:, 0]) + X[:, 1], X[:, 1] * X[:, 2]], axis=1)


def network(**options: Any) -> cr.Network:
    return cr.Network([3, 16, 2], **{"activation": "tanh", "dtype": "float64", **options})
