"""The same functions and networks in PyTorch, written independently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

Array = npt.NDArray[Any]

torch.set_num_threads(1)

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "selu": functional.selu,
    "celu": functional.celu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "mish": functional.mish,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "hard_tanh": functional.hardtanh,
    "sin": torch.sin,
    "gaussian": lambda x: torch.exp(-(x**2)),
    "exponential": torch.exp,
    "softmax": lambda x: torch.softmax(x, dim=1),
    "leaky_relu(0.2)": lambda x: functional.leaky_relu(x, 0.2),
    "elu(0.5)": lambda x: functional.elu(x, 0.5),
    "celu(2.0)": lambda x: functional.celu(x, 2.0),
}


def _gaussian_nll(p: Tensor, y: Tensor) -> Tensor:
    k = p.shape[1] // 2
    return functional.gaussian_nll_loss(p[:, :k], y, torch.exp(p[:, k:]), eps=0, reduction="none")


def _quantile(q: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda p, y: torch.where(p < y, q * (y - p), (1 - q) * (p - y))


# Each returns one number for each output, or for each sample.
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared_error": lambda p, y: functional.mse_loss(p, y, reduction="none") / 2,
    # on probabilities, as the network gives them; functional.cross_entropy is compared on logits
    "cross_entropy": lambda p, y: -(y * torch.log(p)),
    "binary_cross_entropy": lambda p, y: functional.binary_cross_entropy(p, y, reduction="none"),
    "absolute_error": lambda p, y: functional.l1_loss(p, y, reduction="none"),
    "huber": lambda p, y: functional.huber_loss(p, y, reduction="none"),
    "huber(2.0)": lambda p, y: functional.huber_loss(p, y, reduction="none", delta=2.0),
    "log_cosh": lambda p, y: torch.log(torch.cosh(p - y)),
    "poisson": lambda p, y: functional.poisson_nll_loss(
        p, y, log_input=False, eps=0, reduction="none"
    ),
    "gamma": lambda p, y: torch.log(p) + y / p,
    "hinge": lambda p, y: torch.clamp(1 - y * p, min=0),
    "gaussian_nll": _gaussian_nll,
    "quantile": _quantile(0.5),
    "quantile(0.3)": _quantile(0.3),
}


class Gradients(NamedTuple):
    loss: float
    weights: list[Array]
    biases: list[Array]
    inputs: Array


def tensor(values: Any, requires_grad: bool = False, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(np.asarray(values), dtype=dtype, requires_grad=requires_grad)


def outputs(X: Tensor, weights: list[Tensor], biases: list[Tensor], names: list[str]) -> Tensor:
    phi = X
    for i, name in enumerate(names):
        phi = ACTIVATIONS[name](functional.linear(phi, weights[i], biases[i] if biases else None))
    return phi


def cost(loss: str, p: Tensor, Y: Tensor, sample_weight: Any = None) -> Tensor:
    """Return the loss summed over the outputs, averaged over the samples."""
    samples = LOSSES[loss](p, Y)
    samples = samples.sum(dim=1) if samples.ndim == 2 else samples
    w = torch.ones_like(samples) if sample_weight is None else tensor(sample_weight, dtype=p.dtype)
    return (w * samples).sum() / w.sum()


def gradients(
    net: Any, X: Any, Y: Any, sample_weight: Any = None, dtype: torch.dtype = torch.float64
) -> Gradients:
    """Return what `Network.gradients` should, by torch's autograd."""
    weights = [tensor(w, True, dtype) for w in net.weights]
    biases = [tensor(b, True, dtype) for b in net.biases if b is not None]
    inputs = tensor(X, True, dtype)
    names = [activation.name for activation in net.architecture.activations]
    p = outputs(inputs, weights, biases, names)
    C = cost(net.architecture.loss.name, p, tensor(Y, dtype=dtype), sample_weight)
    found = [g.numpy() for g in torch.autograd.grad(C, [*weights, *biases, inputs])]
    n = len(weights)
    return Gradients(C.item(), found[:n], found[n:-1], found[-1])


def jacobian(net: Any, X: Any) -> Array:
    """Return d outputs / d inputs, of shape (n, n_outputs, n_inputs), by torch.func."""
    weights = [tensor(w) for w in net.weights]
    biases = [tensor(b) for b in net.biases if b is not None]
    names = [activation.name for activation in net.architecture.activations]

    def of_one(x: Tensor) -> Tensor:
        return outputs(x[None, :], weights, biases, names)[0]

    found = torch.func.vmap(torch.func.jacrev(of_one))(tensor(X))
    return np.asarray(found.numpy())
