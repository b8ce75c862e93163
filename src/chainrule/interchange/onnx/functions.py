"""Our activations as expressions of ONNX operators.

ONNX Runtime has only some operators in double precision; for the others, float64 is spelled with
those that it has.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule import activations
from chainrule.activations import Activation
from chainrule.naming import family_of
from chainrule.numerics import EXP_LIMIT

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805

_ABOVE: Any = ("Relu", "x")
_BELOW: Any = ("Min", "x", 0.0)
# log(1 + exp(x)) without an overflow
_SOFTPLUS: Any = ("Add", _ABOVE, ("Log", ("Add", ("Exp", ("Neg", ("Abs", "x"))), 1.0)))


def _bent(a: float, alpha: float = 1.0) -> Any:
    """Return alpha (exp(x / a) - 1) below 0, and x above."""
    return ("Add", _ABOVE, ("Mul", ("Sub", ("Exp", ("Div", _BELOW, a)), 1.0), alpha))


def expression(activation: Activation, dtype: str) -> Any:
    """Return the activation as `Graph.expression` takes it."""
    family, value = family_of(activation)
    a = float(activations.DEFAULTS.get(family, 1.0) if value is None else value)
    exponent = ("Exp", ("Min", "x", EXP_LIMIT))
    erf: Any = ("Erf", ("Mul", "x", math.sqrt(0.5)))
    single = {
        "identity": "x",
        "relu": _ABOVE,
        "tanh": ("Tanh", "x"),
        "sigmoid": ("Sigmoid", "x"),
        "leaky_relu": ("LeakyRelu", "x", {"alpha": a}),
        "elu": ("Elu", "x", {"alpha": a}),
        "celu": ("Mul", ("Elu", ("Div", "x", a)), a),
        "selu": ("Selu", "x"),
        "gelu": ("Mul", ("Mul", "x", 0.5), ("Add", erf, 1.0)),
        "silu": ("Mul", "x", ("Sigmoid", "x")),
        "mish": ("Mul", "x", ("Tanh", ("Softplus", "x"))),
        "softplus": ("Softplus", "x"),
        "softsign": ("Softsign", "x"),
        "hard_tanh": ("Clip", "x", -1.0, 1.0),
        "sin": ("Sin", "x"),
        "gaussian": ("Exp", ("Neg", ("Mul", "x", "x"))),
        "exponential": ("Mul", exponent, ("Add", ("Relu", ("Sub", "x", EXP_LIMIT)), 1.0)),
        "softmax": ("Softmax", "x", {"axis": -1}),
    }
    if dtype == "float32":
        return single[family]
    # the only one for which there is no way to double precision
    erf = ("Cast", ("Erf", ("Cast", erf[1], {"to": _FLOAT})), {"to": _DOUBLE})
    double = {
        "leaky_relu": ("Add", _ABOVE, ("Mul", _BELOW, a)),
        "elu": _bent(1.0, a),
        "celu": _bent(a, a),
        "selu": ("Mul", _bent(1.0, _SELU_ALPHA), _SELU_SCALE),
        "gelu": ("Mul", ("Mul", "x", 0.5), ("Add", erf, 1.0)),
        "mish": ("Mul", "x", ("Tanh", _SOFTPLUS)),
        "softplus": _SOFTPLUS,
        "softsign": ("Div", "x", ("Add", ("Abs", "x"), 1.0)),
    }
    return double.get(family, single[family])


# onnx.TensorProto.FLOAT and .DOUBLE
_FLOAT, _DOUBLE = 1, 11


def in_single_precision(names: set[str]) -> bool:
    """Return whether a network with these families of activations loses double precision."""
    return "gelu" in names
