"""Models of tables in other tools: raw columns in, the answer of `chainrule predict` out."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest

import chainrule as cr
from chainrule import tables
from chainrule.cli import main
from chainrule.interchange import models
from chainrule.interchange.naming import identifiers, printable
from chainrule.network import Network
from chainrule.tables import Preprocessing
from chainrule.tables.exporting import as_model
from tests import saved_tables
from tests.saved_tables import DATE, QUOTED
from tests.test_exports import COMPILERS, STRICT, in_a_clean_process

KINDS = ["number", "two classes", "three classes"]


@pytest.fixture(scope="module")
def trained() -> dict[str, tuple[Network, Preprocessing]]:
    return {kind: saved_tables.trained(kind) for kind in KINDS}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def saved(
    trained: dict[str, tuple[Network, Preprocessing]], kind: str, tmp_path: Path
) -> tuple[Path, pl.DataFrame]:
    """A model's file, and what we predict for the rows of its table and some strange ones."""
    path = tmp_path / "model.safetensors"
    net, preprocessing = trained[kind]
    tables.save(path, net, preprocessing)
    X, _ = preprocessing.encode(rows())
    return path, preprocessing.target.decode(net.predict(X))


def rows() -> pl.DataFrame:
    frame = saved_tables.frame("number", 60).drop("y")
    strange = pl.DataFrame(
        {
            "size": [None, 1e30, -1e149], "int": [None, 7, -3],
            QUOTED: [None, "unseen", 'gr"??/een'], "street": ["", None, "street 3"],
            DATE: [None, None, None], "label": [None, True, False], "income": [None, 0.0, 1e9],
        }, schema=frame.schema,
    )  # fmt: skip
    return pl.concat([frame, strange])


def assert_same(theirs: Any, ours: pl.DataFrame, kind: str) -> None:
    """Compare numbers with predictions, or probabilities with the columns of them."""
    if kind == "number":
        wanted, tolerance = ours["prediction"].to_numpy()[:, None], 0.05  # of some 10,000
    else:
        wanted, tolerance = ours.select(pl.selectors.starts_with("prob")).to_numpy(), 2e-6
    np.testing.assert_allclose(theirs, wanted, rtol=0, atol=tolerance)


