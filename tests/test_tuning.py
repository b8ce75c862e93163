"""Tuning: what is tried, what is kept, and that a search goes on where it was cut."""

from __future__ import annotations

import math
import sqlite3
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chainrule.callbacks import Callback, Progress
from chainrule.cli import main
from chainrule.errors import DivergenceError, NotWrittenError
from chainrule.runs.config import TUNED, Config
from chainrule.tuning import search

DEFAULTS = {name: getattr(Config(), name) for name in TUNED} | {"batch_size": 32}


def distance(settings: dict[str, Any], _: Callback) -> float:
    """Return a score whose best learning rate is 0.001."""
    return -abs(math.log10(settings["learning_rate"]) + 3)


def test_the_defaults_are_tried_first_and_the_best_is_found(tmp_path: Path) -> None:
    told: list[int] = []
    trials = search(
        distance, TUNED, DEFAULTS, tmp_path / "t.db", 12, told=lambda t, best: told.append(t.number)
    )
    assert told == list(range(12))
    first = next(trial for trial in trials if trial.number == 0)
    assert first.settings["learning_rate"] == DEFAULTS["learning_rate"]
    assert tuple(first.settings["hidden"]) == DEFAULTS["hidden"]
    values = [trial.value for trial in trials if trial.value is not None]
    assert values == sorted(values, reverse=True)
    assert first.value is not None
    assert values[0] > first.value


def test_settings_that_are_not_free_are_left_alone(tmp_path: Path) -> None:
    trials = search(distance, ("learning_rate",), DEFAULTS, tmp_path / "t.db", 3)
    assert all(set(trial.settings) == {"learning_rate"} for trial in trials)


@pytest.mark.parametrize("cut", [0, 3])
def test_a_search_that_was_cut_goes_on_as_if_it_had_not_been(tmp_path: Path, cut: int) -> None:
    whole = search(distance, TUNED, DEFAULTS, tmp_path / "a.db", 8, seed=4)
    calls = 0

    def cut_short(settings: dict[str, Any], callback: Callback) -> float:
        nonlocal calls
        calls += 1
        if calls > cut:
            raise KeyboardInterrupt
        return distance(settings, callback)

    with pytest.raises(KeyboardInterrupt):
        search(cut_short, TUNED, DEFAULTS, tmp_path / "b.db", 8, seed=4)
    again = search(distance, TUNED, DEFAULTS, tmp_path / "b.db", 8, seed=4)
    assert [trial.settings for trial in again] == [trial.settings for trial in whole]


def test_a_trial_whose_process_died_is_not_waited_for(tmp_path: Path) -> None:
    search(distance, TUNED, DEFAULTS, tmp_path / "t.db", 2)
    with sqlite3.connect(tmp_path / "t.db") as file:
        file.execute("UPDATE trials SET state = 'RUNNING' WHERE number = 1")
    file.close()
    trials = search(distance, TUNED, DEFAULTS, tmp_path / "t.db", 3)
    assert sorted(trial.number for trial in trials) == [0, 2, 3]


def test_trials_that_are_behind_are_cut_short_and_divergence_is_no_end(tmp_path: Path) -> None:
    net: Any = None
    stopped: list[int] = []
    calls = 0

    def objective(_: dict[str, Any], callback: Callback) -> float:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise DivergenceError("diverged")
        level = 1.0 if calls < 8 else 9.0
        for epoch in range(1, 21):
            progress = Progress(net, net, epochs=20, epoch=epoch, loss=level / epoch)
            callback.on_epoch_end(progress)
            if progress.stop_reason:
                stopped.append(epoch)
                break
        return -level

    trials = search(objective, TUNED, DEFAULTS, tmp_path / "t.db", 8)
    assert stopped == [5]
    assert sorted(trial.number for trial in trials if trial.value is None) == [1, 7]


def test_no_trial_begins_after_the_deadline_but_the_first(tmp_path: Path) -> None:
    assert len(search(distance, TUNED, DEFAULTS, tmp_path / "t.db", 5, deadline=-1.0)) == 1


def test_a_file_that_cannot_be_kept_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "t.db").write_bytes(b"no database " * 1000)
    with pytest.raises(NotWrittenError, match=r"cannot keep the trials in .*t\.db: file is not"):
        search(distance, TUNED, DEFAULTS, tmp_path / "t.db", 2)


def table(path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] * x[:, 1]})
    frame.write_csv(path)


def test_a_tuned_run_has_the_best_settings_and_repeats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table(Path("a?b.csv"))  # letters that an address of a database would take for something else
    options = ["a?b.csv", "--target", "y", "--epochs", "6", "--tune", "4", "--no-baselines"]
    assert main(["train", *options, "--activation", "tanh", "-o", "a?b"]) == 0
    out = capsys.readouterr().out
    assert out.count("\ntrial ") == 4
    config = tomllib.loads(Path("a?b/config.toml").read_text())
    assert (config["activation"], config["tune"]) == ("tanh", 0)
    assert Path("a?b/tuning.db").exists()
    assert "the best of 4 trials" in Path("a?b/report.html").read_text()
    assert main(["train", "--config", "a?b/config.toml", "-o", "c"]) == 0
    one, two = (Path(folder, "model.safetensors").read_bytes() for folder in ("a?b", "c"))
    assert one == two


def test_ctrl_c_while_tuning_keeps_the_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from chainrule.runs import learning

    monkeypatch.chdir(tmp_path)
    table(Path("t.csv"))
    options = ["t.csv", "--target", "y", "--epochs", "6", "--no-baselines", "--hidden", "8"]
    assert main(["train", *options, "--tune", "3", "-o", "whole"]) == 0
    train, calls = learning.train, 0

    def interrupted(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return train(*arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(learning, "train", interrupted)
        assert main(["train", *options, "--tune", "3", "-o", "cut"]) == 130
    assert "--resume -o cut" in capsys.readouterr().err
    assert main(["train", "--resume", "-o", "cut"]) == 0
    for name in ("model.safetensors", "config.toml"):
        assert Path("whole", name).read_bytes() == Path("cut", name).read_bytes()


def test_without_optuna_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table(Path("t.csv"))
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(["train", "t.csv", "--target", "y", "--tune", "3"]) == 1
    assert "pip install 'chainrule[tune]'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
