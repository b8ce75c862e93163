"""A network from a ``torch.nn.Sequential`` of linear layers and activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.architecture import Architecture
from chainrule.errors import InputError
from chainrule.interchange.layers import Layers, folded
from chainrule.numerics import Array

# Modules that change nothing when predicting.
_TRANSPARENT = {"Dropout", "AlphaDropout", "Identity"}

# From the name of a module's class to our activation's; None where its settings do not fit.
_FROM: dict[str, Callable[[Any], str | None]] = {
    "ReLU": lambda m: "relu",
    "Tanh": lambda m: "tanh",
    "Sigmoid": lambda m: "sigmoid",
    "LeakyReLU": lambda m: _with("leaky_relu", m.negative_slope, 0.01),
    "ELU": lambda m: _with("elu", m.alpha, 1.0),
    "CELU": lambda m: _with("celu", m.alpha, 1.0),
    "SELU": lambda m: "selu",
    "GELU": lambda m: "gelu" if m.approximate == "none" else None,
    "SiLU": lambda m: "silu",
    "Mish": lambda m: "mish",
    "Softplus": lambda m: "softplus" if m.beta == 1 else None,
    "Softsign": lambda m: "softsign",
    "Hardtanh": lambda m: "hard_tanh" if (m.min_val, m.max_val) == (-1, 1) else None,
    "Softmax": lambda m: "softmax" if m.dim in (1, -1) else None,
}


def _with(family: str, value: float, default: float) -> str:
    return family if value == default else f"{family}({value})"


def read(module: Any) -> tuple[Architecture, Array]:
    """Return the architecture and the parameters of a sequence of linear layers.

    Parameters
    ----------
    module : torch.nn.Sequential or torch.nn.Linear
        Linear layers with activations between them; sequences may be nested, dropout is passed
        over, and batch normalisation becomes part of the layer before or after it.

    Raises
    ------
    InputError
        Naming the first module that has no counterpart here.
    """
    layers = Layers()
    for place, part in _flat(module):
        kind = type(part).__name__
        if kind == "Linear":
            layers.dense(_values(part.weight), None if part.bias is None else _values(part.bias))
        elif kind == "BatchNorm1d" and part.running_mean is not None:
            layers.scale(*_batch_norm(part))
        elif kind in _TRANSPARENT:
            continue
        else:
            name = _FROM[kind](part) if kind in _FROM else None
            if name is None or not layers.takes_activation:
                raise InputError(
                    f"the module has {part} at {place or 'its top'}, which a chainrule network "
                    "cannot be: pass a torch.nn.Sequential of Linear layers, each with at most "
                    f"one activation after it, of {', '.join(_FROM)}"
                )
            layers.activation(name)
    return layers.finish()


def _batch_norm(part: Any) -> tuple[Array, Array]:
    gamma, beta = (None if p is None else _values(p) for p in (part.weight, part.bias))
    return folded(gamma, beta, _values(part.running_mean), _values(part.running_var), part.eps)


def _values(tensor: Any) -> Array:
    """Return a tensor's values; what NumPy does not know (bfloat16) as float32."""
    tensor = tensor.detach().cpu()
    return (tensor if str(tensor.dtype) == "torch.float64" else tensor.float()).numpy()


def _flat(module: Any, place: str = "") -> list[tuple[str, Any]]:
    if type(module).__name__ != "Sequential":
        return [(place, module)]
    return [
        found
        for name, child in module.named_children()
        for found in _flat(child, f"{place}.{name}" if place else name)
    ]
