"""What a person sees of the studio, and a server to see it from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chainrule.studio.state import State

PROGRAM = [sys.executable, "-c", "import sys; from chainrule.cli import main; sys.exit(main())"]


def start(*arguments: str, errors: Any = None) -> tuple[subprocess.Popen[str], str]:
    """Start the command and return it with the address that it prints."""
    # NiceGUI behaves differently where it believes to be in a test
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    process = subprocess.Popen(
        [*PROGRAM, "studio", "--no-browser", *arguments],
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.search(r"http://\S+", line)
    assert match, line
    return process, match[0].rstrip("/")


@dataclass
class Tab:
    """A page, with what went wrong on it and what it asked for."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def state(self) -> State:
        return State.of(dict(parse_qsl(urlsplit(self.page.url).query)))

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).first.inner_text())

    def steps(self) -> int:
        match = re.search(r"step ([\d,]+)", self.text(".train .facts"))
        return int(match[1].replace(",", "")) if match else 0

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so; the browser goes on meanwhile."""
        for _ in range(400):
            if condition():
                return
            self.page.wait_for_timeout(25)
        raise AssertionError(f"it did not come to pass: {self.page.inner_text('body')[:2000]}")


OpenTab = Callable[..., Tab]


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
