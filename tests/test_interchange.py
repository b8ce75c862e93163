"""What goes out predicts the same in the other tool; what comes in predicts the same here."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier, MLPRegressor

import chainrule as cr
from chainrule import activations
from chainrule.activations import Activation
from chainrule.interchange.c import compiling

ELEMENTWISE = [*(name for name in activations.NAMED if name != "softmax"), "leaky_relu(0.2)",
               "elu(0.5)", "celu(2.0)"]  # fmt: skip
TOLERANCE = {"float32": 2e-6, "float64": 1e-13}


def network(activation: str, dtype: str, output: str = "identity", bias: bool = True) -> cr.Network:
    net = cr.Network([5, 7, 6, 3], activation, output, dtype=dtype, bias=bias, seed=3)
    rng = np.random.default_rng(0)
    net.parameters += rng.normal(0, 0.3, net.parameters.shape).astype(dtype)
    return net


def samples(dtype: str) -> npt.NDArray[Any]:
    return np.random.default_rng(1).normal(0, 2, size=(40, 5)).astype(dtype)


def assert_same(theirs: Any, ours: npt.NDArray[Any]) -> None:
    assert theirs.dtype == ours.dtype
    scale = max(1.0, float(np.abs(ours).max()))
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=TOLERANCE[ours.dtype.name] * scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ELEMENTWISE)
def test_torch_predicts_the_same_and_comes_back(activation: str, dtype: str) -> None:
    net, X = network(activation, dtype, output="softmax"), samples(dtype)
    module = net.to_torch()
    with torch.no_grad():
        assert_same(module(torch.from_numpy(X)).numpy(), net.predict(X))
    if activation in ("sin", "gaussian", "exponential"):
        with pytest.raises(cr.InputError, match=f"{activation}.*cannot be"):
            cr.from_torch(module)
        return
    back = cr.from_torch(module)
    assert np.array_equal(back.parameters, net.parameters)
    assert_same(back.predict(X), net.predict(X))
    assert back.architecture.loss.name == "cross_entropy"


def test_torch_has_the_keys_of_the_file(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    net = network("relu", "float32", bias=False)
    net.save(tmp_path / "m.safetensors")
    module = net.to_torch()
    module.load_state_dict(load_file(tmp_path / "m.safetensors"))
    assert not any(key.endswith("bias") for key in module.state_dict())


def test_a_copy_is_given_and_taken() -> None:
    net = network("tanh", "float32")
    module = net.to_torch()
    back = cr.from_torch(module)
    with torch.no_grad():
        module[0].weight.zero_()
    assert net.weights[0].any()
    assert back.weights[0].any()


def test_nested_sequences_dropout_and_missing_biases() -> None:
    block = torch.nn.Sequential(torch.nn.Linear(4, 5, bias=False), torch.nn.ReLU())
    module = torch.nn.Sequential(block, torch.nn.Dropout(0.5), torch.nn.Linear(5, 2)).eval()
    net = cr.from_torch(module)
    assert [a.name for a in net.architecture.activations] == ["relu", "identity"]
    X = samples("float32")[:, :4]
    with torch.no_grad():
        assert_same(module(torch.from_numpy(X)).numpy(), net.predict(X))


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LayerNorm(2)),
        torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(2, 2)),
        torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Tanh()),
        torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.GELU("tanh")),
        torch.nn.Conv2d(1, 1, 3),
        torch.nn.Sequential(),
    ],
    ids=lambda module: type(module).__name__,
)
def test_modules_without_a_counterpart_are_refused(module: Any) -> None:
    with pytest.raises(cr.InputError, match=r"cannot be|at least one layer"):
        cr.from_torch(module)


X_IRIS, y_iris = load_iris(return_X_y=True)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("classes", [2, 3])
def test_scikit_learn_classifiers_come_in(activation: str, classes: int) -> None:
    known = y_iris < classes
    theirs = MLPClassifier((8, 5), activation=activation, max_iter=5, random_state=0)
    theirs.fit(X_IRIS[known], y_iris[known])
    net = cr.from_sklearn(theirs)
    probabilities = theirs.predict_proba(X_IRIS)
    assert_same(net.predict(X_IRIS), probabilities if classes == 3 else probabilities[:, 1:])
    assert net.architecture.loss.name == {2: "binary_cross_entropy", 3: "cross_entropy"}[classes]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_regressors_come_in() -> None:
    theirs = MLPRegressor(hidden_layer_sizes=(6,), max_iter=5, random_state=0)
    theirs.fit(X_IRIS[:, :3], X_IRIS[:, 3])
    assert_same(cr.from_sklearn(theirs).predict(X_IRIS[:, :3])[:, 0], theirs.predict(X_IRIS[:, :3]))


def test_what_is_not_a_fitted_perceptron_is_refused() -> None:
    with pytest.raises(cr.InputError, match="not fitted"):
        cr.from_sklearn(MLPRegressor())
    with pytest.raises(cr.InputError, match="takes a fitted MLPClassifier or MLPRegressor"):
        cr.from_sklearn(3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ELEMENTWISE)
def test_onnx_runtime_predicts_the_same(activation: str, dtype: str, tmp_path: Path) -> None:
    net, X = network(activation, dtype, output="softmax", bias=dtype == "float32"), samples(dtype)
    path = tmp_path / "m.onnx"
    verification = net.to_onnx(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    theirs = session.run(["Y"], {"X": X})[0]
    assert theirs.dtype == dtype
    if activation == "gelu" and dtype == "float64":
        # the one activation for which ONNX Runtime has no double precision
        np.testing.assert_allclose(theirs, net.predict(X), rtol=0, atol=1e-6)
        assert 1e-12 < verification.difference < 1e-6
    else:
        assert_same(theirs, net.predict(X))
        assert verification.difference < TOLERANCE[dtype]
    assert verification.rows == 1000


def test_the_continued_exponential_in_onnx(tmp_path: Path) -> None:
    net = cr.Network([1, 1], output_activation="exponential", dtype="float64")
    net.weights[0] = [[1.0]]
    net.to_onnx(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    X = np.array([[-5.0], [64.0], [100.0]])
    np.testing.assert_allclose(session.run(["Y"], {"X": X})[0], net.predict(X), rtol=1e-12)


def test_torch_numbers_that_numpy_does_not_know() -> None:
    module = torch.nn.Linear(3, 2).to(torch.bfloat16)
    assert cr.from_torch(module).weights[0].tolist() == module.weight.float().tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ELEMENTWISE)
def test_compiled_c_predicts_the_same(activation: str, dtype: str, tmp_path: Path) -> None:
    net, X = network(activation, dtype, output="softmax", bias=dtype == "float32"), samples(dtype)
    net.to_c(tmp_path / "model.c")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "-shared", "-fPIC"]
    library = tmp_path / "model.so"
    subprocess.run(["cc", *flags, tmp_path / "model.c", "-o", library, "-lm"], check=True)
    predict = ctypes.CDLL(str(library)).model_predict
    out = np.empty((len(X), 3), dtype)
    for x, y in zip(X, out, strict=True):
        predict(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p))
    assert_same(out, net.predict(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore:not verified")
def test_extreme_inputs_in_c(dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A NaN comes through every activation, and nothing overflows that does not have to."""
    monkeypatch.setattr(compiling, "compiler", lambda: None)
    for name in ELEMENTWISE:
        net = cr.Network([1, 1], output_activation=name, dtype=dtype)
        net.weights[0] = [[1.0]]
        stem = re.sub(r"\W", "_", name)
        net.to_c(tmp_path / f"{stem}.c")
        library = tmp_path / f"{stem}.so"
        subprocess.run(["cc", "-std=c99", "-shared", "-fPIC", tmp_path / f"{stem}.c", "-o",
                        library, "-lm"], check=True)  # fmt: skip
        predict = getattr(ctypes.CDLL(str(library)), f"{stem}_predict")
        for value in (-1e4, -30.0, 30.0, 1e4, np.nan):
            x, y = np.array([value], dtype), np.empty(1, dtype)
            predict(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p))
            if np.isnan(value):
                assert np.isnan(y[0]), name
            else:
                expected = net.predict(x[:, None])[0, 0]
                tolerance = 1e-5 if dtype == "float32" else 1e-12
                assert y[0] == pytest.approx(expected, rel=tolerance, abs=1e-37), (name, value)


def test_c_needs_a_name_for_its_function(tmp_path: Path) -> None:
    for name in ("my-model.c", "model.txt", "1.c"):
        with pytest.raises(cr.InputError, match=r"must be a C name with the ending \.c"):
            cr.Network([1, 1]).to_c(tmp_path / name)


def test_own_activations_are_refused_everywhere(tmp_path: Path) -> None:
    square = Activation("square", lambda x: x * x, lambda x: 2 * x)
    net = cr.Network([1, 2, 1], square)
    for export in exports(net, tmp_path):
        with pytest.raises(cr.InputError, match="square> is your own"):
            export()
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_are_refused_everywhere(tmp_path: Path) -> None:
    net = cr.Network([1, 2, 1])
    net.biases[0][1] = np.nan
    for export in exports(net, tmp_path):
        with pytest.raises(cr.InputError, match="weights that are not finite"):
            export()
    assert not list(tmp_path.iterdir())


def exports(net: cr.Network, folder: Path) -> list[Callable[[], object]]:
    return [
        net.to_torch,
        net.to_sklearn,
        lambda: net.to_onnx(folder / "m.onnx"),
        lambda: net.to_c(folder / "m.c"),
        lambda: net.to_python(folder / "m.py"),
    ]
