"""Runs of `chainrule train`: their folder, their config, and what survives any end."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule import tables
from chainrule.cli import main
from chainrule.errors import InputError
from chainrule.runs import inputs, toml
from chainrule.runs.config import Config, read, seconds
from chainrule.runs.folder import default_path
from chainrule.runs.preparing import prepare
from chainrule.runs.splitting import Splitter, splitter

FILES = ["config.toml", "history.parquet", "metrics.json", "model.safetensors",
         "predictions.parquet", "report.html"]  # fmt: skip
QUICK = ["--target", "y", "--epochs", "4", "--hidden", "8", "--no-baselines"]
Run = Callable[..., tuple[int, str, str]]


def table(n: int = 120) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3)).round(3)
    return pl.DataFrame(
        {
            "a": x[:, 0], "b": [None if i % 9 == 0 else v for i, v in enumerate(x[:, 1])],
            "city": ["Oslo", "Rome", "Bern"] * (n // 3), "who": [i // 4 for i in range(n)],
            "when": pl.date_range(pl.date(2020, 1, 1), pl.date(2030, 1, 1), "1d", eager=True)[:n],
            "y": (2 * x[:, 0] + x[:, 1] ** 2 + rng.normal(size=n) / 10).round(3),
        }
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line where there is a table; return exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    table().write_csv("t.csv")

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return call


def same_run(a: Path, b: Path) -> bool:
    names = ["model.safetensors", "predictions.parquet", "config.toml"]
    return all((a / name).read_bytes() == (b / name).read_bytes() for name in names)


# The folder.


def test_a_run_is_a_folder_named_after_its_table(run: Run, tmp_path: Path) -> None:
    code, out, err = run("train", "t.csv", *QUICK)
    assert (code, err) == (0, "")
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert folder.name.startswith("t-20")
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert f"open {folder.name}/report.html" in out
    assert f"saved      {folder.name}: the model" in out


def test_what_a_run_leaves_fits_together(run: Run) -> None:
    assert run("train", "t.csv", *QUICK, "--seed", "3", "-o", "r")[0] == 0
    frame, found = pl.read_csv("t.csv"), pl.read_parquet("r/predictions.parquet")
    assert found["true y"].to_list() == frame["y"][found["row"].to_list()].to_list()
    record = json.loads(Path("r/metrics.json").read_text())
    assert record["rows"]["held_out"] == found.height == 24
    errors = (found["true y"] - found["prediction"]).to_numpy()
    assert record["score"]["value"] == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert record["score"]["low"] < record["score"]["value"] < record["score"]["high"]
    history = pl.read_parquet("r/history.parquet")
    assert history["epoch"].to_list() == [1, 2, 3, 4]
    assert run("predict", "r", "t.csv", "-o", "p.csv")[0] == 0
    predicted = pl.read_csv("p.csv")["prediction"][found["row"].to_list()]
    np.testing.assert_allclose(predicted.to_numpy(), found["prediction"].to_numpy(), rtol=1e-6)


def test_a_folder_with_a_run_is_left_alone(run: Run, tmp_path: Path) -> None:
    assert run("train", "t.csv", *QUICK, "-o", "r")[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    for arguments, words in (
        (["t.csv", *QUICK, "-o", "r"], "holds a run already"),
        (["--resume", "-o", "r"], "is complete"),
    ):
        code, _, err = run("train", *arguments)
        assert code == 2
        assert words in err
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()} == before


def test_default_names_are_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = default_path(Path("x.csv"), "now")
    first.mkdir()
    assert default_path(Path("x.csv"), "now") == Path("x-now-2")


def test_a_model_alone_is_one_file(run: Run, tmp_path: Path) -> None:
    assert run("train", "t.csv", *QUICK, "-o", "m.safetensors")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.safetensors", "t.csv"]
    code, _, err = run("train", "t.csv", *QUICK, "-o", "n.safetensors", "--tune", "2")
    assert code == 2
    assert "name a folder" in err


# The config.


@pytest.mark.parametrize("more", [[], ["--ensemble", "3"], ["--time", "when", "--metric", "mae"]])
def test_the_config_repeats_the_run(run: Run, tmp_path: Path, more: list[str]) -> None:
    assert run("train", "t.csv", *QUICK, *more, "--seed", "5", "-o", "a")[0] == 0
    assert run("train", "--config", "a/config.toml", "-o", "b")[0] == 0
    assert same_run(tmp_path / "a", tmp_path / "b")
    assert run("train", "--config", "a/config.toml", "--seed", "6", "-o", "c")[0] == 0
    assert not same_run(tmp_path / "a", tmp_path / "c")


def test_a_run_cut_short_by_its_time_limit_is_repeated(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chainrule.runs.learning.epochs_within", lambda config, *_: config.epochs)
    assert run("train", "t.csv", *QUICK, "--time-limit", ".000001s", "-o", "a")[0] == 0
    config = tomllib.loads(Path("a/config.toml").read_text())
    assert (config["stop_after"], config["epochs"]) == ([1], 4)
    assert run("train", "--config", "a/config.toml", "-o", "b")[0] == 0
    assert same_run(tmp_path / "a", tmp_path / "b")


def test_a_time_limit_chooses_the_epochs(run: Run) -> None:
    assert (
        run("train", "t.csv", *QUICK[:2], "--time-limit", "1h", "--epochs", "3", "-o", "a")[0] == 0
    )
    assert tomllib.loads(Path("a/config.toml").read_text())["epochs"] == 3
    assert run("train", "t.csv", *QUICK[:2], "--time-limit", ".000001s", "-o", "b")[0] == 0
    assert tomllib.loads(Path("b/config.toml").read_text())["epochs"] == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch = 3", "did you mean 'epochs'"),
        ('epochs = "3"', 'epochs must be a whole number, but is epochs = "3"'),
        ("hidden = 64", "hidden must be a list of whole numbers"),
        ("baselines = 1", "baselines must be true or false"),
        ("seed = -1", "--seed must be a whole number of at least 0"),
        ("dropout = 1.0", "dropout must be"),
        ("target = [", "is not TOML"),
        ('optimizer = "lbfgs"', "choose one that makes epochs"),
        ('optimizer = "adamm"', "did you mean 'adam'"),
        ("stop_after = [1, 2]", "2 epochs for 1 networks"),
    ],
)
def test_a_mistake_in_a_config_is_one_sentence(run: Run, text: str, words: str) -> None:
    Path("c.toml").write_text(text)
    code, _, err = run("train", "t.csv", "--target", "y", "--config", "c.toml")
    assert code == 2
    assert words in err
    assert err.count("\n") == 1


@given(
    st.dictionaries(
        st.sampled_from(["target", "group", "metric_", "hidden", "rate", "on"]),
        st.text() | st.lists(st.text()) | st.floats(allow_nan=False, allow_infinity=False)
        | st.integers(-(2**63), 2**63 - 1) | st.booleans(),
    )
)  # fmt: skip
def test_toml_reads_back_what_was_written(settings: dict[str, Any]) -> None:
    text = toml.dumps(settings)
    text.encode()  # no half of a surrogate pair
    assert tomllib.loads(text) == settings


def test_a_config_comes_back_from_its_file(tmp_path: Path) -> None:
    config = Config(
        tables=('we"ird\n.csv',), target="päivä = 1", hidden=(), validation="v.csv", seed=7,
        time_limit=90.0, drop=("a", "b"), learning_rate=1e-7,
    )  # fmt: skip
    (tmp_path / "c.toml").write_text(config.to_toml())
    assert Config(**read(tmp_path / "c.toml")) == config


@pytest.mark.parametrize("text", ["", "0s", "-3", "5 days", "nan", "1e3s", "ten"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--time-limit must be a time"):
        seconds(text)


# The split.


def test_no_group_is_on_both_sides() -> None:
    frame = table()
    config = Config(tables=("t",), target="y", group="who", hidden=(4,))
    prepared = prepare(frame.clone(), None, config)
    held = set(frame["who"][prepared.held.rows.tolist()])
    rest = set(range(frame.height)) - set(prepared.held.rows.tolist())
    assert held
    assert not held & {frame["who"][i] for i in rest}
    assert "who" in prepared.preprocessing.left_out


def test_the_last_in_time_are_held_out_and_the_next_watched() -> None:
    times = np.array([3, 1, 2, 2, 5, 4, 4, 0])
    by = Splitter(times=times)
    rest, held = by.split(np.arange(8), 0.25, seed=0)
    assert held.tolist() == [4, 5, 6]  # equal times are not parted
    trained, watched = by.split(rest, 0.2, seed=0)
    assert times[trained].max() < times[watched].min()


def test_networks_of_an_ensemble_watch_rows_of_their_own() -> None:
    config = Config(tables=("t",), target="y", ensemble=3)
    rows = prepare(table(), None, config).rows
    parts = [(rows.X[a], rows.X[b]) for a, b in rows.parts]
    assert len({b.tobytes() for _, b in parts}) == 3
    for trained, watched in parts:
        assert len(trained) + len(watched) == len(rows.X) == 96


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--group", "whoo"], "did you mean 'who'"),
        (["--time", "city"], "numbers or dates"),
        (["--time", "b"], "is missing in"),
        (["--time", "when", "--group", "who"], "leave one of them out"),
        (["--validation", "1.5"], "between 0 and 1"),
        (["--validation", "0.999"], "leaves none to train on"),
        (["--validation", "none.csv"], "there is no file none.csv"),
        (["--drop", "citty"], "'city'"),
        (["--drop", "y"], "leaves out the column of --target"),
        (["--drop", "a,b,city,who,when"], "there is no column to predict 'y' from"),
        (["--metric", "accuracy"], "is for classification"),
        (["--metric", "rmsee"], "did you mean 'rmse'"),
        (["--loss", "cross_entropy"], "is not for a number"),
        (["--loss", "gamma"], "takes numbers above 0"),
        (["--time-limit", "soon"], "such as 60s"),
        (["--resume"], "needs the folder"),
        (["--resume", "-o", "nowhere"], "no run in nowhere"),
        (["-o", "no/where"], "there is no folder no"),
    ],
)
def test_a_mistake_is_one_sentence(
    run: Run, tmp_path: Path, arguments: list[str], words: str
) -> None:
    code, _, err = run("train", "t.csv", *QUICK, *arguments)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_file_of_its_own_is_held_out(run: Run) -> None:
    table(30).write_parquet("held.parquet")
    assert run("train", "t.csv", *QUICK, "--validation", "held.parquet", "-o", "r")[0] == 0
    found = pl.read_parquet("r/predictions.parquet")
    assert found["row"].to_list() == list(range(30))
    assert json.loads(Path("r/metrics.json").read_text())["rows"]["trained"] == [102]


def test_splitting_by_a_column_with_one_value_says_so() -> None:
    frame = pl.DataFrame({"g": ["x"] * 9, "t": [1] * 9})
    for by, words in (
        (splitter(frame, None, "g", None), "--group has one value"),
        (splitter(frame, None, None, "t"), "--time has one value"),
    ):
        with pytest.raises(InputError, match=words):
            by.split(np.arange(9), 0.2, 0)


# Tasks, losses, inputs.


@pytest.mark.parametrize("loss", ["huber", "gaussian_nll", "poisson", "gamma", "log_cosh"])
def test_losses_of_numbers_learn(run: Run, loss: str) -> None:
    frame = table(600).with_columns(y=(pl.col("a") + 1).exp())
    frame.write_csv("t.csv")
    options = ["--target", "y", "--hidden", "32", "--loss", loss, "--no-baselines", "-o", "r"]
    assert run("train", "t.csv", *options)[0] == 0
    assert json.loads(Path("r/metrics.json").read_text())["scores"]["network"]["r2"] > 0.7


@pytest.mark.parametrize("ensemble", ["1", "2"])
@pytest.mark.parametrize("target", ["pair", "city"])
def test_classes_are_learned(run: Run, target: str, ensemble: str) -> None:
    frame = table(300).with_columns(pair=pl.col("a") > 0, b=pl.col("city").str.len_chars())
    frame = frame.with_columns(b=pl.when(pl.col("city") == "Oslo").then(1.0).otherwise("a"))
    frame.with_columns(
        city=pl.when(pl.col("a") > 0.5).then(pl.lit("x")).otherwise("city")
    ).write_csv("t.csv")
    options = ["--target", target, "--metric", "roc_auc", "--ensemble", ensemble, "-o", "r"]
    code, out, _ = run("train", "t.csv", *options, "--no-baselines", "--drop", "who,when")
    assert code == 0
    assert "roc_auc" in out
    record = json.loads(Path("r/metrics.json").read_text())
    assert record["scores"]["network"]["roc_auc"] > 0.8
    assert record["scores"]["naive guess"]["roc_auc"] == 0.5
    found = pl.read_parquet("r/predictions.parquet")
    probabilities = found.select(pl.col("^probability_.*$")).to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_inputs_are_those_that_the_saved_columns_give() -> None:
    frame = table(300).with_columns(many=pl.Series([f"c{i % 60}" for i in range(300)]))
    config = Config(tables=("t",), target="y")
    prepared = prepare(frame.clone(), None, config)
    rest = np.setdiff1d(np.arange(300), prepared.held.rows)
    again, _ = prepared.preprocessing.encode(frame[rest])
    crossed = [c.name for c in prepared.preprocessing.columns if c.statistics]
    assert crossed == ["many"]  # whose rows of training know nothing of their own target
    own = [i for i, name in enumerate(prepared.preprocessing.inputs) if "many" not in name]
    X = prepared.rows.X[:, own]
    np.testing.assert_array_equal(X[np.lexsort(X.T)], again[:, own][np.lexsort(again[:, own].T)])


def test_a_large_table_has_no_bends(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(tables=("t",), target="y")
    few = len(prepare(table(), None, config).preprocessing.inputs)
    monkeypatch.setattr(inputs, "BUDGET", 1000)
    monkeypatch.setattr(inputs, "_SAMPLE", 50)
    prepared = prepare(table(), None, config)
    assert not any("near" in name for name in prepared.preprocessing.inputs)
    assert len(prepared.preprocessing.inputs) < few
    # of gaps the sample need not have one
    assert any(name == "b is missing" for name in prepared.preprocessing.inputs)


@pytest.mark.parametrize("n", [5, 6, 11])
def test_tiny_tables_make_whole_runs(run: Run, n: int) -> None:
    pl.DataFrame({"x": range(n), "y": list("abababababa"[:n])}).write_csv("t.csv")
    assert run("train", "t.csv", "--target", "y", "--epochs", "2", "-o", "r")[0] == 0
    assert sorted(path.name for path in Path("r").iterdir()) == FILES


def test_rows_without_a_target_are_counted(run: Run) -> None:
    table().with_columns(
        y=pl.when(pl.int_range(pl.len()) % 10 == 0).then(None).otherwise("y")
    ).write_csv("t.csv")
    code, out, _ = run("train", "t.csv", *QUICK, "-o", "r")
    assert code == 0
    assert "left out   12 rows in which y is missing" in out
    assert json.loads(Path("r/metrics.json").read_text())["rows"]["without_target"] == 12
    rows = pl.read_parquet("r/predictions.parquet")["row"].to_numpy()
    assert (rows % 10 != 0).all()


def test_an_infinite_number_is_named(run: Run) -> None:
    table().with_columns(a=pl.when(pl.int_range(pl.len()) == 7).then(float("inf")).otherwise("a")
                         ).write_parquet("t.parquet")  # fmt: skip
    code, _, err = run("train", "t.parquet", *QUICK)
    assert code == 2
    assert "row 8 has inf" in err


# Faults.

PROGRAM = """
import os, signal, sys
from chainrule.training import checkpoint
checkpoint.SECONDS_BETWEEN = 0  # at the end of each epoch
left = int(sys.argv.pop(1))
replace = os.replace
def until_killed(a, b):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(a, b)
os.replace = until_killed
from chainrule.cli import main
sys.exit(main())
"""


def killed_at_write(n: int, folder: Path, *arguments: str) -> int:
    program = [sys.executable, "-c", PROGRAM, str(n), "train", *arguments]
    return subprocess.run(program, cwd=folder, capture_output=True).returncode


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("n", [1, 3, 6, 8, 11, 13])
def test_kill_at_any_write_leaves_whole_files_and_a_run_to_go_on_with(
    run: Run, tmp_path: Path, n: int
) -> None:
    options = ["t.csv", *QUICK, "--ensemble", "2"]
    assert run("train", *options, "-o", "whole")[0] == 0
    assert killed_at_write(n, tmp_path, *options, "-o", "r") == -signal.SIGKILL
    for path in (tmp_path / "r").glob("*.parquet"):
        pl.read_parquet(path)
    if n == 1:  # before what is to be done was noted
        assert run("train", "--resume", "-o", "r")[0] == 2
        assert run("train", *options, "-o", "r")[0] == 0
    else:
        assert run("train", "--resume", "-o", "r")[0] == 0
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == FILES
    assert same_run(tmp_path / "whole", tmp_path / "r")


def test_a_resumed_run_keeps_its_settings(run: Run, tmp_path: Path) -> None:
    killed_at_write(4, tmp_path, "t.csv", *QUICK, "-o", "r")
    code, _, err = run("train", "--resume", "-o", "r", "--epochs", "9")
    assert code == 2
    assert "begun with epochs = 4" in err
    code, _, err = run("train", "t.csv", *QUICK, "-o", "r")
    assert code == 2
    assert "go on with this one by --resume" in err


def test_a_run_is_not_resumed_on_another_table(run: Run, tmp_path: Path) -> None:
    killed_at_write(4, tmp_path, "t.csv", *QUICK, "-o", "r")
    table().with_columns(pl.col("a") ** 2).write_csv("t.csv")
    code, _, err = run("train", "--resume", "-o", "r")
    assert code == 2
    assert "checkpoint of a run with data" in err


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs limits of file sizes")
@pytest.mark.parametrize("output", ["r", "m.safetensors"])
def test_a_full_disk_is_one_sentence_and_nothing_is_lost(
    run: Run, tmp_path: Path, output: str
) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"old")

    limited = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000)); "
        "from chainrule.cli import main; exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "train", "t.csv", *QUICK, "-o", output],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write ")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "m.safetensors").read_bytes() == b"old"
    if output == "r":  # once there is room, it goes on
        assert run("train", "--resume", "-o", "r")[0] == 0
        assert sorted(path.name for path in (tmp_path / "r").iterdir()) == FILES


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_table_is_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r").mkdir()

    def read_only(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", read_only)
    code, out, err = run("train", "t.csv", *QUICK, "-o", "r")
    assert (code, out) == (2, "")
    assert "cannot write in the folder r" in err


def test_ctrl_c_writes_the_folder_and_the_run_can_go_on(tmp_path: Path) -> None:
    table().write_csv(tmp_path / "t.csv")
    # so many epochs, and so small steps that each is better than the last: it cannot end by itself
    program = [sys.executable, "-c", "from chainrule.cli import main; exit(main())", "train"]
    options = ["t.csv", *QUICK, "--epochs", "10000000", "--learning-rate", "1e-7", "-o", "r"]
    with subprocess.Popen(
        [*program, *options],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        for line in process.stdout:
            if line.startswith("epoch"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, err) == (130, "")
    assert "keeping the best weights so far" in out
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["checkpoint", *FILES]
    config = tomllib.loads((tmp_path / "r/config.toml").read_text())
    history = pl.read_parquet(tmp_path / "r/history.parquet")
    assert config["stop_after"] == [history.height]
    assert "--resume goes on" in (tmp_path / "r/report.html").read_text()
    asked = tomllib.loads((tmp_path / "r/checkpoint/config.toml").read_text())
    assert "stop_after" not in asked


def test_a_diverging_run_leaves_no_folder(run: Run, tmp_path: Path) -> None:
    code, _, err = run("train", "t.csv", *QUICK, "--learning-rate", "1e30", "-o", "r")
    assert code == 1
    assert "diverged" in err
    assert not (tmp_path / "r").exists()


def test_ctrl_c_while_judging_keeps_the_model(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("chainrule.evaluation.importance.permutation", interrupted)
        code, _, err = run("train", "t.csv", *QUICK, "-o", "r")
    assert code == 130
    assert "the model is saved in r/model.safetensors; to go on" in err
    assert tables.load("r")[0].layer_sizes[-1] == 1
    assert run("train", "--resume", "-o", "r")[0] == 0
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == FILES


def test_a_folder_of_a_run_is_a_model_to_all(run: Run) -> None:
    assert run("train", "t.csv", *QUICK, "-o", "r")[0] == 0
    assert cr.load("r").layer_sizes == cr.load(os.path.join("r", "model.safetensors")).layer_sizes
    assert run("info", "r")[0] == 0
