"""The Python of pages that promise to run runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "scikit-learn.md"


def test_the_code_of_the_page_for_users_of_scikit_learn_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 15
    exec(compile("\n".join(blocks), str(PAGE), "exec"), {})
    assert (tmp_path / "digits.c").exists()
