"""The README's Python runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def test_the_code_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 2
    exec("\n".join(blocks), {})
    assert "proven: every difference is zero" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {
        "net.safetensors",
        "net.c",
        "net.h",
        "net_test.c",
    }
