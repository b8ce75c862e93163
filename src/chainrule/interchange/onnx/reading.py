"""A network from an ONNX model of dense layers.

The graph is cut where everything passes through one tensor. A piece between two cuts is a dense
layer, or scales and shifts, or changes nothing; or it is an activation, however it is spelled: its
operators are evaluated on some numbers, and the activation with these values is the one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import activations
from chainrule.architecture import Architecture
from chainrule.errors import FileFormatError, InputError
from chainrule.interchange.layers import Layers, folded
from chainrule.interchange.onnx.graph import package
from chainrule.numerics import Array

# What may be evaluated to find out which activation it is.
_EVALUATED = (
    "Abs Add Cast Celu Clip Div Elu Erf Exp Gelu Greater GreaterOrEqual HardSigmoid HardSwish "
    "Identity LeakyRelu Less LessOrEqual Log Max Min Mish Mul Neg Pow PRelu Reciprocal Relu "
    "Selu Sigmoid Sin Softplus Softsign Sqrt Sub Swish Tanh ThresholdedRelu Where"
)
_ELEMENTWISE = frozenset(_EVALUATED.split())
_TRANSPARENT = {"Identity", "Dropout", "Cast", "Flatten"}
_DENSE = {"Gemm", "MatMul"}
_POINTS = np.concatenate([np.linspace(-6, 6, 241), [-30.0, -15.0, 15.0, 30.0]])
_LONGEST = 24  # operators of one activation


def read(path: str | os.PathLike[str]) -> tuple[Architecture, Array]:
    """Return the architecture and the parameters of a model.

    Parameters
    ----------
    path : str or path
        An ONNX model with one input of numbers: Gemm, or MatMul and Add, with activations,
        batch normalisation, scaling and dropout between them.

    Raises
    ------
    MissingExtraError
        If onnx is not installed.
    InputError
        Naming the first operator that has no counterpart here.
    FileFormatError
        If the file is damaged.
    """
    onnx = package("from_onnx")
    if not Path(path).exists():
        raise InputError(f"there is no file {path}")
    try:
        model = onnx.load(os.fspath(path))
        onnx.checker.check_model(model)
    except Exception as error:  # of protobuf and onnx, whatever their names
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise FileFormatError(
            f"{path} is not a whole ONNX model ({why}): export it again"
        ) from None
    layers = Layers()
    pieces = list(_pieces(_Graph(onnx, model)))
    while pieces:
        pieces = pieces[_take(pieces, layers) :]
    return layers.finish()


class _Graph:
    """The nodes of a model, and the constants that they take."""

    def __init__(self, onnx: Any, model: Any) -> None:
        self.onnx, self.opsets = onnx, model.opset_import
        graph = model.graph
        values = onnx.numpy_helper.to_array
        self.constants = {tensor.name: values(tensor) for tensor in graph.initializer}
        self.nodes = []
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = values(node.attribute[0].t)
            elif node.op_type == "Identity" and node.input[0] in self.constants:
                self.constants[node.output[0]] = self.constants[node.input[0]]
            else:
                self.nodes.append(node)
        inputs = [value.name for value in graph.input if value.name not in self.constants]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise InputError(
                f"the model has {len(inputs)} inputs and {len(graph.output)} outputs, but one "
                "with one of each is needed: export the network without what is around it"
            )
        self.input, self.output = inputs[0], graph.output[0].name


class _Piece:
    """Nodes through which everything passes, from one tensor to another."""

    def __init__(self, graph: _Graph, nodes: Sequence[Any], start: str, end: str) -> None:
        self.graph, self.nodes, self.start, self.end = graph, list(nodes), start, end

    @property
    def operators(self) -> list[str]:
        return [node.op_type for node in self.nodes]

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the first node."""
        return self._attributes_of(self.nodes[0])

    def constant(self, i: int) -> Array | None:
        """Return an input of the first node if it is a constant, None if it has none there."""
        names = self.nodes[0].input
        return self.graph.constants.get(names[i]) if i < len(names) and names[i] else None

    def parameters(self) -> Iterator[float]:
        """Return the numbers that may be the parameter of an activation."""
        for node in self.nodes:
            if "alpha" in (found := self._attributes_of(node)):
                yield float(f"{found['alpha']:.7g}")
            constants = (self.graph.constants.get(name) for name in node.input)
            yield from (
                float(f"{c.item():.7g}") for c in constants if c is not None and c.size == 1
            )

    def values(self, x: Array) -> Array | None:
        """Return what the nodes make of an array, None if they are not to be evaluated."""
        if set(self.operators) - _ELEMENTWISE or len(self.nodes) > _LONGEST:
            return None
        helper, onnx = self.graph.onnx.helper, self.graph.onnx
        from onnx.reference import ReferenceEvaluator

        kind = helper.np_dtype_to_tensor_dtype(x.dtype)
        ends = [helper.make_tensor_value_info(name, kind, None) for name in (self.start, self.end)]
        wanted = {name for node in self.nodes for name in node.input}
        constants = [
            onnx.numpy_helper.from_array(self.graph.constants[name], name)
            for name in sorted(wanted & self.graph.constants.keys())
        ]
        graph = helper.make_graph(self.nodes, "piece", ends[:1], ends[1:], constants)
        model = helper.make_model(graph, opset_imports=self.graph.opsets)
        try:
            with np.errstate(all="ignore"):
                results: Any = ReferenceEvaluator(model).run(None, {self.start: x})
                return np.asarray(results[0])
        except Exception:  # whatever an operator raises: this is no activation
            return None

    @staticmethod
    def _attributes_of(node: Any) -> dict[str, Any]:
        from onnx.helper import get_attribute_value

        return {attribute.name: get_attribute_value(attribute) for attribute in node.attribute}


