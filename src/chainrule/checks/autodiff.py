"""The same network and cost in PyTorch and in JAX, differentiated by these.

They are references, so they are written with what those libraries have, not with ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.architecture import Architecture
from chainrule.engines import Data
from chainrule.errors import MissingExtraError
from chainrule.interchange import torch as torch_modules
from chainrule.naming import family_of
from chainrule.numerics import Array


def by_torch(architecture: Architecture, theta: Array, data: Data) -> Array:
    """Return the derivatives of C by all parameters, then by all inputs.

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed.
    """
    try:
        import torch
        from torch.nn import functional as F  # noqa: N812 - as PyTorch's documentation has it
    except ImportError:
        raise MissingExtraError("torch", None, "reference='torch'") from None

    module = torch_modules.write(architecture, theta)
    X = torch.tensor(data.X, requires_grad=True)
    y = torch.tensor(data.Y)
    family, parameter = family_of(architecture.loss)
    pair = family, architecture.activations[-1].name

    def gaussian(p: Any, y: Any) -> Any:
        k = y.shape[1]
        variance = torch.exp(p[:, k:])
        return F.gaussian_nll_loss(p[:, :k], y, variance, eps=0, reduction="none")

    losses: dict[str, Callable[[Any, Any], Any]] = {
        "squared_error": lambda p, y: F.mse_loss(p, y, reduction="none") / 2,
        "absolute_error": lambda p, y: F.l1_loss(p, y, reduction="none"),
        "huber": lambda p, y: F.huber_loss(p, y, reduction="none", delta=parameter or 1.0),
        "log_cosh": lambda p, y: torch.log(torch.cosh(p - y)),
        "cross_entropy": lambda p, y: -torch.xlogy(y, p),
        "binary_cross_entropy": lambda p, y: F.binary_cross_entropy(p, y, reduction="none"),
        "poisson": lambda p, y: F.poisson_nll_loss(p, y, log_input=False, eps=0, reduction="none"),
        "gamma": lambda p, y: torch.log(p) + y / p,
        "hinge": lambda p, y: F.relu(1 - y * p),
        "gaussian_nll": gaussian,
        "quantile": lambda p, y: torch.maximum(
            (parameter or 0.5) * (y - p), ((parameter or 0.5) - 1) * (y - p)
        ),
    }
    # from the pre-activations, where PyTorch too takes the pair together
    if pair == ("cross_entropy", "softmax"):
        samples = F.cross_entropy(module[:-1](X), y, reduction="none")
    elif pair == ("binary_cross_entropy", "sigmoid"):
        samples = F.binary_cross_entropy_with_logits(module[:-1](X), y, reduction="none")
    else:
        samples = losses[family](module(X), y)
    samples = samples.sum(dim=1) if samples.ndim == 2 else samples
    if data.dY is not None:
        outputs = module(X)
        columns = [
            torch.autograd.grad(outputs[:, k].sum(), X, create_graph=True)[0]
            for k in range(architecture.n_outputs)
        ]
        error = torch.nan_to_num(torch.stack(columns, dim=1) - torch.tensor(data.dY))
        samples = samples + data.dY_weight / 2 * (error**2).sum(dim=(1, 2))
    share = torch.tensor(_shares(data))
    (samples @ share).backward()  # type: ignore[no-untyped-call]  # PyTorch gives it no types
    found = [*module.parameters(), X]
    return np.concatenate([value.grad.numpy().ravel() for value in found])


def by_jax(architecture: Architecture, theta: Array, data: Data) -> Array:
    """Return the derivatives of C by all parameters, then by all inputs.

    Raises
    ------
    MissingExtraError
        If JAX is not installed.
    """
    try:
        import jax
        from jax import nn
        from jax import numpy as jnp
    except ImportError:
        raise MissingExtraError("jax", None, "reference='jax'") from None

    activations: dict[str, Callable[..., Any]] = {
        "identity": lambda x: x, "sigmoid": nn.sigmoid, "tanh": jnp.tanh, "relu": nn.relu,
        "leaky_relu": lambda x, a=0.01: nn.leaky_relu(x, a), "elu": nn.elu, "celu": nn.celu,
        "selu": nn.selu, "gelu": lambda x: nn.gelu(x, approximate=False), "silu": nn.silu,
        "mish": nn.mish, "softplus": nn.softplus, "softsign": nn.soft_sign,
        "hard_tanh": nn.hard_tanh, "sin": jnp.sin, "gaussian": lambda x: jnp.exp(-(x**2)),
        "exponential": jnp.exp, "softmax": nn.softmax,
    }  # fmt: skip

    def gaussian(p: Any, y: Any) -> Any:
        mean, log_variance = jnp.split(p, 2, axis=1)
        return (log_variance + (mean - y) ** 2 / jnp.exp(log_variance)) / 2

    def huber(p: Any, y: Any, delta: float = 1.0) -> Any:
        d = jnp.abs(p - y)
        return jnp.where(d < delta, d**2 / 2, delta * (d - delta / 2))

    losses: dict[str, Callable[..., Any]] = {
        "squared_error": lambda p, y: (p - y) ** 2 / 2,
        "absolute_error": lambda p, y: jnp.abs(p - y),
        "huber": huber,
        "log_cosh": lambda p, y: jnp.log(jnp.cosh(p - y)),
        "cross_entropy": lambda p, y: -jax.scipy.special.xlogy(y, p),
        "binary_cross_entropy": lambda p, y: -y * jnp.log(p) - (1 - y) * jnp.log1p(-p),
        "poisson": lambda p, y: p - y * jnp.log(p),
        "gamma": lambda p, y: jnp.log(p) + y / p,
        "hinge": lambda p, y: nn.relu(1 - y * p),
        "gaussian_nll": gaussian,
        "quantile": lambda p, y, q=0.5: jnp.maximum(q * (y - p), (q - 1) * (y - p)),
    }

    def applied(table: dict[str, Callable[..., Any]], function: Any, *arguments: Any) -> Any:
        family, parameter = family_of(function)
        return table[family](*arguments, *(() if parameter is None else (parameter,)))

    def network(parameters: Any, outputs: Any) -> Any:
        weights, biases = architecture.views(parameters)
        for w, b, activation in zip(weights, biases, architecture.activations, strict=True):
            outputs = applied(activations, activation, outputs @ w.T + (0 if b is None else b))
        return outputs

    def cost(parameters: Any, X: Any) -> Any:
        samples = applied(losses, architecture.loss, network(parameters, X), data.Y).sum(axis=1)
        if data.dY is not None:
            by_inputs = jax.vmap(jax.jacfwd(network, argnums=1), (None, 0))(parameters, X)
            error = jnp.nan_to_num(by_inputs - data.dY)
            samples = samples + data.dY_weight / 2 * (error**2).sum(axis=(1, 2))
        return samples @ _shares(data)

    with jax.enable_x64(True):
        by_parameters, by_inputs = jax.grad(cost, argnums=(0, 1))(
            jnp.asarray(theta), jnp.asarray(data.X)
        )
        return np.concatenate([np.asarray(by_parameters), np.asarray(by_inputs).ravel()])


def _shares(data: Data) -> Array:
    """Return what each sample contributes of its own loss to C."""
    n = len(data.X)
    weight = np.ones(n) if data.sample_weight is None else data.sample_weight
    return np.asarray(weight / weight.sum())


GRADIENTS = {"torch": by_torch, "jax": by_jax}
