"""A network as a ``torch.nn.Sequential``, and its state as a file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from chainrule import files, storage
from chainrule.activations import Activation
from chainrule.errors import MissingExtraError
from chainrule.interchange.models import Model
from chainrule.interchange.verifying import Verification, compare
from chainrule.naming import family_of
from chainrule.numerics import EXP_LIMIT

_TOOL = "PyTorch"
_WITHOUT_MODULE = "PyTorch has no module for it: write one, and load the weights from a saved file"


def module(model: Model) -> Any:
    """Return a ``torch.nn.Sequential`` that was found to predict the same.

    Raises
    ------
    MissingExtraError, InputError
        As `sequential`.
    VerificationError
        If it predicts something else.
    """
    made = sequential(model)
    _compare(made, model)
    return made


def sequential(model: Model) -> Any:
    """Return a ``torch.nn.Sequential`` with a copy of the parameters.

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
    model.require_written(_WITHOUT_MODULE)
    made = _sequential(torch, model)
    with torch.no_grad():
        for layer, (w, b, _) in zip(list(made)[::2], model.layers, strict=True):
            layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(w)))
            if b is not None:
                layer.bias.copy_(torch.from_numpy(np.ascontiguousarray(b)))
    return made


def write(path: str | os.PathLike[str], model: Model) -> Verification:
    """Write the state of such a module to a safetensors file.

    For a model of a table, it is the network alone.

    Raises
    ------
    InputError
        If the network has an activation of the user's own, or the file cannot be written.
    VerificationError
        If a module with this state predicts something else.
    """
    from safetensors.numpy import save

    model.require_written(_WITHOUT_MODULE)
    arrays = {
        name: np.ascontiguousarray(array)
        for name, array in files.named(model.architecture, model.parameters)
    }
    content = save(arrays, {"format": "pt"})
    verification = _verify(content, model)
    storage.write_atomically(path, content)
    return verification


def _verify(content: bytes, model: Model) -> Verification:
    try:
        import torch
        from safetensors.torch import load
    except ImportError:
        return Verification(_TOOL, remedy="pip install torch")
    made = _sequential(torch, model)
    made.load_state_dict(load(content))
    return _compare(made, model)


def _compare(made: Any, model: Model) -> Verification:
    import torch

    network = model.network
    examples = X, _ = network.examples()
    with torch.no_grad():
        theirs = made(torch.from_numpy(X)).numpy()
    return compare(f"{_TOOL} {torch.__version__.partition('+')[0]}", theirs, network, examples)


def _sequential(torch: ModuleType, model: Model) -> Any:
    """Return the module with parameters of its own."""
    nn = torch.nn

    class Elementwise(nn.Module):  # type: ignore[misc, name-defined]
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
        family, value = family_of(activation)
        return (modules | families)[family]() if value is None else families[family](value)

    dtype = getattr(torch, model.architecture.dtype)
    parts: list[Any] = []
    for w, b, activation in model.layers:
        linear = nn.Linear(w.shape[1], w.shape[0], bias=b is not None, dtype=dtype)
        parts += [linear, counterpart(activation)]
    return nn.Sequential(*parts)
