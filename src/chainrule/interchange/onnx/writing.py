"""A network, with what its table needs, as an ONNX model."""

from __future__ import annotations

import json
import os

from chainrule import storage
from chainrule.interchange.models import Model
from chainrule.interchange.onnx import functions, pipeline
from chainrule.interchange.onnx.graph import Graph
from chainrule.interchange.verifying import Verification, compare
from chainrule.naming import family_of

_TOOL = "ONNX Runtime"


def write(path: str | os.PathLike[str], model: Model) -> Verification:
    """Write an ONNX model, after ONNX Runtime has predicted what we do.

    A network alone has the input ``X`` (n, n_0) and the output ``Y`` (n, n_l). With a table there
    is an input (n, 1) for each column; see `pipeline`.

    Raises
    ------
    MissingExtraError
        If onnx is not installed.
    InputError
        If the network has an activation of the user's own, or the file cannot be written.
    VerificationError
        If ONNX Runtime predicts something else.
    """
    model.require_written("ONNX has no operator for it")
    graph = Graph("an export to ONNX")
    a = model.architecture
    if model.table is None:
        graph.add_input("X", a.dtype, a.n_inputs, "samples, a row each")
        graph.node("Identity", _network(graph, "X", model), output="Y")
        graph.add_output("Y", a.dtype, ["n", a.n_outputs], "the network's outputs")
        doc, metadata = f"Network {model.sizes()}", {}
    else:
        names = pipeline.input_names(model.table)
        X = pipeline.encode(graph, model.table, names, a.dtype)
        pipeline.answer(graph, model.table.answer, _network(graph, X, model), a.n_outputs)
        doc = f"Network {model.sizes()} that predicts {model.table.answer.name}"
        metadata = {"columns": json.dumps(dict(zip(names.values(), names, strict=True)))}
    content = graph.serialized(f"{doc}, written by chainrule", metadata)
    verification = _verify(content, model)
    storage.write_atomically(path, content)
    return verification


def _network(graph: Graph, x: str, model: Model) -> str:
    """Return the name of the network's outputs for the inputs x."""
    for L, (w, b, activation) in enumerate(model.layers, 1):
        given = [graph.constant(w, f"W{L}")]
        if b is not None:
            given.append(graph.constant(b, f"B{L}"))
        x = graph.node("Gemm", x, *given, transB=1)
        dtype = model.architecture.dtype
        x = graph.expression(functions.expression(activation, dtype), x, dtype)
    return x


def _verify(content: bytes, model: Model) -> Verification:
    try:
        import onnxruntime
    except ImportError:
        return Verification(_TOOL, remedy="pip install onnxruntime")
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    examples = given, _ = model.examples()
    inputs = {"X": given} if model.table is None else pipeline.as_inputs(model.table, given)
    theirs = session.run(None, inputs)[-1]
    families = {family_of(activation)[0] for activation in model.architecture.activations}
    dtype = "float32" if functions.in_single_precision(families) else None
    tool = f"{_TOOL} {onnxruntime.__version__}"
    return compare(tool, theirs, model, examples, dtype)
