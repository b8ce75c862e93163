"""`chainrule explain`: what it takes and shows, and that the documentation shows the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import chainrule as cr
from chainrule import loading, tables
from chainrule.tracing import follow, record
from tests.test_cli import PROGRAM, Run, iris, one_sentence, run

__all__ = ["iris", "run"]  # fixtures


def test_it_explains_a_small_network_without_any_option(run: Run) -> None:
    code, out, err = run("explain")
    assert (code, err) == (0, "")
    assert "1 random sample, seed 0" in out
    assert "2-3-1 (tanh, identity), loss squared_error, 1 sample" in out
    assert "\x1b" not in out


def test_the_command_shows_what_python_does(run: Run) -> None:
    out = run("explain", "2-3-1", "--x", "0.5,-1", "--y", "1", "--json", "--form", "omega")[1]
    net = cr.Network([2, 3, 1], activation="tanh", dtype="float64", seed=0)
    assert json.loads(out) == json.loads(cr.trace(net, [[0.5, -1]], [[1]], "omega").to_json())


def test_a_row_of_a_raw_table_goes_through_the_models_preprocessing(run: Run, iris: str) -> None:
    run("train", iris, "--target", "species", "-o", "m.safetensors", "--epochs", "3")
    found = json.loads(run("explain", "m.safetensors", "--data", iris, "--row", "149", "--json")[1])
    predicted = pl.read_csv(run("predict", "m.safetensors", iris)[1].encode()).row(149)
    phi = [step["value"] for step in found["steps"] if step["symbol"] == "phi"]
    np.testing.assert_allclose(np.ravel(phi[-1]), predicted[1:], rtol=1e-5)
    assert found["y"] == [[0], [0], [1]]
    x = ",".join(map(str, pl.read_csv(iris).row(149)[:4]))
    arguments = ("explain", "m.safetensors", "--x", x, "--y", "virginica", "--json")
    assert json.loads(run(*arguments)[1]) == found
    net, preprocessing = tables.load("m.safetensors")
    assert preprocessing is not None
    X, _ = preprocessing.encode(pl.read_csv(iris))
    np.testing.assert_array_equal(found["steps"][0]["value"], X[149:150].T)
    assert net.dtype == found["dtype"]


def test_several_rows_are_columns(run: Run, iris: str) -> None:
    run("train", iris, "--target", "species", "-o", "m.safetensors", "--epochs", "1")
    for rows, n in (("0:3", 3), ("5", 1), ("1,7", 2)):
        arguments = ("explain", "m.safetensors", "--data", iris, "--row", rows, "--json")
        assert json.loads(run(*arguments)[1])["n_samples"] == n


def test_a_network_saved_without_a_table_takes_its_columns_in_order(run: Run) -> None:
    cr.Network([2, 3, 1], "tanh").save("n.safetensors")
    Path("t.csv").write_text("a,b,y\n1,2,3\n4,5,6\n")
    found = json.loads(
        run("explain", "n.safetensors", "--data", "t.csv", "--row", "1", "--json")[1]
    )
    assert found["steps"][0]["value"] == [[4], [5]]
    assert found["y"] == [[6]]
    Path("x.csv").write_text("a,b\n1,2\n")
    assert "give it with --y" in run("explain", "n.safetensors", "--data", "x.csv")[2]
    assert run("explain", "n.safetensors", "--data", "x.csv", "--y", "2")[0] == 0
    assert loading.load("n.safetensors").layer_sizes == (2, 3, 1)


def test_a_given_target_stands_for_that_of_the_table(run: Run, iris: str) -> None:
    Path("t.csv").write_text("a,b,y\n1,2,\n")
    found = json.loads(run("explain", "2-3-2", "--data", "t.csv", "--y", "5,6", "--json")[1])
    assert found["y"] == [[5], [6]]
    run("train", iris, "--target", "species", "-o", "m.safetensors", "--epochs", "1")
    pl.read_csv(iris)[:1].with_columns(species=pl.lit(None)).write_csv("row.csv")
    arguments = ("explain", "m.safetensors", "--data", "row.csv")
    assert "species is missing in these rows" in one_sentence(run(*arguments)[2])
    assert run(*arguments, "--y", "setosa")[0] == 0


@pytest.mark.parametrize("loss", ["poisson", "gamma", "hinge", "gaussian_nll", "quantile(0.3)"])
def test_a_random_sample_suits_the_loss(run: Run, loss: str) -> None:
    output = "exponential" if loss in ("poisson", "gamma") else "identity"
    code, _, err = run("explain", "3-4-2", "--loss", loss, "--output-activation", output)
    assert (code, err) == (0, "")


def in_ascii(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    return subprocess.run([*PROGRAM, *arguments], env=environment, capture_output=True, check=True)


def test_where_a_terminal_has_no_greek_letters_their_names_are_shown() -> None:
    done = in_ascii("explain", "2-3-1")
    assert b"phi^0 = X" in done.stdout
    assert b"?" not in done.stdout
    assert done.stderr == b""
    # but files are in UTF-8
    assert "φ".encode() in in_ascii("explain", "2-3-1", "--html").stdout


def test_names_that_a_terminal_cannot_show_are_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("über.csv").write_text("a,b,y\n1,2,3\n")
    for command in ("explain", "check"):
        assert b"row 0 of ?ber.csv" in in_ascii(command, "2-3-1", "--data", "über.csv").stdout


def test_a_page_and_a_document_say_which_row_they_show(run: Run) -> None:
    Path("a_b.csv").write_text("a,b,y\n1,2,3\n4,5,6\n")
    arguments = ("explain", "2-3-1", "--data", "a_b.csv", "--row", "1")
    assert "Row 1 of a_b.csv." in run(*arguments, "--html")[1]
    assert r"Row 1 of a\_b.csv." in run(*arguments, "--latex")[1]


@pytest.mark.parametrize("ending", ["html", "tex", "json", "txt"])
def test_the_ending_of_the_output_file_decides(run: Run, ending: str, tmp_path: Path) -> None:
    code, out, _ = run("explain", "2-3-1", "-o", f"a.{ending}", "--weight", "1,2,1")
    assert (code, out) == (0, f"written to a.{ending}\n")
    content = (tmp_path / f"a.{ending}").read_text()
    start = {"html": "<!DOCTYPE html>", "tex": r"\documentclass", "json": "{", "txt": "1 random"}
    assert content.startswith(start[ending])
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{ending}"]


def test_one_weight_is_followed(run: Run) -> None:
    out = run("explain", "2-2-2", "--weight", "1,2,1")[1]
    assert "The weight W¹₂₁ from unit 1 of layer 0 to unit 2 of layer 1" in out
    assert "2 paths to the cost" in out
    values = re.findall(r"(?:sum|\(A3\)|\(B3\)).*?(-?[\d.]+)$", out, re.M)
    assert len(values) == 3
    for value in values:
        assert float(value) == pytest.approx(float(values[0]), rel=1e-13)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["2-x"], "there is no file 2-x: name a model file, or the layers"),
        (["m.safetensors"], "there is no file m.safetensors"),
        (["2-3-1", "--form", "lamda"], "did you mean 'lambda'"),
        (["2-3-1", "--weight", "1,2"], "--weight must be L,j,k"),
        (["2-3-1", "--weight", "3,1,1"], "there is no layer 3"),
        (["2-3-1", "--x", "1,2,3"], "--x must have 2 inputs"),
        (["2-3-1", "--x", "1,b", "--y", "1"], "--x must be numbers with commas"),
        (["2-3-1", "--x", "1,2"], "there is no target for the sample given"),
        (["2-3-1", "--x", "1,2", "--y", "1,2"], "--y must have 1 targets"),
        (["2-3-1", "--row", "0"], "--row is a row of a table"),
        (["2-3-1", "--data", "t.csv", "--row", "9"], "there is no row 9: the table has 2 rows"),
        (["2-3-1", "--data", "t.csv", "--row", "x"], "--row takes rows counted from 0"),
        (["2-3-1", "--data", "t.csv", "--row", "1:999999999999"], "there is no row 2: the table"),
        (["2-3-1", "--data", "t.csv", "--row", "1:1"], "there is no row 1:1: the table"),
        (["2-3-1", "--data", "gap.csv", "--row", "1"], "row 1 of gap.csv has nan in the column b"),
        (["2-3-1", "--x", "1,nan", "--y", "1"], "--x must be finite numbers, but is '1,nan'"),
        (["2-3-2", "--data", "t.csv"], "1 numeric column beside the inputs, but the target has 2"),
        (["2-3-1", "--data", "t.csv", "--x", "1,2"], "--data and --x are two ways"),
        (["4-3-1", "--data", "t.csv"], "takes 4 numbers, but t.csv has 3 numeric"),
        (["2-3-1", "--data", "none.csv"], "there is no file none.csv"),
        (["2-3-1", "--activation", "tan"], "did you mean 'tanh'"),
        (["2-0-1"], "positive whole numbers"),
        (["n.safetensors", "--loss", "huber"], "--loss is for a new network"),
        (["2-3-1", "--json", "--html"], "two forms of output"),
        (["2-3-1", "-o", "a.pdf"], "the ending of a.pdf says nothing"),
        (["2-3-1", "-o", "none/a.html"], "there is no folder none"),
        (["50-50-50-50", "--form", "paths"], "has 12,755,050 paths"),
        (["2-3-2", "--output-activation", "softmax", "--y", "5"], "class numbers"),
    ],
)
def test_mistakes_are_one_sentence(run: Run, arguments: list[str], message: str) -> None:
    Path("t.csv").write_text("a,b,y\n1,2,3\n4,5,6\n")
    Path("gap.csv").write_text("a,b,y\n1,2,3\n4,,6\n")
    cr.Network([2, 3, 1]).save("n.safetensors")
    code, out, err = run("explain", *arguments)
    assert (code, out) == (2, "")
    assert message in one_sentence(err)


def test_mistakes_with_a_models_table_are_one_sentence(run: Run, iris: str) -> None:
    run("train", iris, "--target", "species", "-o", "m.safetensors", "--epochs", "1")
    for arguments, message in (
        (["--x", "1,2", "--y", "setosa"], "must have 4 values"),
        (["--x", "1,2,3,x", "--y", "setosa"], "must hold numbers"),
        (["--x", "1,2,3,4", "--y", "rose"], "'rose' is none of the classes of species: setosa"),
    ):
        code, _, err = run("explain", "m.safetensors", *arguments)
        assert code == 2
        assert message in one_sentence(err)


# The documentation.

DOCS = Path(__file__).parent.parent / "docs" / "explain.md"
BLOCKS = re.findall(r"```console\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
WITH_OUTPUT = [block for block in BLOCKS if "\n" in block.strip() and block.count("$ ") == 1]


@pytest.mark.parametrize("block", WITH_OUTPUT, ids=lambda block: block.splitlines()[0][2:])
def test_the_output_in_the_documentation_is_real(
    block: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "88")
    command, _, expected = block.partition("\n")
    assert command.startswith("$ chainrule ")
    code, out, err = run(*command.split()[2:])
    assert (code, err) == (0, "")
    # nine digits are the same on every machine
    out, expected = (re.sub(r"(\.\d{9})\d+", r"\1", printed) for printed in (out, expected))
    for part in expected.split("...\n"):
        assert part in out


def test_the_documentation_shows_output() -> None:
    assert len(WITH_OUTPUT) == 5


def test_the_code_of_the_documentation_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)
    assert [(c.layer, c.name) for c in found["report"].culprits] == [(2, "wrong")]


def test_the_schema_in_the_documentation_is_that_of_the_json() -> None:
    t = cr.trace(cr.Network([2, 3, 1], "tanh"), [[0.5, -1.0]], [[1.0]])
    written = record.of(t, follow(t, 1, 1, 1))
    documented = DOCS.read_text("utf-8").partition("### The JSON")[2].partition("\n## ")[0]
    weight, step = written["weight"], written["steps"][0]
    keys = {*written, *step, *weight, *weight["paths"][0], *weight["paths"][0]["factors"][0]}
    assert keys <= set(re.findall(r"`(\w+)`", documented))
