"""Dense networks from ONNX and Keras files: what comes in predicts here as it did there."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

import chainrule as cr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype(np.float32)


def array(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def onnx_file(path: Path, nodes: list[Any], constants: dict[str, Any], opset: int = 17) -> Path:
    """Write a model from ``X`` to ``Y``."""
    shapes: list[tuple[str, list[str | int]]] = [("X", ["n", 4]), ("Y", ["n", "m"])]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes
    ]
    given = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], given)
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, path)
    return path


def of_onnx_runtime(path: Path, X: Any = X) -> Any:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: X})[0]


def node(operator: str, inputs: str, output: str, **attributes: Any) -> Any:
    return helper.make_node(operator, inputs.split(), [output], **attributes)


def test_matmul_add_and_batch_normalisation(tmp_path: Path) -> None:
    constants = {
        "W": array(4, 5), "b": array(5), "g": array(5), "s": array(5), "m": array(5),
        "v": np.abs(array(5)), "V": array(3, 5), "mean": array(4), "two": np.float32(2.5),
    }  # fmt: skip
    nodes = [
        node("Sub", "X mean", "x0"),
        node("MatMul", "x0 W", "x1"),
        node("Add", "b x1", "x2"),
        node("BatchNormalization", "x2 g s m v", "x3", epsilon=0.01),
        node("Relu", "x3", "x4"),
        node("BatchNormalization", "x4 g s m v", "x5"),
        node("Dropout", "x5", "x6"),
        node("Gemm", "x6 V", "x7", alpha=0.5, transB=1),
        node("Div", "x7 two", "x8"),
        node("Tanh", "x8", "x9"),
        node("Mul", "x9 two", "x10"),
        node("Sub", "two x10", "Y"),
    ]
    path = onnx_file(tmp_path / "m.onnx", nodes, constants)
    net = cr.from_onnx(path)
    np.testing.assert_allclose(net.predict(X), of_onnx_runtime(path), rtol=1e-4, atol=1e-5)
    # what scales the result of the last activation is a layer of its own
    assert [a.name for a in net.architecture.activations] == ["relu", "tanh", "identity"]


def test_what_pytorch_exports(tmp_path: Path) -> None:
    nn = torch.nn
    module = nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.GELU(), nn.Linear(6, 6, bias=False), nn.SiLU(),
        nn.Dropout(), nn.Linear(6, 5), nn.Mish(), nn.Linear(5, 5), nn.CELU(0.7), nn.Linear(5, 5),
        nn.Softplus(), nn.Linear(5, 5), nn.LeakyReLU(0.3), nn.Linear(5, 3), nn.Softmax(dim=1),
    ).eval()  # fmt: skip
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's about its own future
        torch.onnx.export(module, (torch.from_numpy(X),), str(tmp_path / "m.onnx"), dynamo=False)
    net = cr.from_onnx(tmp_path / "m.onnx")
    names = [a.name for a in net.architecture.activations]
    wanted = ["gelu", "silu", "mish", "celu(0.7)", "softplus", "leaky_relu(0.3)", "softmax"]
    assert names == wanted
    assert net.architecture.loss.name == "cross_entropy"
    np.testing.assert_allclose(net.predict(X), module(torch.from_numpy(X)).detach(), atol=1e-5)


def test_batch_normalisation_of_pytorch() -> None:
    nn = torch.nn
    module = nn.Sequential(
        nn.BatchNorm1d(4), nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.BatchNorm1d(6),
        nn.Linear(6, 2), nn.Tanh(), nn.BatchNorm1d(2, affine=False),
    )  # fmt: skip
    for _ in range(20):
        module(torch.from_numpy(array(30, 4)) * 3 + 1)
    module.eval()
    net = cr.from_torch(module)
    with torch.no_grad():
        theirs = module(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(net.predict(X), theirs, atol=1e-5)
    assert net.layer_sizes == (4, 6, 2, 2)


W4, W44 = array(4, 3), array(4, 4)


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([node("Gemm", "X W", "a"), node("LogSoftmax", "a", "Y")], "has LogSoftmax"),
        ([node("Relu", "X", "a"), node("Gemm", "a W", "Y")], "has Relu"),
        (  # a residual connection
            [node("Gemm", "X V", "a"), node("Add", "a X", "b"), node("Gemm", "b W", "Y")],
            "has Gemm, Add",
        ),
        (
            [node("Gemm", "X W", "a"), node("Relu", "a", "b"), node("Tanh", "b", "Y")],
            "has Tanh",
        ),
        ([node("Gemm", "X W", "Y", transA=1)], "transA"),
        ([node("Gemm", "X W", "a"), node("ReduceSum", "a", "Y")], "has ReduceSum"),
        ([node("Identity", "X", "Y")], "at least one layer"),
        ([node("Gemm", "X W", "a"), node("HardSigmoid", "a", "Y")], "has HardSigmoid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_operators_without_a_counterpart_are_named(
    nodes: list[Any], said: str, tmp_path: Path
) -> None:
    path = onnx_file(tmp_path / "m.onnx", nodes, {"W": W4, "V": W44})
    with pytest.raises(cr.InputError, match=said):
        cr.from_onnx(path)


def test_a_tanh_approximation_of_gelu_is_not_gelu(tmp_path: Path) -> None:
    for approximate, fits in (("none", True), ("tanh", False)):
        nodes = [node("Gemm", "X W", "a"), node("Gelu", "a", "Y", approximate=approximate)]
        path = onnx_file(tmp_path / "m.onnx", nodes, {"W": W4}, opset=20)
        if fits:
            assert cr.from_onnx(path).architecture.activations[0].name == "gelu"
        else:
            with pytest.raises(cr.InputError, match="has Gelu"):
                cr.from_onnx(path)


def test_damaged_onnx_files(tmp_path: Path) -> None:
    cr.Network([4, 3, 2], "tanh").to_onnx(tmp_path / "m.onnx")
    content = (tmp_path / "m.onnx").read_bytes()
    chance = np.random.default_rng(0)
    for i in range(150):
        changed = bytearray(content)
        for _ in range(1 + i % 3):
            changed[chance.integers(len(changed))] = chance.integers(256)
        if i % 10 == 0:
            changed = changed[: chance.integers(len(changed))]
        (tmp_path / "m.onnx").write_bytes(changed)
        try:
            cr.from_onnx(tmp_path / "m.onnx").predict(X)
        except cr.ChainruleError:
            continue
    with pytest.raises(cr.InputError, match="there is no file"):
        cr.from_onnx(tmp_path / "none.onnx")


# Keras


def keras_layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": kind, "config": {"name": name, **config}}


def keras_file(
    path: Path, layers: list[dict[str, Any]], arrays: dict[str, list[Any]],
    change: Callable[[Any], None] = lambda _: None,
) -> Path:  # fmt: skip
    """Write what ``model.save`` of Keras 3 writes, by hand."""
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        for place, values in arrays.items():
            group = file.create_group(f"layers/{place}/vars")
            for i, value in enumerate(values):
                group[str(i)] = value
        change(file)
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.10.0"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


def test_a_keras_file_written_by_hand(tmp_path: Path) -> None:
    arrays = {"dense": [array(4, 5), array(5)], "dense_1": [array(5, 2)]}
    layers = [
        keras_layer("InputLayer", "input"),
        keras_layer("Dense", "first", activation="swish", use_bias=True),
        keras_layer("Dropout", "drop", rate=0.5),
        keras_layer("Dense", "second", activation="linear", use_bias=False),
        keras_layer("LeakyReLU", "leaky", negative_slope=0.3),
    ]
    net = cr.from_keras(keras_file(tmp_path / "m.keras", layers, arrays))
    assert [a.name for a in net.architecture.activations] == ["silu", "leaky_relu(0.3)"]
    hidden = X @ arrays["dense"][0] + arrays["dense"][1]
    out = hidden / (1 + np.exp(-hidden)) @ arrays["dense_1"][0]
    np.testing.assert_allclose(net.predict(X), np.where(out > 0, out, 0.3 * out), atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (keras_layer("Conv1D", "c"), "the layer 'c', a Conv1D"),
        (keras_layer("Dense", "d", activation="relu6", use_bias=True), "the layer 'd', a Dense"),
        (keras_layer("ReLU", "r", max_value=6.0, negative_slope=0.0, threshold=0.0), "a ReLU"),
        (keras_layer("Lambda", "f"), "the layer 'f', a Lambda"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_layers_without_a_counterpart_are_named(
    layer: dict[str, Any], said: str, tmp_path: Path
) -> None:
    arrays = {"dense": [array(4, 4), array(4)], "dense_1": [array(4, 4), array(4)]}
    first = keras_layer("Dense", "first", activation="linear", use_bias=True)
    with pytest.raises(cr.InputError, match=said):
        cr.from_keras(keras_file(tmp_path / "m.keras", [first, layer], arrays))


def test_a_keras_file_cannot_reach_others(tmp_path: Path) -> None:
    """Links to other files, numbers that are elsewhere, sizes that are not there."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["numbers"] = array(4, 3)
    (tmp_path / "raw").write_bytes(bytes(48))
    layers = [keras_layer("Dense", "d", activation="linear", use_bias=False)]

    def link(file: Any) -> None:
        file["layers/dense/vars/0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "numbers")

    def soft(file: Any) -> None:
        file["layers/dense/vars/0"] = h5py.SoftLink("/elsewhere")

    def outside(file: Any) -> None:
        file.create_dataset(
            "layers/dense/vars/0", (4, 3), "f4", external=[(str(tmp_path / "raw"), 0, 48)]
        )

    def virtual(file: Any) -> None:
        layout = h5py.VirtualLayout((4, 3), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "numbers", (4, 3))
        file.create_virtual_dataset("layers/dense/vars/0", layout)

    def huge(file: Any) -> None:
        file.create_dataset("layers/dense/vars/0", (10**6, 10**6), "f4", chunks=(100, 100))

    for change in (link, soft, outside, virtual, huge):
        path = keras_file(tmp_path / "m.keras", layers, {"dense": []}, change)
        with pytest.raises(cr.FileFormatError, match="not in the file"):
            cr.from_keras(path)


def test_damaged_keras_files(tmp_path: Path) -> None:
    arrays = {"dense": [array(4, 3), array(3)]}
    layers = [keras_layer("Dense", "d", activation="relu", use_bias=True)]
    path = keras_file(tmp_path / "m.keras", layers, arrays)
    content = path.read_bytes()
    chance = np.random.default_rng(0)
    for i in range(150):
        changed = bytearray(content)
        for _ in range(1 + i % 3):
            changed[chance.integers(len(changed))] = chance.integers(256)
        if i % 10 == 0:
            changed = changed[: chance.integers(len(changed))]
        path.write_bytes(changed)
        try:
            cr.from_keras(path).predict(X)
        except cr.ChainruleError:
            continue
    with pytest.raises(cr.InputError, match="there is no file"):
        cr.from_keras(tmp_path / "none.keras")
    (tmp_path / "old.h5").write_bytes(b"\x89HDF")
    with pytest.raises(cr.FileFormatError, match=r"save the model with model\.save"):
        cr.from_keras(tmp_path / "old.h5")


_KERAS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import numpy as np, keras
L, rng = keras.layers, np.random.default_rng(0)
X = rng.normal(1, 2, size=(30, 4)).astype("float32")
norm = L.Normalization(); norm.adapt(X)
inputs = keras.Input((4,))
inner = keras.Sequential([keras.Input((5,)), L.Dense(4, activation="elu"), L.Dense(5)])
models = {
    "sequential": keras.Sequential([
        keras.Input((4,)), norm, L.Dense(8, activation="relu"), L.BatchNormalization(), L.Dense(6),
        L.LeakyReLU(negative_slope=0.25), L.Dropout(0.1), L.Dense(5, use_bias=False),
        L.Activation("gelu"), L.BatchNormalization(scale=False), L.Dense(3, activation="softmax")]),
    "functional": keras.Model(
        inputs,
        L.Dense(1)(L.BatchNormalization(center=False)(L.Dense(3, activation="selu")(inputs))),
    ),
    "nested": keras.Sequential([
        keras.Input((4,)), L.Rescaling(0.5, offset=-1.0), L.Dense(5, activation="leaky_relu"),
        inner, L.Softmax()]),
}
for a in ("tanh sigmoid elu selu gelu silu mish celu softplus softsign hard_tanh exponential "
          "softmax linear").split():
    models[a] = keras.Sequential([keras.Input((4,)), L.Dense(4), L.Dense(3, activation=a)])
branch = L.Dense(4)(inputs)
models["residual"] = keras.Model(inputs, L.Add()([branch, inputs]))
models["image"] = keras.Sequential([keras.Input((2, 2)), L.Flatten(), L.Dense(2)])
models["each"] = keras.Sequential([keras.Input((2, 2)), L.Dense(2), L.Flatten(), L.Dense(2)])
np.save("X.npy", X)
for name, model in models.items():
    for w in model.weights:  # what batch normalisation has seen, too
        w.assign(np.abs(rng.normal(0.3, 0.5, w.shape)) if w.dtype != "int32" else w.numpy())
    model.save(name + ".keras")
    if tuple(model.input_shape) == (None, 4):
        np.save(name + ".npy", keras.ops.convert_to_numpy(model(X)))
    else:
        np.save(name + ".npy", keras.ops.convert_to_numpy(model(X.reshape(-1, 2, 2))))
"""


@pytest.fixture(scope="module")
def of_keras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models that Keras saved, with what it predicts."""
    folder = tmp_path_factory.mktemp("keras")
    environment = {**os.environ, "KERAS_HOME": str(folder)}
    subprocess.run([sys.executable, "-c", _KERAS], cwd=folder, env=environment, check=True)
    return folder


def test_what_keras_saves(of_keras: Path) -> None:
    inputs = np.load(of_keras / "X.npy")
    names = {path.stem for path in of_keras.glob("*.keras")} - {"residual", "each"}
    assert len(names) == 18
    for name in sorted(names):
        net = cr.from_keras(of_keras / f"{name}.keras")
        theirs = np.load(of_keras / f"{name}.npy")
        np.testing.assert_allclose(net.predict(inputs), theirs, rtol=2e-5, atol=2e-5, err_msg=name)


def test_what_is_no_chain_of_layers(of_keras: Path) -> None:
    with pytest.raises(cr.InputError, match=r"the layer 'add' of the model follows dense.*"):
        cr.from_keras(of_keras / "residual.keras")
    with pytest.raises(cr.InputError, match=r"takes inputs of shape \(None, 2, 2\)"):
        cr.from_keras(of_keras / "each.keras")
