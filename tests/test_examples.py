"""The examples run, each in a process of its own, and come to what they say."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not importlib.util.find_spec(package),
        reason=f"needs {package}: pip install --group examples",
    )


def said(name: str, folder: Path) -> str:
    """Return what an example prints; it may not write into the folder in which it runs."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / name], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not list(folder.iterdir())
    return done.stdout


def test_callbacks(tmp_path: Path) -> None:
    printed = said("callbacks.py", tmp_path)
    accuracies = [float(found) for found in re.findall(r"epoch \d: accuracy (\S+)", printed)]
    assert len(accuracies) == 8
    assert accuracies[-1] > 0.9
    # two candidates in three folds, and the best once more
    assert "from 56 epochs that were scored" in printed
    assert re.search(r"good enough after [2-7] epochs", printed)


@needs("optuna")
def test_optuna_search(tmp_path: Path) -> None:
    printed = said("optuna_search.py", tmp_path)
    assert re.search(r"30 trials, [1-9]\d? of them pruned", printed)
    accuracy = re.search(r"accuracy on the test digits: (\S+)", printed)
    assert accuracy
    assert float(accuracy[1]) > 0.95


@needs("shap")
def test_shap_values(tmp_path: Path) -> None:
    printed = said("shap_values.py", tmp_path)
    difference = re.search(r", up to (\S+)", printed)
    assert difference
    assert float(difference[1]) < 1e-6
    # that the body mass index and the logarithm of triglycerides matter most is well known
    assert set(re.findall(r"^ *(\w+)  0\.\d+$", printed, re.MULTILINE)[:3]) >= {"bmi", "s5"}


def test_every_example_is_tested() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert {f"test_{name}" for name in names} <= set(globals())
