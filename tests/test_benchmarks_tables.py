"""The benchmark of tables: every learner is scored on the same rows, and ranks are right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from chainrule.benchmarks import tables
from chainrule.benchmarks.datasets import DATASETS, Dataset
from chainrule.benchmarks.learners import LEARNERS

WINE = Dataset("sklearn", "wine", "target", True, chosen_on=True)
DIABETES = Dataset("sklearn", "diabetes", "target", False)


def silent(text: str) -> None:
    """Take a note of progress."""


def test_results_are_of_every_learner_split_and_data_set() -> None:
    results = tables.run([WINE, DIABETES], ["linear", "boosting"], [3, 4], silent)
    assert len(results) == 8
    for result in results:
        low = 0.9 if result.dataset == "wine" else 0.2
        assert low < result.score <= 1
        assert 0 < result.error < 1
        assert result.seconds > 0
    again = tables.run([WINE], ["linear"], [4], silent)
    assert again[0].score == results[2].score


def test_ranks_are_by_the_mean_and_better_is_first() -> None:
    found = [
        tables.Result("a", name, seed, score, error, 1.0)
        for name, score, error in (("x", 0.9, 0.5), ("y", 0.8, 0.4), ("z", 0.8, 0.6))
        for seed in (0, 1)
    ]
    assert tables.mean_ranks(found, "score") == {"x": 1, "y": 2.5, "z": 2.5}
    assert tables.mean_ranks(found, "error") == {"x": 2, "y": 1, "z": 3}


def test_log_loss_is_of_the_probabilities_of_the_true_classes() -> None:
    found = np.array([[0.5, 0.5], [0.0, 1.0]])
    accuracy, loss = tables._of_classes(np.array(["a", "b"]), found, ["b", "b"])
    assert accuracy == 0.5
    assert loss == pytest.approx(np.log(2) / 2, rel=1e-5)


def test_the_command_prints_a_table_and_writes_what_it_was_made_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LEARNERS", {"linear": LEARNERS["linear"]})
    path = tmp_path / "tables.json"
    tables.main(["--seeds", "1", "--only", "wine,diabetes", "--output", str(path)])
    assert "| wine † | **" in capsys.readouterr().out
    assert [result["dataset"] for result in json.loads(path.read_text())["results"]] == [
        "wine",
        "diabetes",
    ]


def test_half_of_the_data_sets_are_kept_from_choosing() -> None:
    kept = [dataset for dataset in DATASETS if not dataset.chosen_on]
    assert len(DATASETS) >= 2 * len(kept) - 2 >= 20
    for some in (DATASETS, kept):
        assert {dataset.classification for dataset in some} == {True, False}
    assert len({dataset.title for dataset in DATASETS}) == len(DATASETS)
