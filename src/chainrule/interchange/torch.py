"""PyTorch: to and from a ``torch.nn.Sequential`` of linear layers and activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.activations import Activation
from chainrule.architecture import Architecture, assemble
from chainrule.errors import InputError, MissingExtraError
from chainrule.naming import family_of
from chainrule.numerics import EXP_LIMIT, Array

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
        Linear layers with activations between them; sequences may be nested, and dropout is
        passed over.

    Raises
    ------
    InputError
        Naming the first module that has no counterpart here.
    """
    weights: list[Array] = []
    biases: list[Array | None] = []
    names: list[str] = []
    for place, part in _flat(module):
        kind = type(part).__name__
        if kind == "Linear":
            weights.append(_values(part.weight))
            biases.append(None if part.bias is None else _values(part.bias))
            names.append("identity")
        elif kind in _TRANSPARENT:
            continue
        else:
            name = _FROM[kind](part) if kind in _FROM else None
            if name is None or not names or names[-1] != "identity":
                raise InputError(
                    f"the module has {part} at {place or 'its top'}, which a chainrule network "
                    "cannot be: pass a torch.nn.Sequential of Linear layers, each with at most "
                    f"one activation after it, of {', '.join(_FROM)}"
                )
            names[-1] = name
    return assemble(weights, biases, names)


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


def write(architecture: Architecture, parameters: Array) -> Any:
    """Return a ``torch.nn.Sequential`` that predicts the same.

    Each linear layer is followed by its activation, so that the keys of its state are those
    of the files.

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed.
    InputError
        If the network has an activation of the user's own.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtraError("torch", None, "Network.to_torch") from None

    class Elementwise(torch.nn.Module):
        """An activation that torch.nn has no module for."""

        def __init__(self, name: str, function: Callable[[Any], Any]) -> None:
            super().__init__()
            self.name, self.function = name, function

        def forward(self, x: Any) -> Any:
            return self.function(x)

        def extra_repr(self) -> str:
            return self.name

    def exponential(x: Any) -> Any:
        return torch.exp(x.clamp(max=EXP_LIMIT)) * (1 + (x - EXP_LIMIT).clamp(min=0))

    nn = torch.nn
    modules: dict[str, Callable[[], Any]] = {
        "identity": nn.Identity, "relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid,
        "selu": nn.SELU, "gelu": nn.GELU, "silu": nn.SiLU, "mish": nn.Mish,
        "softplus": lambda: nn.Softplus(threshold=math.inf), "softsign": nn.Softsign,
        "hard_tanh": nn.Hardtanh, "softmax": lambda: nn.Softmax(dim=-1),
        "sin": lambda: Elementwise("sin", torch.sin),
        "gaussian": lambda: Elementwise("gaussian", lambda x: torch.exp(-x * x)),
        "exponential": lambda: Elementwise("exponential", exponential),
    }  # fmt: skip
    families = {"leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "celu": nn.CELU}

    def counterpart(activation: Activation) -> Any:
        if activation.own:
            raise InputError(
                f"{activation!r} is your own, and PyTorch has no module for it: write one, and "
                "load the weights from a saved file"
            )
        family, value = family_of(activation)
        if value is not None:
            return families[family](value)
        return (modules | families)[family]()

    parts: list[Any] = []
    for w, b, activation in zip(*architecture.views(parameters), architecture.activations,
                                strict=True):  # fmt: skip
        linear = nn.Linear(
            w.shape[1], w.shape[0], bias=b is not None, dtype=getattr(torch, architecture.dtype)
        )
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(w)))
            if b is not None:
                linear.bias.copy_(torch.from_numpy(np.ascontiguousarray(b)))
        parts += [linear, counterpart(activation)]
    return nn.Sequential(*parts)
