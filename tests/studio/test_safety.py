"""What the studio's server gives away, and what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.studio.tab import OpenTab, Tab, free_port, start


def test_nothing_is_asked_of_another_machine(open_tab: OpenTab, address: str) -> None:
    tab = open_tab()
    for name in ("Step", "Diagnose", "Train"):
        tab.page.get_by_role("tab", name=name).click()
    tab.page.wait_for_load_state("networkidle")
    elsewhere = [
        url for url in tab.requests if not url.startswith((address, "data:", "blob:", "ws:"))
    ]
    assert elsewhere == []
    assert len(tab.requests) > 5


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/_nicegui/x/static/../../../etc/passwd",
     "/chainrule/..%2f..%2fserver.py", "/pyproject.toml", "/openapi.json"],
)  # fmt: skip
def test_no_file_of_the_disk_is_served(address: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(address + path)
    assert caught.value.code in (403, 404)
    caught.value.close()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("room", ["train", "diagnose"])
def test_a_server_stopped_while_it_trains_leaves_no_process(
    browser: Any, sent: int, room: str
) -> None:
    process, url = start("--port", str(free_port()))
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/?data=digits&steps=1000000000&room={room}")
    page.get_by_text("Pause" if room == "train" else "Training, now at step").first.wait_for()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    had = children.read_text().split() if children.exists() else []
    process.send_signal(sent)
    assert process.wait(timeout=20) == (0 if sent == signal.SIGINT else -sent)
    assert process.stdout is not None
    process.stdout.close()
    for child in had:
        with pytest.raises(ProcessLookupError):
            os.kill(int(child), 0)
    context.close()


def test_asking_for_the_page_alone_starts_no_training() -> None:
    process, url = start("--port", str(free_port()))
    stat = Path(f"/proc/{process.pid}/stat")
    if not stat.exists():
        pytest.skip("only Linux tells in /proc what a process computes")
    for _ in range(3):
        urllib.request.urlopen(f"{url}/?data=digits&steps=1000000000").close()
    before = int(stat.read_text().rpartition(")")[2].split()[11])
    for _ in range(30):  # while it answers others
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{url}/no/such/page")
    assert int(stat.read_text().rpartition(")")[2].split()[11]) - before < 20
    process.terminate()
    process.wait(timeout=20)
    assert process.stdout is not None
    process.stdout.close()


def test_closing_the_tab_ends_its_training(browser: Any) -> None:
    process, url = start("--port", str(free_port()))
    stat = Path(f"/proc/{process.pid}/stat")
    if not stat.exists():
        pytest.skip("only Linux tells in /proc what a process computes")
    context = browser.new_context()
    other = Tab(context.new_page())
    page = context.new_page()
    page.goto(f"{url}/?data=spirals")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Pause").wait_for()
    page.close()
    used: list[int] = []

    def at_rest() -> bool:
        used.append(int(stat.read_text().rpartition(")")[2].split()[11]))
        return len(used) > 10 and used[-1] - used[-10] <= 1

    other.until(at_rest)
    process.terminate()
    process.wait(timeout=20)
    assert process.stdout is not None
    process.stdout.close()
    context.close()


def test_beyond_this_machine_a_token_is_asked_for(browser: Any) -> None:
    process, url = start("--host", "0.0.0.0", "--port", str(free_port()))
    try:
        match = re.search(r":(\d+)/\?token=(.+)", url)
        assert match
        base = f"http://127.0.0.1:{match[1]}"
        with pytest.raises(urllib.error.HTTPError, match="403") as caught:
            urllib.request.urlopen(base)
        caught.value.close()
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{base}/?token={match[2]}&data=xor&layers=2.tanh")
        assert "token" not in page.url
        page.get_by_role("button", name="Epoch").click()
        page.get_by_text("step 10").wait_for()
        context.close()
    finally:
        process.terminate()
        process.wait(timeout=20)
        assert process.stdout is not None
        process.stdout.close()
