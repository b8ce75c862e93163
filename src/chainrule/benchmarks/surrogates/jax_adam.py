"""Adam in compiled JAX, its learning rate falling along a cosine that ends with the time."""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from chainrule.benchmarks.surrogates.problems import Sample
from chainrule.network import Network

# Of 1e-2, 5e-3, 2e-3 and of 32, 64, 200 the best on Franke's function in 20 s.
LEARNING_RATE, BATCH_SIZE = 5e-3, 64
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_PIECES = 40


def run(net: Network, sample: Sample, watch_for: Any, seconds: float) -> Any:
    """Train from this network's parameters for so many seconds, without those of compiling."""
    X, Y = jnp.asarray(sample.X, jnp.float32), jnp.asarray(sample.Y, jnp.float32)
    n = len(X)
    steps = n // BATCH_SIZE

    def initial_state() -> Any:
        start = [
            (jnp.array(W.T, jnp.float32), jnp.array(b, jnp.float32))
            for W, b in zip(net.weights, net.biases, strict=True)
        ]
        zeros = jax.tree.map(jnp.zeros_like, start)
        return start, zeros, jax.tree.map(jnp.copy, zeros), jnp.float32(0)

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        for W, b in parameters[:-1]:
            x = jnp.tanh(x @ W + b)
        W, b = parameters[-1]
        return jnp.sum((x @ W + b - y) ** 2) / (2 * len(x))

    def step(state: Any, rows: Any, total: Any) -> Any:
        parameters, m, v, t = state
        g = jax.grad(loss)(parameters, X[rows], Y[rows])
        rate = LEARNING_RATE * 0.5 * (1 + jnp.cos(jnp.pi * t / total))
        t = t + 1
        m = jax.tree.map(lambda m, g: _BETA1 * m + (1 - _BETA1) * g, m, g)
        v = jax.tree.map(lambda v, g: _BETA2 * v + (1 - _BETA2) * g * g, v, g)
        root = jnp.sqrt(1 - _BETA2**t)
        eta = rate * root / (1 - _BETA1**t)
        parameters = jax.tree.map(
            lambda p, m, v: p - eta * m / (jnp.sqrt(v) + _EPSILON * root), parameters, m, v
        )
        return parameters, m, v, t

    def epoch(state: Any, order: Any, total: Any) -> Any:
        rows = order[: steps * BATCH_SIZE].reshape(steps, BATCH_SIZE)
        return jax.lax.scan(lambda s, r: (step(s, r, total), None), state, rows)[0]

    compiled = jax.jit(epoch)
    rng = np.random.default_rng(0)
    order = np.arange(n, dtype=np.int32)

    def epochs(state: Any, count: int, total: float) -> Any:
        for _ in range(count):
            state = compiled(state, rng.permutation(order), total)
        return jax.block_until_ready(state)

    epochs(initial_state(), 3, 1.0)  # compiles
    start = time.perf_counter()
    epochs(initial_state(), 30, 1.0)
    count = max(_PIECES, int(seconds / ((time.perf_counter() - start) / 30)))
    per_piece = count // _PIECES
    state, watch = initial_state(), watch_for(seconds)
    for _ in range(_PIECES):
        state = epochs(state, per_piece, float(per_piece * _PIECES * steps))
        watch(
            np.concatenate(
                [np.asarray(part).ravel() for W, b in state[0] for part in (W.T, b)]
            ).astype(np.float64)
        )
    watch.iterations = per_piece * _PIECES
    return watch