def _pieces(graph: _Graph) -> Iterator[_Piece]:
    """Return the smallest pieces in order."""
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.input}
    last_use[graph.output] = len(graph.nodes)
    start, nodes, alive = graph.input, [], {graph.input}
    for i, node in enumerate(graph.nodes):
        nodes.append(node)
        alive |= {name for name in node.output if last_use.get(name, -1) > i}
        alive -= {name for name in node.input if last_use.get(name, -1) <= i}
        if len(alive) == 1:
            (end,) = alive
            yield _Piece(graph, nodes, start, end)
            start, nodes = end, []
    if nodes or start != graph.output:
        raise InputError("the model's output does not come from its input: export it again")


def _take(pieces: Sequence[_Piece], layers: Layers) -> int:
    """Add what the first pieces are, and return how many they were."""
    first = pieces[0]
    if _is_dense(first):
        _add_dense(first, layers)
        return 1
    n = next((i for i, piece in enumerate(pieces) if _is_dense(piece)), len(pieces))
    # an activation may be spelled by several pieces: the longest way to read it is the right one
    for length in range(min(n, _LONGEST), 0, -1):
        joined = _Piece(first.graph, [node for piece in pieces[:length] for node in piece.nodes],
                        first.start, pieces[length - 1].end)  # fmt: skip
        if layers.takes_activation and (name := _activation(joined, layers.width or 1)):
            layers.activation(name)
            return length
    if len(first.nodes) == 1 and _add_simple(first, layers):
        return 1
    operators = ", ".join(dict.fromkeys(first.operators))
    raise InputError(
        f"the model has {operators} (after {first.start!r}), which no chainrule network has there: "
        "it may have Gemm or MatMul with Add, each followed by one activation, batch "
        "normalisation, and scaling by constants"
    )


def _is_dense(piece: _Piece) -> bool:
    if len(piece.nodes) > 1 or piece.operators[0] not in _DENSE:
        return False
    w = piece.constant(1)
    return w is not None and w.ndim == 2 and piece.nodes[0].input[0] == piece.start


def _add_dense(piece: _Piece, layers: Layers) -> None:
    w, given = _floats(piece.constant(1)), piece.attributes()
    if piece.operators[0] == "MatMul":
        layers.dense(w.T, None)
        return
    if given.get("transA", 0):
        raise InputError(
            "the model has a Gemm with transA, whose samples are columns: transpose it"
        )
    b = piece.constant(2)
    if b is None and len(piece.nodes[0].input) > 2:
        raise InputError("the model has a Gemm whose biases are no constants: export it again")
    w = given.get("alpha", 1.0) * (w if given.get("transB", 0) else w.T)
    if b is not None:
        b = given.get("beta", 1.0) * np.broadcast_to(_floats(b).ravel(), len(w))
    layers.dense(w, b)


def _add_simple(piece: _Piece, layers: Layers) -> bool:
    """Add a piece of one node that scales, shifts or changes nothing; return whether it does."""
    node, operator = piece.nodes[0], piece.operators[0]
    if operator in _TRANSPARENT or (operator == "Reshape" and layers.width is None):
        return True
    if operator == "Softmax" and piece.attributes().get("axis", -1) in (-1, 1):
        if not layers.takes_activation:
            return False
        layers.activation("softmax")
        return True
    if operator == "BatchNormalization":
        parts = [piece.constant(i) for i in range(1, 5)]
        if any(part is None for part in parts):
            return False
        gamma, beta, mean, variance = (_floats(part) for part in parts)
        layers.scale(*folded(gamma, beta, mean, variance, piece.attributes().get("epsilon", 1e-5)))
        return True
    if operator not in ("Add", "Sub", "Mul", "Div"):
        return False
    first = node.input[0] == piece.start
    c = piece.constant(1 if first else 0)
    if c is None or c.size != max(c.shape, default=1) or (not first and operator == "Div"):
        return False
    c, one = _floats(c).ravel(), np.ones(1, c.dtype)
    scale, shift = {
        "Add": (one, c),
        "Sub": (one, -c) if first else (-one, c),
        "Mul": (c, 0 * one),
        "Div": (1 / c, 0 * one),
    }[operator]
    layers.scale(scale, shift)
    return True


def _activation(piece: _Piece, width: int) -> str | None:
    """Return the name of the activation with the values of a piece, None if there is none."""
    x = np.repeat(_POINTS[:, None], width, axis=1)
    found = piece.values(x.astype(np.float32))
    if found is None:
        found = piece.values(x)  # a model of double precision
    if found is None or found.shape != x.shape or (found != found[:, :1]).any():
        return None
    y = found[:, 0].astype(np.float64)
    names = [name for name, a in activations.NAMED.items() if a.elementwise and name != "identity"]
    numbers = sorted({number for number in piece.parameters() if 0 < number < 1e6})
    names += [f"{family}({number!r})" for family in activations.DEFAULTS for number in numbers]
    for name in names:
        wanted = activations.get(name).sigma(_POINTS)
        if np.allclose(y, wanted, rtol=1e-5, atol=2e-6):
            return name
    return None


def _floats(values: Array | None) -> Array:
    """Return weights as float64 if they are, else as float32."""
    assert values is not None
    return values if values.dtype == np.float64 else values.astype(np.float32)
