"""Networks as files: compiled, imported and loaded by those who know nothing of chainrule."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier, MLPRegressor

import chainrule as cr
from chainrule import activations
from chainrule.interchange import sklearn as to_sklearn
from chainrule.interchange.c import compiling, network
from chainrule.interchange.c import writing as c_writing
from chainrule.interchange.models import Model
from chainrule.interchange.onnx import functions
from chainrule.interchange.onnx import writing as onnx_writing
from chainrule.interchange.python import writing as python_writing
from chainrule.interchange.torch import writing as torch_writing
from chainrule.interchange.verifying import Verification, compare

STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
COMPILERS = [
    pytest.param(
        command,
        marks=pytest.mark.skipif(not shutil.which(command[0]), reason=f"no {command[0]} here"),
        id=" ".join(command),
    )
    for command in (
        ["gcc", "-std=c99"], ["clang", "-std=c99"], ["gcc", "-std=c17"], ["g++", "-x", "c++"],
        ["clang++", "-x", "c++"],
    )
]  # fmt: skip
HIDDEN = [name for name in activations.NAMED if name != "softmax"]
HIDDEN += ["leaky_relu(0.2)", "elu(0.5)", "celu(2.0)"]


def network_of(activation: str = "tanh", output: str = "softmax", **more: Any) -> cr.Network:
    net = cr.Network([5, 7, 6, 3], activation, output, **{"seed": 3, **more})
    net.parameters += np.random.default_rng(0).normal(0, 0.3, net.n_parameters).astype(net.dtype)
    return net


def with_every_activation(dtype: str) -> cr.Network:
    sizes = [5, *(3 + i % 4 for i in range(len(HIDDEN))), 3]
    return cr.Network(sizes, HIDDEN, "softmax", dtype=dtype)


def in_a_clean_process(script: str, folder: Path, *arguments: str, given: str = "") -> str:
    """Run a script that cannot see chainrule, its folder or this environment's settings."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); sys.modules['chainrule'] = None\n"
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", code + script, *arguments],
        capture_output=True, text=True, check=False, input=given, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