def test_onnx_runtime_takes_raw_columns(
    saved: tuple[Path, pl.DataFrame], kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, ours = saved
    assert main(["export", str(path), "--onnx", str(tmp_path / "m.onnx")]) == 0
    said = capsys.readouterr().out
    assert "over 1,000 rows (ONNX Runtime" in said
    assert f"dates are days since 1970-01-01: {DATE}" in said
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    frame, given = rows(), {}
    columns = json.loads(session.get_modelmeta().custom_metadata_map["columns"])
    assert columns['odd "name" */'] == QUOTED
    assert ("label_2" in columns) is (kind != "number")  # one of the outputs is the label
    for entry in session.get_inputs():
        series = frame[columns[entry.name]]
        if entry.type == "tensor(string)":
            values = np.array([text or "" for text in series], dtype=object)
        else:
            if series.dtype.is_temporal():
                series = series.dt.epoch("us") / 86_400_000_000
            values = series.cast(pl.Float64).to_numpy()
        given[entry.name] = values[:, None]
    outputs = dict(
        zip([o.name for o in session.get_outputs()], session.run(None, given), strict=True)
    )
    if kind == "number":
        assert outputs["prediction"].dtype == np.float64
        assert_same(outputs["prediction"], ours, kind)
    else:
        assert_same(outputs["probabilities"], ours, kind)
        assert outputs["label"].tolist() == ours["prediction"].to_list()


def test_python_takes_rows_in_every_form(
    saved: tuple[Path, pl.DataFrame], kind: str, tmp_path: Path
) -> None:
    path, ours = saved
    assert main(["export", str(path), "--python", str(tmp_path / "model.py")]) == 0
    rows().write_ipc(tmp_path / "rows.arrow")
    script = f"""
import sys, pathlib, pickle, json
import model
import numpy as np
with open("rows.pkl", "rb") as file:
    rows = pickle.load(file)
forms = [rows, {{name: [row[name] for row in rows] for name in rows[0]}},
         [[row[c["name"]] for c in model.COLUMNS] for row in rows]]
found = [np.array(model.{"predict" if kind == "number" else "predict_proba"}(f)) for f in forms]
assert all(np.array_equal(found[0], other) for other in found)
print(json.dumps([found[0].tolist(), list(model.predict(rows))]))
"""
    import pickle

    (tmp_path / "rows.pkl").write_bytes(pickle.dumps(rows().to_dicts()))
    numbers, answers = json.loads(in_a_clean_process(script, tmp_path))
    assert_same(np.reshape(numbers, (len(ours), -1)), ours, kind)
    if kind != "number":
        assert answers == ours["prediction"].to_list()


def test_python_takes_a_pandas_frame(
    trained: dict[str, tuple[Network, Preprocessing]], tmp_path: Path
) -> None:
    import runpy

    from chainrule.interchange.python import writing

    net, preprocessing = trained["number"]
    writing.write(tmp_path / "m.py", as_model(net, preprocessing))
    predict = runpy.run_path(str(tmp_path / "m.py"))["predict"]
    frame = rows()
    ours = preprocessing.target.decode(net.predict(preprocessing.encode(frame)[0]))
    for given in (frame.to_pandas(), frame):
        assert_same(predict(given)[:, None], ours, "number")
    with pytest.raises(ValueError, match="the rows lack the column 'int'"):
        predict([{"size": 1}])
    with pytest.raises(ValueError, match="a row must have 7 values"):
        predict([[1, 2, 3]])
    with pytest.raises(ValueError, match="could not convert string to float: 'big'"):
        predict([{**frame.row(0, named=True), "size": "big"}])
    with pytest.raises(ValueError, match="'size' has inf, which is not finite"):
        predict([{**frame.row(0, named=True), "size": np.inf}])


def test_python_reads_the_csv_that_we_read(
    saved: tuple[Path, pl.DataFrame], kind: str, tmp_path: Path
) -> None:
    path, _ = saved
    rows().with_columns(pl.col("size").fill_null(0.25)).write_csv(tmp_path / "rows.csv")
    assert main(["export", str(path), "--python", str(tmp_path / "model.py")]) == 0
    ours = ["predict", str(path), str(tmp_path / "rows.csv"), "-o", str(tmp_path / "ours.csv")]
    assert main(ours) == 0
    theirs = subprocess.run(
        [sys.executable, "-I", "model.py", "rows.csv"], cwd=tmp_path, capture_output=True,
        text=True, check=True,
    ).stdout  # fmt: skip
    found = pl.read_csv(theirs.encode())
    wanted = pl.read_csv(tmp_path / "ours.csv")
    assert found.columns == wanted.columns
    assert found["prediction"].dtype == wanted["prediction"].dtype
    for name in wanted.columns:
        if wanted[name].dtype.is_float():
            tolerance = 0.05 if kind == "number" else 2e-6
            assert (found[name] - wanted[name]).abs().max() < tolerance  # type: ignore[operator]
        else:
            assert found[name].to_list() == wanted[name].to_list()
    # and from standard input
    again = subprocess.run(
        [sys.executable, "-I", "model.py"], cwd=tmp_path, capture_output=True, text=True,
        check=True, input=(tmp_path / "rows.csv").read_text(),
    ).stdout  # fmt: skip
    assert list(csv.reader(again.splitlines())) == list(csv.reader(theirs.splitlines()))


@pytest.mark.parametrize("command", COMPILERS)
def test_c_takes_a_row(
    trained: dict[str, tuple[Network, Preprocessing]], command: list[str], tmp_path: Path
) -> None:
    for kind in KINDS:
        net, preprocessing = trained[kind]
        tables.save(tmp_path / "m.safetensors", net, preprocessing)
        arguments = ["export", str(tmp_path / "m.safetensors"), "--c", str(tmp_path / "m.c")]
        assert main(arguments + ["--int8"] * (kind == "number")) == 0
        files = ["m.c", "m_test.c", "-o", "test", "-lm"]
        subprocess.run([*command, *STRICT, *files], cwd=tmp_path, check=True)
        subprocess.run(["./test"], cwd=tmp_path, check=True, capture_output=True)


_C = """
#include "m.h"
#include <math.h>
#include <stdio.h>
int main(void) {
    m_row row = {0};
    float p[2];
    row.size = 0.5; row.int_ = 3; row.odd_name = "red"; row.street = "street 7";
    row.sold = 18262.5; row.label = 1; row.income = 1500;
    printf("%s ", m_classes[m_classify(&row, p)]);
    printf("%.9g %.9g\\n", p[0], p[1]);
    row.size = NAN; row.odd_name = NULL; row.street = "none that is known"; row.label = NAN;
    m_classify(&row, p);
    printf("%.9g %.9g\\n", p[0], p[1]);
    return 0;
}
"""


def test_a_program_in_c(trained: dict[str, tuple[Network, Preprocessing]], tmp_path: Path) -> None:
    net, preprocessing = trained["two classes"]
    tables.save(tmp_path / "m.safetensors", net, preprocessing)
    assert main(["export", str(tmp_path / "m.safetensors"), "--c", str(tmp_path / "m.c")]) == 0
    (tmp_path / "main.c").write_text(_C)
    files = ["m.c", "main.c", "-o", "program", "-lm"]
    subprocess.run(["cc", "-std=c99", *STRICT, *files], cwd=tmp_path, check=True)
    printed = subprocess.run(["./program"], cwd=tmp_path, check=True, capture_output=True).stdout
    first, second = printed.decode().splitlines()
    import datetime as dt

    frame = pl.DataFrame(
        {
            "size": [0.5, None], "int": [3, 3], QUOTED: ["red", None],
            "street": ["street 7", "none that is known"],
            DATE: [dt.datetime(2020, 1, 1, 12), dt.datetime(2020, 1, 1, 12)],
            "label": [True, None], "income": [1500.0, 1500.0],
        }
    )  # fmt: skip
    ours = preprocessing.target.decode(net.predict(preprocessing.encode(frame)[0]))
    probabilities = ours.select(pl.selectors.starts_with("prob")).to_numpy()
    label, *theirs = first.split()
    assert label == ours["prediction"][0]
    np.testing.assert_allclose([float(x) for x in theirs], probabilities[0], atol=2e-6)
    np.testing.assert_allclose([float(x) for x in second.split()], probabilities[1], atol=2e-6)


def test_the_network_alone(
    saved: tuple[Path, pl.DataFrame], kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    trained: dict[str, tuple[Network, Preprocessing]],
) -> None:  # fmt: skip
    import pickle

    import torch
    from safetensors.torch import load_file

    path, ours = saved
    net, preprocessing = trained[kind]
    outputs = {"--torch": "m.safetensors", "--sklearn": "m.pkl", "--onnx": "m.onnx"}
    given = [x for option, name in outputs.items() for x in (option, str(tmp_path / name))]
    assert main(["export", str(path), *given, "--bare"]) == 0
    assert "is a pickle, which runs what is in it" in capsys.readouterr().err
    X, _ = preprocessing.encode(rows())
    module = net.to_torch()
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    module.load_state_dict(load_file(tmp_path / "m.safetensors"))
    with torch.no_grad():
        theirs = module(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(theirs, net.predict(X), atol=1e-5)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(["Y"], {"X": X})[0], net.predict(X), atol=1e-5)
    # scikit-learn has the names of the classes too, unless it is bare
    assert main(["export", str(path), "--sklearn", str(tmp_path / "m.pkl")]) == 0
    said = capsys.readouterr().err
    assert f"the network alone: its {X.shape[1]} inputs" in said
    assert ("its output is (y - " in said) is (kind == "number")
    estimator = pickle.loads((tmp_path / "m.pkl").read_bytes())
    frame = pl.DataFrame(X, schema=preprocessing.inputs)
    if kind == "number":
        np.testing.assert_allclose(estimator.predict(frame), net.predict(X)[:, 0], atol=1e-5)
    else:
        assert estimator.predict(frame).tolist() == ours["prediction"].to_list()
        assert_same(estimator.predict_proba(frame), ours, kind)


def test_mistakes_on_the_command_line(
    trained: dict[str, tuple[Network, Preprocessing]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = str(tmp_path / "model.safetensors")
    tables.save(path, *trained["number"])
    for arguments, said in (
        ([], "name what to write: chainrule export"),
        (["--onnx", path], "is what is read: name another"),
        (["--int8", "--onnx", str(tmp_path / "m.onnx")], "--int8 goes with --c"),
        (["--c", str(tmp_path / "my-model.c")], "must be a C name"),
        (["--python", str(tmp_path / "m.txt")], "a Python file ends in .py"),
        (["--onnx", str(tmp_path)], "is a folder: name a file"),
        (["--onnx", str(tmp_path / "none" / "m.onnx")], "there is no folder"),
        (["--onnx", str(tmp_path / "a"), "--sklearn", str(tmp_path / "a")], "have one name"),
    ):
        assert main(["export", path, *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_an_activation_that_scikit_learn_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cr.Network([2, 3, 1], "gelu").save(tmp_path / "m.safetensors")
    arguments = ["export", str(tmp_path / "m.safetensors"), "--sklearn", str(tmp_path / "m.pkl")]
    assert main(arguments) == 2
    assert "have no activation gelu" in capsys.readouterr().err


def test_a_difference_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from chainrule.interchange.python import writing

    cr.Network([2, 3, 1], "tanh").save(tmp_path / "m.safetensors")
    monkeypatch.setitem(writing._EXPRESSIONS, "tanh", "np.sin(x)")
    arguments = ["export", str(tmp_path / "m.safetensors"), "--python", str(tmp_path / "m.py")]
    assert main(arguments) == 1
    assert "more apart than rounding explains" in capsys.readouterr().err
    assert not (tmp_path / "m.py").exists()


def test_thousands_of_columns(tmp_path: Path) -> None:
    """In ONNX they are as many inputs, but the operators do not grow with them."""
    import onnx

    from chainrule.interchange.onnx import writing
    from chainrule.tables.columns import Column
    from chainrule.tables.targets import Target

    n = 2_000
    columns = tuple(Column(f"c{i}", "number", scales=(1.0 + i,)) for i in range(n))
    preprocessing = Preprocessing(columns, Target("y", "regression", ""))
    net = cr.Network([n, 4, 1])
    assert writing.write(tmp_path / "m.onnx", as_model(net, preprocessing)).verified
    model = onnx.load(tmp_path / "m.onnx")
    assert len(model.graph.input) == n
    assert len(model.graph.node) < 40


def test_an_empty_text_may_be_a_category() -> None:
    column = models.Category("c", ("", "a"), np.zeros((4, 2), np.float32), 0)
    assert column.marker == "<missing>"
    assert models.Category("c", ("a",), np.zeros((3, 1), np.float32), 0).marker == ""


def test_names() -> None:
    names = ["a b", "a-b", "a_b", "class", "2x", "", "\u00e9t\u00e9", "\u4f60\u597d", "NAN", "M_PI"]
    found = identifiers(names)
    assert len(set(found)) == len(names)
    assert found[2] == "a_b"  # a good name is kept
    assert all(name.isidentifier() and name.isascii() for name in found)
    assert not {"class", "NAN", "M_PI"} & set(found)
    shown = printable(["a\nb", "a b", "label", "\0"], taken=["label"])
    assert shown == ["a b_2", "a b", "label_2", "column"]
