"""An ONNX graph in the making, of operators that every runtime since 2021 has."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from chainrule import __version__
from chainrule.errors import MissingExtraError
from chainrule.numerics import Array

OPSET = 13
"""Of the year 2020: ONNX Runtime 1.7 and newer have it."""
ML_OPSET = 2
_IR_VERSION = 7  # what runtimes of that time read
ML = "ai.onnx.ml"


def package(purpose: str) -> ModuleType:
    """Return the package onnx.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError:
        raise MissingExtraError("onnx", "onnx", purpose) from None
    return onnx


class Graph:
    """Collects nodes and constants.

    What is inside has names with a slash before them, so that inputs and outputs may have any
    others.
    """

    def __init__(self, purpose: str) -> None:
        self.onnx = package(purpose)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def constant(self, values: Any, name: str = "constant") -> str:
        """Return the name of a constant array."""
        values = np.ascontiguousarray(values)
        if values.dtype.kind == "U":
            values = values.astype(object)
        name = f"/{name}" if name != "constant" else f"/constant_{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(values, name))
        return name

    def node(
        self, operator: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any
    ) -> str:
        """Return the name of an operator's result."""
        output = output or f"/{operator}_{len(self.nodes)}"
        node = self.onnx.helper.make_node(
            operator, inputs, [output], name=f"/{len(self.nodes)}", domain=domain, **attributes
        )
        self.nodes.append(node)
        return output

    def expression(self, expression: Any, x: str, dtype: str) -> str:
        """Return the name of the result of nested operators.

        Parameters
        ----------
        expression : "x", a number, or a tuple
            What the name x stands for, a constant, or an operator's name followed by what it
            takes, expressions too, and at the end perhaps a dict of attributes; ``""`` is an input
            left out.
        x : str
            The name of x.
        dtype : str
            The type of the constants.
        """
        if expression in ("x", ""):
            return x if expression else ""
        if isinstance(expression, float):
            return self.constant(np.array(expression, dtype))
        operator, *parts = expression
        attributes = parts.pop() if isinstance(parts[-1], dict) else {}
        given = [self.expression(part, x, dtype) for part in parts]
        return self.node(operator, *given, **attributes)

    def add_input(self, name: str, dtype: Any, width: int, doc: str) -> None:
        """Add an input of shape (n, width)."""
        self.inputs.append(self._value(name, dtype, ["n", width], doc))

    def add_output(self, name: str, dtype: Any, shape: list[Any], doc: str) -> None:
        """Add an output."""
        self.outputs.append(self._value(name, dtype, shape, doc))

    def _value(self, name: str, dtype: Any, shape: list[Any], doc: str) -> Any:
        helper = self.onnx.helper
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return helper.make_tensor_value_info(name, kind, shape, doc_string=doc)

    def serialized(self, doc: str, metadata: Mapping[str, str]) -> bytes:
        """Return the checked model as the content of a file."""
        helper = self.onnx.helper
        graph = helper.make_graph(
            self.nodes, "chainrule", self.inputs, self.outputs, self.constants, doc_string=doc
        )
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == ML for node in self.nodes):
            opsets.append(helper.make_opsetid(ML, ML_OPSET))
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            producer_name="chainrule",
            producer_version=__version__,
            ir_version=_IR_VERSION,
            doc_string=doc,
        )
        helper.set_model_props(model, dict(metadata))
        self.onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()


def object_array(texts: Any) -> Array:
    """Return texts as an array that ONNX takes for strings."""
    return np.array(list(texts), dtype=object)