architectures = st.builds(
    lambda sizes, hidden, output, dtype, bias, seed: cr.Network(
        sizes, hidden[: len(sizes) - 2], output, dtype=dtype, bias=bias, seed=seed
    ),
    st.lists(st.integers(1, 9), min_size=2, max_size=5).filter(lambda sizes: sizes[-1] > 1),
    st.lists(st.sampled_from(HIDDEN), min_size=3, max_size=3),
    st.sampled_from([*HIDDEN, "softmax"]),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
    st.integers(0, 1000),
)
few = settings(
    max_examples=15, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@few
@given(net=architectures)
def test_any_network_in_onnx_and_back(net: cr.Network, tmp_path: Path) -> None:
    verification = net.to_onnx(tmp_path / "m.onnx")
    assert verification.verified
    back = cr.from_onnx(tmp_path / "m.onnx")
    X = np.random.default_rng(0).normal(size=(50, net.layer_sizes[0])).astype(net.dtype)
    assert back.dtype == net.dtype
    same = {"celu": "elu"}  # with their usual parameter
    assert [same.get(a.name, a.name) for a in back.architecture.activations] == [
        same.get(a.name, a.name) for a in net.architecture.activations
    ]
    assert np.array_equal(back.parameters, net.parameters)
    np.testing.assert_allclose(back.predict(X), net.predict(X), rtol=1e-6, atol=1e-6)


@few
@given(net=architectures, int8=st.booleans())
def test_any_network_in_c(net: cr.Network, int8: bool, tmp_path: Path) -> None:
    assert net.to_c(tmp_path / "m.c", int8=int8).verified
    command = ["cc", "-std=c99", *STRICT, "m.c", "m_test.c", "-o", "test", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(["./test"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("max difference")


@few
@given(net=architectures)
def test_any_network_in_python(net: cr.Network, tmp_path: Path) -> None:
    assert net.to_python(tmp_path / "m.py").verified
    text = (tmp_path / "m.py").read_text()
    assert "chainrule." not in text
    assert "import chainrule" not in text


@few
@given(net=architectures)
def test_any_network_in_torch_and_back(net: cr.Network, tmp_path: Path) -> None:
    model = Model(net.architecture, net.parameters)
    assert torch_writing.write(tmp_path / "m.safetensors", model).verified
    names = {a.name for a in net.architecture.activations}
    if not names & {"sin", "gaussian", "exponential"}:
        back = cr.from_torch(net.to_torch())
        assert np.array_equal(back.parameters, net.parameters)


@few
@given(
    net=st.builds(
        lambda sizes, hidden, output, dtype, bias: cr.Network(
            sizes, hidden, output, dtype=dtype, bias=bias
        ),
        st.lists(st.integers(2, 9), min_size=2, max_size=5),
        st.sampled_from(["identity", "sigmoid", "tanh", "relu"]),
        st.sampled_from(["softmax", "sigmoid", "identity", "exponential"]),
        st.sampled_from(["float32", "float64"]),
        st.booleans(),
    )
)
def test_what_scikit_learn_has_goes_there_and_back(net: cr.Network) -> None:
    estimator = net.to_sklearn()
    X = np.random.default_rng(0).normal(size=(50, net.layer_sizes[0])).astype(net.dtype)
    predict = getattr(estimator, "predict_proba", estimator.predict)
    assert predict(X).dtype == net.dtype
    tolerance = 1e-5 if net.dtype == "float32" else 1e-12
    np.testing.assert_allclose(predict(X), net.predict(X), rtol=tolerance, atol=tolerance)
    back = cr.from_sklearn(estimator)
    assert [a.name for a in back.architecture.activations] == [
        a.name for a in net.architecture.activations
    ]
    assert np.array_equal(back.predict(X), net.predict(X)) or not net.architecture.bias


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("command", COMPILERS)
def test_strict_compilers(command: list[str], dtype: str, tmp_path: Path) -> None:
    net = with_every_activation(dtype)
    for int8 in (False, True):
        net.to_c(tmp_path / "m.c", int8=int8)
        files = ["m.c", "m_test.c", "-o", "test", "-lm"]
        subprocess.run([*command, *STRICT, *files], cwd=tmp_path, check=True)
        subprocess.run(["./test"], cwd=tmp_path, check=True, capture_output=True)


def test_c_has_static_memory_only(tmp_path: Path) -> None:
    net = cr.Network([3, 100, 50, 80, 2])
    net.to_c(tmp_path / "m.c")
    text = (tmp_path / "m.c").read_text()
    # two buffers that the hidden layers share
    assert "M_STORAGE real h1[100];\n    M_STORAGE real h0[50];" in text
    assert "alloc" not in text
    assert [line for line in text.splitlines() if "#include" in line] == [
        '#include "m.h"',
        "#include <math.h>",
    ]
    # on the stack, if several threads shall call it
    command = ["cc", "-std=c99", "-DM_STORAGE=", *STRICT, "m.c", "m_test.c", "-o", "test", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    subprocess.run(["./test"], cwd=tmp_path, check=True, capture_output=True)


def test_the_test_in_c_fails_where_something_is_wrong(tmp_path: Path) -> None:
    net = network_of("relu")
    net.to_c(tmp_path / "m.c")
    text = (tmp_path / "m.c").read_text()
    (tmp_path / "m.c").write_text(text.replace("x < 0 ? 0 : x", "x < 0 ? x : 0"))
    subprocess.run(["cc", "m.c", "m_test.c", "-o", "test", "-lm"], cwd=tmp_path, check=True)
    done = subprocess.run(["./test"], cwd=tmp_path, check=False, capture_output=True)
    assert done.returncode == 1


def test_weights_of_8_bits(tmp_path: Path) -> None:
    net = cr.Network([20, 64, 64, 5], "relu", "softmax", loss="cross_entropy")
    said = str(net.to_c(tmp_path / "m.c", int8=True))
    assert "8 bits cost at most 0.0" in said
    assert "leave the largest output the same in" in said
    assert "static const signed char W1[64][20]" in (tmp_path / "m.c").read_text()
    w = net.weights[1]
    rounded = network.quantise(w)
    assert np.abs(rounded.weights - w).max() <= np.abs(w).max() / 127 / 2 * 1.001
    assert (np.abs(rounded.levels).max(axis=1) == 127).all()
    assert not network.quantise(np.zeros((2, 3))).weights.any()


def test_python_knows_nothing_of_chainrule(tmp_path: Path) -> None:
    for dtype in ("float32", "float64"):
        for name in HIDDEN:
            net = network_of(name, dtype=dtype)
            net.to_python(tmp_path / "model.py")
            X = np.random.default_rng(0).normal(size=(9, 5)).astype(dtype)
            np.save(tmp_path / "X.npy", X)
            in_a_clean_process(
                "import numpy as np, model\nnp.save('Y.npy', model.predict(np.load('X.npy')))\n"
                "import sys\nassert not {'scipy', 'polars', 'sklearn'} & sys.modules.keys()",
                tmp_path,
            )
            theirs = np.load(tmp_path / "Y.npy")
            assert theirs.dtype == dtype
            tolerance = 1e-5 if dtype == "float32" else 1e-12
            np.testing.assert_allclose(theirs, net.predict(X), rtol=0, atol=tolerance)
            if dtype == "float64":
                break


def test_python_as_a_program(tmp_path: Path) -> None:
    net = network_of("tanh", "identity")
    net.to_python(tmp_path / "model.py")
    X = np.arange(10.0, dtype=np.float32).reshape(2, 5) / 10
    lines = "\n".join(",".join(map(str, row)) for row in X.tolist())
    printed = subprocess.run(
        [sys.executable, "-I", "model.py"], input=lines, capture_output=True, text=True,
        check=True, cwd=tmp_path,
    ).stdout  # fmt: skip
    theirs = np.array([line.split(",") for line in printed.splitlines()], float)
    np.testing.assert_allclose(theirs, net.predict(X), rtol=1e-5)
    with pytest.raises(AssertionError, match=r"X must have the shape \(n, 5\), but has \(2, 3\)"):
        in_a_clean_process("import model; model.predict([[1, 2, 3], [4, 5, 6]])", tmp_path)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_pickled_classifier_in_a_clean_process(classes: int, tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    X, y = X[y < classes], y[y < classes]
    loss = "binary_cross_entropy" if classes == 2 else "cross_entropy"
    output = "sigmoid" if classes == 2 else "softmax"
    net = cr.Network([4, 8, 1 if classes == 2 else 3], "tanh", output, loss=loss)
    net.fit(X, y, epochs=5)
    model = Model(net.architecture, net.parameters)
    verification = to_sklearn.write(tmp_path / "m.pkl", model)
    assert verification.difference < 1e-5
    np.save(tmp_path / "X.npy", X)
    printed = in_a_clean_process(
        "import pickle, json, numpy as np\nm = pickle.load(open('m.pkl', 'rb'))\n"
        "X = np.load('X.npy')\n"
        "print(json.dumps([m.predict(X).tolist(), m.predict_proba(X).tolist()]))",
        tmp_path,
    )
    labels, probabilities = json.loads(printed)
    ours = net.predict(X)
    if classes == 2:
        ours = np.hstack([1 - ours, ours])
    np.testing.assert_allclose(probabilities, ours, atol=1e-6)
    assert labels == ours.argmax(axis=1).tolist()
    again = joblib.load(tmp_path / "m.pkl")  # as scikit-learn's users do
    assert again.score(X, y) == np.mean(ours.argmax(axis=1) == y)
    again.partial_fit(X, y)  # it goes on from there


def test_names_of_inputs_reach_scikit_learn() -> None:
    import polars as pl

    frame = pl.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 0.0]})
    net = cr.Network([2, 1])
    net.fit(frame, [1.0, 2.0, 3.0], epochs=1)
    estimator = net.to_sklearn()
    assert isinstance(estimator, MLPRegressor)
    np.testing.assert_allclose(estimator.predict(frame), net.predict(frame)[:, 0], rtol=1e-6)
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(frame.rename({"a": "c"}))


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (cr.Network([2, 3, 1], "elu"), "have no activation elu"),
        (cr.Network([2, 3, 3, 1], ["relu", "tanh"]), "one activation for all hidden layers"),
        (cr.Network([2, 3, 1], "relu", "tanh"), "no output activation tanh"),
    ],
)
def test_what_scikit_learn_cannot_be(net: cr.Network, said: str) -> None:
    with pytest.raises(cr.InputError, match=said):
        net.to_sklearn()


def test_several_sigmoids_are_labels_of_their_own() -> None:
    net = cr.Network([4, 5, 3], "relu", "sigmoid", loss="binary_cross_entropy")
    estimator = net.to_sklearn()
    assert isinstance(estimator, MLPClassifier)
    X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    assert np.array_equal(estimator.predict(X), (net.predict(X) > 0.5).astype(int))


# What is written is compared before it is left behind.


def test_a_difference_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = network_of("tanh", "identity")
    net.to_onnx(tmp_path / "m.onnx")
    before = (tmp_path / "m.onnx").read_bytes()
    monkeypatch.setattr(functions, "expression", lambda *_: ("Sin", "x"))
    monkeypatch.setitem(network._EXPRESSIONS, "tanh", "sin(x)")
    monkeypatch.setitem(python_writing._EXPRESSIONS, "tanh", "np.sin(x)")
    exports: list[Callable[[], object]] = [
        lambda: net.to_onnx(tmp_path / "m.onnx"),
        lambda: net.to_c(tmp_path / "m.c"),
        lambda: net.to_python(tmp_path / "m.py"),
    ]
    for export in exports:
        with pytest.raises(cr.VerificationError, match="nothing was written"):
            export()
    assert os.listdir(tmp_path) == ["m.onnx"]
    assert (tmp_path / "m.onnx").read_bytes() == before


def test_without_the_other_tool_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = network_of()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(compiling, "compiler", lambda: None)
    with pytest.warns(UserWarning, match="not verified.*pip install onnxruntime and export again"):
        assert not net.to_onnx(tmp_path / "m.onnx").verified
    with pytest.warns(UserWarning, match=r"not verified.*install one \(gcc or clang\)"):
        assert not net.to_c(tmp_path / "m.c").verified
    model = Model(net.architecture, net.parameters)
    said = str(torch_writing.write(tmp_path / "m.safetensors", model))
    assert said == "not verified: PyTorch is not there; pip install torch and export again"
    assert {path.name for path in tmp_path.iterdir()} == {
        "m.onnx", "m.c", "m.h", "m_test.c", "m.safetensors",
    }  # fmt: skip


def test_a_compiler_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "false")
    with pytest.raises(cr.VerificationError, match="does not compile with false"):
        network_of().to_c(tmp_path / "m.c")
    assert not list(tmp_path.iterdir())


