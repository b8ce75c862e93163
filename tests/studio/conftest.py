"""A server and a browser for the tests of the studio."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.studio.tab import OpenTab, Tab, start

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
          "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    errors = tmp_path_factory.mktemp("studio") / "errors.txt"
    with errors.open("w") as file:
        process, url = start(errors=file)
        yield url
        process.terminate()
        process.wait(timeout=20)
    assert process.stdout is not None
    process.stdout.close()
    assert "Error" not in errors.read_text()  # no handler failed behind the page's back


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def open_tab(browser: Any, address: str) -> Iterator[OpenTab]:
    contexts, tabs = [], []

    def opened(link: str = "/", width: int = 1280, height: int = 800, dark: bool = False) -> Tab:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        contexts.append(context)
        tab = Tab(context.new_page())
        tabs.append(tab)
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.page.on("console", lambda m: tab.errors.append(m.text) if m.type == "error" else None)
        tab.page.on("request", lambda request: tab.requests.append(request.url))
        tab.page.goto(address + link)
        tab.page.locator(".picture svg").first.wait_for()
        return tab

    yield opened
    for tab in tabs:
        assert tab.errors == []
    for context in contexts:
        context.close()
