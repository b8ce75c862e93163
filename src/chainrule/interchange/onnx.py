"""ONNX: the network as a graph of standard operators."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from chainrule import __version__, storage
from chainrule.architecture import Architecture
from chainrule.errors import InputError, MissingExtraError
from chainrule.naming import family_of
from chainrule.numerics import EXP_LIMIT, Array

# The first version with Gelu; Mish came with 18.
_OPSET = 20

# An operator, its inputs and its attributes. Of the inputs, "x" is the pre-activation, "last"
# the result before, a whole number that result, counted from 0, and a float a constant.
_Operator = tuple[str, tuple[Any, ...], dict[str, Any]]


def _chain(name: str, value: float | None) -> list[_Operator]:
    """Return the operators of an activation, in order."""
    alpha = {} if value is None else {"alpha": value}
    scale = value or 1.0
    chains: dict[str, list[_Operator]] = {
        "identity": [],
        "relu": [("Relu", ("x",), {})],
        "tanh": [("Tanh", ("x",), {})],
        "sigmoid": [("Sigmoid", ("x",), {})],
        "leaky_relu": [("LeakyRelu", ("x",), {"alpha": 0.01, **alpha})],
        "elu": [("Elu", ("x",), {"alpha": 1.0, **alpha})],
        # a elu(x / a), because Celu is for float32 only
        "celu": [("Div", ("x", scale), {}), ("Elu", ("last",), {}), ("Mul", ("last", scale), {})],
        "selu": [("Selu", ("x",), {})],
        "gelu": [("Gelu", ("x",), {"approximate": "none"})],
        "silu": [("Sigmoid", ("x",), {}), ("Mul", ("x", "last"), {})],
        "mish": [("Mish", ("x",), {})],
        "softplus": [("Softplus", ("x",), {})],
        "softsign": [("Softsign", ("x",), {})],
        "hard_tanh": [("Clip", ("x", -1.0, 1.0), {})],
        "sin": [("Sin", ("x",), {})],
        "gaussian": [("Mul", ("x", "x"), {}), ("Neg", ("last",), {}), ("Exp", ("last",), {})],
        "exponential": [
            ("Clip", ("x", "", EXP_LIMIT), {}),
            ("Exp", ("last",), {}),
            ("Sub", ("x", EXP_LIMIT), {}),
            ("Relu", ("last",), {}),
            ("Add", ("last", 1.0), {}),
            ("Mul", (1, "last"), {}),
        ],
        "softmax": [("Softmax", ("x",), {"axis": -1})],
    }
    return chains[name]


def write(path: str | os.PathLike[str], architecture: Architecture, parameters: Array) -> None:
    """Write the network as an ONNX model with input ``X`` and output ``Y``, rows being samples.

    Raises
    ------
    MissingExtraError
        If onnx is not installed.
    InputError
        If the network has an activation of the user's own, or the file cannot be written.
    """
    try:
        import onnx
        from onnx import helper, numpy_helper
    except ImportError:
        raise MissingExtraError("onnx", "onnx", "Network.to_onnx") from None

    dtype = np.dtype(architecture.dtype)
    nodes: list[Any] = []
    constants: list[Any] = []
    numbers = iter(range(1_000_000))

    def constant(values: Array, name: str) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(operator: str, inputs: list[str], **attributes: Any) -> str:
        output = f"{operator.lower()}_{next(numbers)}"
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    last = "X"
    layers = zip(*architecture.views(parameters), architecture.activations, strict=True)
    for L, (w, b, activation) in enumerate(layers, 1):
        if activation.own:
            raise InputError(f"{activation!r} is your own, and ONNX has no operator for it")
        inputs = [last, constant(w, f"W{L}")] + ([constant(b, f"B{L}")] if b is not None else [])
        x = last = node("Gemm", inputs, transB=1)
        results: list[str] = []
        for operator, arguments, attributes in _chain(*family_of(activation)):
            known: dict[Any, str] = {"x": x, "last": last, "": "", **dict(enumerate(results))}
            given = [
                constant(np.array(argument, dtype), f"constant_{next(numbers)}")
                if isinstance(argument, float)
                else known[argument]
                for argument in arguments
            ]
            last = node(operator, given, **attributes)
            results.append(last)
    nodes.append(helper.make_node("Identity", [last], ["Y"]))

    kind = helper.np_dtype_to_tensor_dtype(dtype)
    sizes = {"X": architecture.n_inputs, "Y": architecture.n_outputs}
    X, Y = (helper.make_tensor_value_info(name, kind, ["n", size]) for name, size in sizes.items())
    model = helper.make_model(
        helper.make_graph(nodes, "chainrule", [X], [Y], constants),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        producer_name="chainrule",
        producer_version=__version__,
        ir_version=9,  # what runtimes of that opset's time read
    )
    onnx.checker.check_model(model, full_check=True)
    storage.write_atomically(path, model.SerializeToString())