def test_comparing() -> None:
    net = network_of("tanh", "identity")
    model = Model(net.architecture, net.parameters)
    examples = X, ours = model.examples()
    assert len(X) == 1000
    near = compare("x", ours + np.float32(1e-6), model, examples)
    assert near.difference == pytest.approx(1e-6, 0.2)
    for wrong in (ours + 0.01, ours[:, ::-1], ours[:-1], ours * np.nan):
        with pytest.raises(cr.VerificationError):
            compare("x", wrong, model, examples)
    assert str(Verification("x", 0.0, 1)) == "max difference 0 over 1 row (x)"


def test_a_network_as_wide_as_memory_allows(tmp_path: Path) -> None:
    """The number of samples goes down, and is said."""
    net = cr.Network([50_000, 2, 1])
    assert net.to_onnx(tmp_path / "m.onnx").rows == 400
    assert net.to_python(tmp_path / "m.py").rows == 400
    assert net.to_c(tmp_path / "m.c").rows == 10


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    net = network_of()
    nowhere = tmp_path / "none"
    model = Model(net.architecture, net.parameters)
    exports: list[Callable[[], object]] = [
        lambda: net.to_onnx(nowhere / "m.onnx"),
        lambda: net.to_c(nowhere / "m.c"),
        lambda: net.to_python(nowhere / "m.py"),
        lambda: to_sklearn.write(nowhere / "m.pkl", model),
        lambda: torch_writing.write(nowhere / "m.safetensors", model),
        lambda: onnx_writing.write(nowhere / "m.onnx", model),
        lambda: c_writing.write(nowhere / "m.c", model),
    ]
    for export in exports:
        with pytest.raises(cr.InputError, match=r"folder .* does not exist"):
            export()


def test_onnx_says_what_it_is(tmp_path: Path) -> None:
    network_of().to_onnx(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().producer_name == "chainrule"
    assert session.get_inputs()[0].shape == ["n", 5]
    import onnx

    model = onnx.load(tmp_path / "m.onnx")
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 13)]


def test_pickles_are_of_scikit_learn_alone(tmp_path: Path) -> None:
    net = network_of("relu")
    to_sklearn.write(tmp_path / "m.pkl", Model(net.architecture, net.parameters))
    found = set()

    class Names(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            found.add(module.partition(".")[0])
            return super().find_class(module, name)

    with open(tmp_path / "m.pkl", "rb") as file:
        Names(file).load()
    assert found <= {"sklearn", "numpy"}
