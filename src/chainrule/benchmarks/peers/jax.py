"""JAX: a whole epoch is one compiled `lax.scan`, with Adam written out in it.

Measured to be its best: the rows are gathered inside the scan (gathering the epoch first is
slower for wide inputs), buffers are donated, the order comes from NumPy (`jax.random.permutation`
sorts, which takes as long as the rest of an epoch of a small network). Which of the two layouts
of the weights is quicker depends on the network, so that both are tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from chainrule.benchmarks.workloads import Workload
from chainrule.numerics import Array

_ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}
_ETA, _BETA1, _BETA2, _EPSILON = 1e-3, 0.9, 0.999, 1e-8

WAYS: list[dict[str, Any]] = [{"outputs_first": True}, {"outputs_first": False}]


def _parameters(workload: Workload, outputs_first: bool = True) -> list[tuple[Any, Any]]:
    return [
        (jnp.array(w if outputs_first else w.T), jnp.array(b))
        for w, b in zip(*workload.initial_parameters(), strict=True)
    ]


def _forward(workload: Workload, outputs_first: bool = True) -> Callable[..., Any]:
    activation = _ACTIVATIONS[workload.activation]

    def forward(parameters: Any, x: Any) -> Any:
        for L, (w, b) in enumerate(parameters, 1):
            x = x @ (w.T if outputs_first else w) + b
            if L < len(parameters):
                x = activation(x)
        return x

    return forward


def _initial_state(parameters: Any) -> Any:
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    return parameters, zeros, jax.tree.map(jnp.copy, zeros), jnp.float32(0)


def _step(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a step of Adam, from the state and a batch to the state and the batch's loss."""

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        return jnp.sum((forward(parameters, x) - y) ** 2) / (2 * len(x))

    def step(state: Any, x: Any, y: Any) -> Any:
        parameters, m, v, t = state
        t = t + 1
        value, g = jax.value_and_grad(loss)(parameters, x, y)
        m = jax.tree.map(lambda m, g: _BETA1 * m + (1 - _BETA1) * g, m, g)
        v = jax.tree.map(lambda v, g: _BETA2 * v + (1 - _BETA2) * g * g, v, g)
        # both corrections once for all parameters, instead of in each of them
        root = jnp.sqrt(1 - _BETA2**t)
        eta, epsilon = _ETA * root / (1 - _BETA1**t), _EPSILON * root
        parameters = jax.tree.map(
            lambda p, m, v: p - eta * m / (jnp.sqrt(v) + epsilon), parameters, m, v
        )
        return (parameters, m, v, t), value

    return step


def _epoch(step: Callable[..., Any], workload: Workload, losses: Any) -> Callable[..., Any]:
    """Return a compiled epoch.

    Parameters
    ----------
    step : callable
        From the state, row numbers, X and Y to the state and the loss, or the losses.
    workload : Workload
        What is trained.
    losses : array
        Zeros of the shape of what `step` returns.
    """
    n, size = workload.n_samples, workload.batch_size
    whole = n // size * size

    def epoch(state: Any, order: Any, X: Any, Y: Any) -> Any:
        def add(carry: Any, rows: Any) -> Any:
            state, total = carry
            state, value = step(state, rows, X, Y)
            return (state, total + value * (rows.shape[0] / n)), None

        batches = order[:whole].reshape(n // size, size, *order.shape[1:])
        carry, _ = jax.lax.scan(add, (state, losses), batches)
        if whole < n:  # the last batch is shorter
            carry, _ = add(carry, order[whole:])
        return carry

    return jax.jit(epoch, donate_argnums=0)


class Trainer:
    """Calls the compiled epoch; waits for the loss of the last one only."""

    def __init__(
        self,
        workload: Workload,
        X: Array,
        Y: Array,
        shuffle: bool = True,
        outputs_first: bool = True,
    ) -> None:
        step = _step(_forward(workload, outputs_first))
        self.epoch = _epoch(
            lambda state, rows, X, Y: step(state, X[rows], Y[rows]), workload, jnp.float32(0)
        )
        self.state = _initial_state(_parameters(workload, outputs_first))
        self.X, self.Y = jnp.asarray(X), jnp.asarray(Y)
        self.order = np.arange(len(X), dtype=np.int32)
        self.rng = np.random.default_rng(0) if shuffle else None
        self.outputs_first = outputs_first

    def run(self, epochs: int) -> float:
        """Train for so many epochs; return the loss of the last."""
        loss = None
        for _ in range(epochs):
            order = self.order if self.rng is None else self.rng.permutation(self.order)
            self.state, loss = self.epoch(self.state, order, self.X, self.Y)
        return float(loss)  # type: ignore[arg-type]

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return weights of shape (n_out, n_in) and biases."""
        weights = [np.asarray(w if self.outputs_first else w.T) for w, _ in self.state[0]]
        return weights, [np.asarray(b) for _, b in self.state[0]]

    def about(self) -> dict[str, str]:
        """Return the layout of the weights."""
        return {"weights": "(n_out, n_in)" if self.outputs_first else "(n_in, n_out)"}


def predictor(workload: Workload) -> Callable[[Array], Array]:
    """Return the compiled forward pass, between NumPy arrays."""
    forward, parameters = jax.jit(_forward(workload)), _parameters(workload)
    return lambda X: np.asarray(forward(parameters, X))


def ensemble(workload: Workload, X: Array, Y: Array, n: int) -> Callable[[int], object]:
    """Return what trains `n` networks at once: `vmap` of the step, inside the scan."""
    one_step = jax.vmap(_step(_forward(workload)))
    epoch = _epoch(
        # rows has one column for each network
        lambda state, rows, X, Y: one_step(state, X[rows.T], Y[rows.T]), workload, jnp.zeros(n)
    )  # fmt: skip
    state = jax.vmap(lambda _: _initial_state(_parameters(workload)))(jnp.arange(n))
    device_X, device_Y = jnp.asarray(X), jnp.asarray(Y)
    orders = np.tile(np.arange(len(X), dtype=np.int32)[:, None], (1, n))
    rng = np.random.default_rng(0)

    def run(epochs: int) -> Any:
        nonlocal state
        losses = None
        for _ in range(epochs):
            rng.permuted(orders, axis=0, out=orders)
            # a copy, because JAX may read the array later than it returns
            state, losses = epoch(state, orders.copy(), device_X, device_Y)
        return np.asarray(losses)

    return run
