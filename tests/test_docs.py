"""The Python of pages that promise to run runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "scikit-learn.md"


def test_the_code_of_the_page_for_users_of_scikit_learn_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 15
    exec(compile("\n".join(blocks), str(PAGE), "exec"), {})
    assert (tmp_path / "digits.c").exists()


def test_the_code_of_the_page_on_derivatives_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = DOCS / "derivatives.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    exec(compile("\n".join(blocks), str(page), "exec"), {})
    assert "passed: tolerance" in capsys.readouterr().out
