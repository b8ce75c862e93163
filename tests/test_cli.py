"""The command line: what a user sees, in words, files and exit codes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_diabetes, load_iris

import chainrule as cr
from chainrule import loading, tables
from chainrule.benchmarks import peers
from chainrule.benchmarks.plan import Plan
from chainrule.cli import main

PROGRAM = [sys.executable, "-c", "import sys; from chainrule.cli import main; sys.exit(main())"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in an empty folder; return exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def iris(tmp_path: Path) -> str:
    data = load_iris()
    names = pl.Series("species", [str(data.target_names[i]) for i in data.target])
    frame = pl.DataFrame(data.data, schema=["sl", "sw", "pl", "pw"]).with_columns(names)
    frame.write_csv(tmp_path / "iris.csv")
    return "iris.csv"


@pytest.fixture
def diabetes(tmp_path: Path) -> str:
    data = load_diabetes()
    frame = pl.DataFrame(data.data, schema=data.feature_names)
    frame.with_columns(y=pl.Series(data.target)).write_parquet(tmp_path / "diabetes.parquet")
    return "diabetes.parquet"


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([*PROGRAM, *arguments], cwd=folder, stdout=pipe, stderr=pipe, text=True)


def one_sentence(err: str) -> str:
    """Return the sentence after checking that there is nothing else."""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_digits_are_learned_to_97_percent(run: Run, seed: int) -> None:
    code, out, err = run("train", "--seed", str(seed), "-o", "d.safetensors")
    assert (code, err) == (0, "")
    found = re.search(r"accuracy +([\d.]+)% on 359 held-out rows \(10\.", out)
    assert found
    assert float(found[1]) >= 97
    assert 5 <= len(re.findall(r"^epoch", out, re.M)) <= 25
    assert re.search(r"mistakes +\d taken for \d: \d", out)


def test_what_digits_say_to_try_next_works(run: Run) -> None:
    code, out, _ = run("train", "--epochs", "2")
    assert code == 0
    commands = [line.split()[1:] for line in out.split("Try next:")[1].splitlines() if line.strip()]
    assert [command[0] for command in commands] == ["predict", "info", "train", "train"]
    for command in commands[:3]:
        assert run(*command)[0] == 0


def test_the_test_digits_do_not_replace_a_file_of_the_users(run: Run, tmp_path: Path) -> None:
    (tmp_path / "digits-test.csv").write_text("mine,all\n1,2\n")
    code, out, _ = run("train", "--epochs", "1")
    assert code == 0
    assert "digits-test.csv" not in out
    assert (tmp_path / "digits-test.csv").read_text() == "mine,all\n1,2\n"


def test_classification_from_csv_to_predictions(run: Run, iris: str, tmp_path: Path) -> None:
    code, out, err = run("train", iris, "--target", "species", "-o", "m.safetensors")
    assert (code, err) == (0, "")
    assert "classification: species has 3 different text values" in out
    code, out, err = run("predict", "m.safetensors", iris)
    assert (code, err) == (0, "")
    found = pl.read_csv(out.encode())
    truth = pl.read_csv(tmp_path / iris)["species"]
    assert (found["prediction"] == truth).mean() > 0.9  # type: ignore[operator]
    probabilities = found.drop("prediction")
    kinds = ("setosa", "versicolor", "virginica")
    assert probabilities.columns == [f"probability_{kind}" for kind in kinds]
    np.testing.assert_allclose(probabilities.sum_horizontal().to_numpy(), 1, atol=1e-5)


def test_rows_are_predicted_in_order_and_columns_by_name(run: Run, iris: str) -> None:
    run("train", iris, "--target", "species", "-o", "m.safetensors")
    first = pl.read_csv(run("predict", "m.safetensors", iris)[1].encode())
    pl.read_csv(iris).reverse().select("pw", "species", "pl", "sw", "sl").write_csv("r.csv")
    second = pl.read_csv(run("predict", "m.safetensors", "r.csv")[1].encode())
    assert second["prediction"].to_list() == first["prediction"].reverse().to_list()


def test_regression_from_parquet_to_parquet(run: Run, diabetes: str, tmp_path: Path) -> None:
    code, out, _ = run("train", diabetes, "--target", "y")
    assert code == 0
    assert "regression: y has 214 different numbers" in out
    found = re.search(r"error +([\d.]+) root mean squared, in units of y \(([\d.]+) by", out)
    assert found
    assert float(found[1]) < 0.9 * float(found[2])
    code, out, _ = run("predict", "model.safetensors", diabetes, "-o", "out.parquet")
    assert code == 0
    predicted = pl.read_parquet(tmp_path / "out.parquet")["prediction"]
    truth = pl.read_parquet(tmp_path / diabetes)["y"]
    assert np.corrcoef(predicted, truth)[0, 1] > 0.6
    assert abs(np.mean(predicted.to_numpy()) - np.mean(truth.to_numpy())) < 15


def test_options_reach_the_network(run: Run, iris: str) -> None:
    options = ["--hidden", "7,5", "--activation", "tanh", "--epochs", "3", "--batch-size", "9"]
    code, out, _ = run("train", iris, "--target", "species", "--task", "classification", *options)
    assert code == 0
    assert "3 of 3 epochs" in out
    net = cr.load("model.safetensors")
    assert net.layer_sizes[1:] == (7, 5, 3)
    assert net.architecture.activations[0].name == "tanh"
    assert run("train", iris, "--target", "species", "--hidden", "none")[0] == 0
    assert cr.load("model.safetensors").layer_sizes[1:] == (3,)


def test_the_same_seed_gives_the_same_model(run: Run, iris: str, tmp_path: Path) -> None:
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        run("train", iris, "--target", "species", "--epochs", "3", "--seed", seed, "-o", name)
    (a, table_a), (b, table_b), (c, table_c) = (tables.load(tmp_path / name) for name in "abc")
    np.testing.assert_array_equal(a.parameters, b.parameters)
    assert table_a == table_b
    assert not np.array_equal(a.parameters, c.parameters)
    assert table_a != table_c


def test_what_is_left_out_is_said(run: Run, tmp_path: Path) -> None:
    rows = [f"u{i},{i % 13},EU,{i * 2.5 if i % 10 else ''}" for i in range(60)]
    (tmp_path / "t.csv").write_text("id,x,land,y\n" + "\n".join(rows) + "\n")
    code, out, _ = run("train", "t.csv", "--target", "y", "--epochs", "2")
    assert code == 0
    for words in (
        "6 rows in which y",
        "column id: it is text with",
        "column land: it is always EU",
    ):
        assert words in out


def test_unseen_categories_are_counted_in_a_line(run: Run, tmp_path: Path) -> None:
    rows = [f"{'abc'[i % 3]},{i % 3 * 1.5 + i % 2}" for i in range(60)]
    (tmp_path / "t.csv").write_text("c,y\n" + "\n".join(rows) + "\n")
    (tmp_path / "new.csv").write_text("c\na\nz\nz\n")
    run("train", "t.csv", "--target", "y", "--task", "regression", "-o", "m")
    code, out, err = run("predict", "m", "new.csv")
    assert code == 0
    assert (out.count("\n"), err.count("\n")) == (4, 1)
    assert "2 of 3 values of c" in err


def test_a_network_saved_without_a_table_predicts_numeric_columns(run: Run, iris: str) -> None:
    net = cr.Network([4, 3], output_activation="softmax", loss="cross_entropy")
    net.save("plain.safetensors")
    code, out, err = run("predict", "plain.safetensors", iris)
    assert code == 0
    assert "species" in err
    X = pl.read_csv(iris).drop("species").to_numpy()
    found = pl.read_csv(out.encode())
    assert found["prediction"].to_list() == net.predict(X).argmax(axis=1).tolist()
    cr.Network([3, 1]).save("three.safetensors")
    code, out, err = run("predict", "three.safetensors", iris)
    assert code == 2
    assert "takes 3 numbers, but the table has 4 numeric columns" in one_sentence(err)


TABLE = "a,b,c,y\n" + "".join(f"{i},{i % 7},{'xyz'[i % 3]},{i * 1.5}\n" for i in range(40))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("train none.csv --target y", "there is no file none.csv"),
        ("train t.csv --target yy", "did you mean 'y'"),
        ("train t.csv --target Y", "did you mean 'y'"),
        ("train t.csv", "--target COLUMN"),
        ("train --target y", "needs a table"),
        ("train t.csv --target y --activation rellu", "did you mean 'relu'"),
        ("train t.csv --target y --hidden abc", "--hidden must be whole numbers"),
        ("train t.csv --target y --epochs many", "--epochs"),
        ("train t.csv --target y --epochs 0", "--epochs"),
        ("train t.csv --target y --learning-rate 0", "learning_rate must be"),
        ("train t.csv --target y --task guess", "--task 'guess' is not known"),
        ("train t.csv --target c --task regression", "must hold numbers"),
        ("train t.csv --target y -o nowhere/m", "there is no folder nowhere"),
        ("train t.csv --target y -o folder", "folder is a folder"),
        ("train t.csv --target y -o t.csv", "is what is read"),
        ("train numbers.csv --target y", "first line is numbers"),
        ("train one.csv --target y", "has 1 row"),
        ("train same.csv --target y", "in every row"),
        ("train gone.csv --target y", "missing in every row"),
        ("predict t.csv t.csv", "not a whole safetensors file"),
        ("predict m half.parquet", "not a whole Parquet file"),
        ("predict m text.csv", "column 'b' must hold numbers, but row 2 has 'hello'"),
        ("predict m lacks.csv", "lacks the columns a, c"),
        ("predict m numbers.csv", "first line is numbers"),
        ("predict m t.csv -o m", "is what is read"),
        ("predict cut t.csv", "truncated"),
        ("info newer", "newer chainrule"),
        ("prove x", "SIZES must be whole numbers"),
        ("prove 3", "SIZES must name inputs and outputs"),
        ("predict m", "table"),
        ("train --nonsense", "--nonsense"),
    ],
)
def test_a_mistake_is_one_sentence(run: Run, tmp_path: Path, arguments: str, words: str) -> None:
    for name, text in {
        "t.csv": TABLE,
        "numbers.csv": "1,2.5,0\n3,4,1\n",
        "one.csv": "a,b,c,y\n1,2,x,3\n",
        "same.csv": "a,b,c,y\n" + "1,2,x,k\n" * 20,
        "gone.csv": "a,b,c,y\n" + "1,2,x,\n" * 20,
        "text.csv": "a,b,c,y\n1,2,x,3\n1,hello,x,3\n",
        "lacks.csv": "b,y\n1,2\n",
        "half.parquet": "PAR1 and no more",
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "folder").mkdir()
    if arguments.startswith(("predict", "info")):
        assert run("train", "t.csv", "--target", "y", "--epochs", "1", "-o", "m")[0] == 0
        saved = (tmp_path / "m").read_bytes()
        (tmp_path / "cut").write_bytes(saved[: len(saved) // 2])
        # the header's length stays what it is, so that only the version is wrong
        (tmp_path / "newer").write_bytes(
            saved.replace(b'\\"format_version\\": 1', b'\\"format_version\\": 9')
        )
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*") if path.is_file()}
    code, _, err = run(*arguments.split())
    assert code == 2
    assert words in one_sentence(err)
    after = {path.name: path.read_bytes() for path in tmp_path.glob("*") if path.is_file()}
    assert after == before


def test_a_diverging_run_leaves_the_old_model_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "m").write_bytes(b"old")
    code, _, err = run("train", "t.csv", "--target", "y", "--learning-rate", "1e30", "-o", "m")
    assert code == 1
    assert "diverged" in one_sentence(err)
    assert (tmp_path / "m").read_bytes() == b"old"


def test_a_full_disk_is_a_failure_not_a_mistake(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "m").write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    code, _, err = run("train", "t.csv", "--target", "y", "--epochs", "1", "-o", "m")
    assert code == 1
    assert "No space left" in one_sentence(err)
    assert (tmp_path / "m").read_bytes() == b"old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_one_sentence() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PROGRAM, "info"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "No space left" in one_sentence(done.stderr)


def test_ctrl_c_keeps_the_best_weights_and_saves_them(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    # so many epochs, and so small steps that each is better than the last: it cannot end by itself
    arguments = ["--target", "y", "--epochs", "10000000", "--learning-rate", "1e-7", "-o", "m"]
    with started(tmp_path, "train", "t.csv", *arguments) as process:
        assert process.stdout and process.stderr  # noqa: PT018
        for line in process.stdout:
            if line.startswith("epoch"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.stdout.read(), process.stderr.read()
    assert process.returncode == 130
    assert err == ""
    assert len(re.findall(r"^interrupted after \d+ epochs", out, re.M)) == 1
    assert "R^2" in out
    assert loading.load(tmp_path / "m").layer_sizes[-1] == 1


def test_ctrl_c_before_the_first_epoch_saves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "m").write_bytes(b"old")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.training.fit_many", interrupted)
    code, _, err = run("train", "t.csv", "--target", "y", "-o", "m")
    assert code == 130
    assert "nothing was saved" in one_sentence(err)
    assert (tmp_path / "m").read_bytes() == b"old"


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    with started(tmp_path, "train") as process:
        assert process.stdout and process.stderr  # noqa: PT018
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 1
    assert err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_one_live_line(tmp_path: Path) -> None:
    import pty

    master, slave = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "train", "--epochs", "4"],
        cwd=tmp_path,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    ) as process:
        os.close(slave)
        shown = b""
        # On Linux reading fails when the other end is closed; elsewhere it returns nothing.
        try:
            while chunk := os.read(master, 4096):
                shown += chunk
        except OSError:
            pass
        os.close(master)
    assert process.returncode == 0
    for words in (b"\x1b[2K", b"epoch 4/4", b"left", b"accuracy"):
        assert words in shown


def test_info_of_a_model_and_of_the_installation(run: Run, iris: str) -> None:
    code, out, _ = run("info")
    assert code == 0
    assert all(words in out for words in (cr.__version__, "instruction set", "engines", "cores"))
    run("train", iris, "--target", "species", "--epochs", "3", "-o", "m")
    code, out, _ = run("info", "m")
    assert code == 0
    assert all(
        words in out for words in ("species: classification, classes setosa", "sl: median 5.")
    )
    cr.Network([2, 1]).save("plain")
    code, out, _ = run("info", "plain")
    assert code == 0
    assert "without a table" in out


def test_costs_proof_version_and_help(run: Run) -> None:
    expected = {
        ("costs",): "lambda",
        ("prove", "1,2,1"): "proven: every",
        ("prove", "1,1", "--derivatives"): "by D1, D2 and D3",
    }
    for arguments, words in expected.items():
        code, out, _ = run(*arguments)
        assert code == 0
        assert words in out
    assert run("--version") == (0, f"chainrule {cr.__version__}\n", "")
    for line in ("", "--help", "train --help"):
        code, out, err = run(*line.split())
        assert (code, err) == (0, "")
        assert "Usage" in out


def test_help_does_not_wait_for_the_libraries() -> None:
    code = (
        "import sys; from chainrule.cli import main; main(['--help'])\n"
        "print({'polars', 'sklearn', 'scipy', 'sympy'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "set()\n"


def test_bench_measures_and_writes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "installed", lambda task: ["chainrule"])
    monkeypatch.setattr(peers, "missing_packages", lambda: ["jax"])
    monkeypatch.setattr(Plan, "seconds", 0.001)
    options = "bench --only steps --workloads w5 --threads 1 --rounds 1 --output out"
    code, out, err = run(*options.split())
    assert code == 0
    assert "not installed: jax (pip install 'chainrule[bench]'" in err
    assert re.search(r"^same work: .*\n  chainrule \(\w+\): the loss by", out, re.M)
    assert re.search(r"^training step, w5 .*1 core; sgemm \d+ GFLOP/s$", out, re.M)
    assert re.search(r"^chainrule \(\w+\) +[\d.]+ +[\d.]+ +\d+% +1$", out, re.M)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["benchmarks.json"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--workloads w9", "workload 'w9' is not known"),
        ("--threads 0", "--threads must be numbers of cores"),
        ("--threads 99999", "needs 99999 cores"),
        ("--only step", "did you mean 'steps'"),
        ("--output file", "(File exists): name another"),
        ("--output no/folder", "name another"),
        ("--rounds 0", "--rounds"),
    ],
)
def test_a_mistake_of_bench_is_one_sentence(
    run: Run, tmp_path: Path, options: str, words: str
) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = run("bench", *options.split())
    assert code == 2
    assert words in one_sentence(err)
