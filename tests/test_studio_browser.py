"""The studio in a real browser: what a person does in its three rooms."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest

import chainrule as cr
from chainrule.studio.datasets import named
from chainrule.studio.state import State
from chainrule.studio.workspace import Given, Workspace

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no chromium (Debian: apt-get install chromium)"
)
PROGRAM = [sys.executable, "-c", "import sys; from chainrule.cli import main; sys.exit(main())"]
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
          "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip


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
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield browser
        browser.close()


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
        tab.page.on(
            "console", lambda m: tab.errors.append(m.text) if m.type == "error" else None
        )
        tab.page.on("request", lambda request: tab.requests.append(request.url))
        tab.page.goto(address + link)
        tab.page.locator(".picture svg").first.wait_for()
        return tab

    yield opened
    for tab in tabs:
        assert tab.errors == []
    for context in contexts:
        context.close()


def test_training_starts_pauses_and_goes_on_by_epochs_and_steps(open_tab: OpenTab) -> None:
    tab = open_tab("/?data=circles&layers=5.tanh")
    tab.page.get_by_role("button", name="Start", exact=True).click()
    tab.until(lambda: "steps per second" in tab.text(".train .facts"))
    first = tab.steps()
    tab.until(lambda: tab.steps() > first)
    tab.page.get_by_role("button", name="Pause").click()
    tab.page.get_by_role("button", name="Start", exact=True).wait_for()
    tab.until(lambda: tab.state.steps == tab.steps())
    paused = tab.steps()
    tab.page.get_by_role("button", name="Step", exact=True).click()
    tab.until(lambda: tab.steps() == paused + 1)
    tab.page.get_by_role("button", name="Epoch").click()
    tab.until(lambda: tab.steps() == (paused + 1) // 10 * 10 + 10)
    tab.page.get_by_role("button", name="Restart").click()
    tab.until(lambda: tab.steps() == 0)


def test_while_it_trains_the_pictures_move_and_the_page_answers(open_tab: OpenTab) -> None:
    tab = open_tab("/?data=spirals")
    tab.page.keyboard.press("Space")
    tab.page.get_by_role("button", name="Pause").wait_for()
    seen = set()

    def look() -> bool:
        seen.add(tab.page.locator(".train figure image").get_attribute("href"))
        return len(seen) > 5

    tab.until(look)
    tab.page.get_by_role("tab", name="Step").click()  # which rests meanwhile
    tab.page.locator("#equation math").first.wait_for()
    tab.page.get_by_role("tab", name="Train").click()
    tab.page.get_by_role("button", name="Start", exact=True).wait_for()


def test_a_link_repeats_what_another_tab_shows(open_tab: OpenTab) -> None:
    one = open_tab("/?data=xor&layers=4.tanh")
    for _ in range(3):
        before = one.steps()
        one.page.get_by_role("button", name="Epoch").click()
        one.until(lambda before=before: one.steps() == before + 10)  # type: ignore[misc]
    one.until(lambda: one.state.steps == 30)
    link = urlsplit(one.page.url)
    other = open_tab(f"{link.path}?{link.query}")
    other.until(lambda: other.steps() == 30)
    other.until(lambda: other.text(".train .facts").split("\n")[:4]
                == one.text(".train .facts").split("\n")[:4])  # fmt: skip
    other.page.get_by_role("button", name="Epoch").click()
    other.until(lambda: other.steps() == 40)
    assert one.steps() == 30  # two tabs share nothing


def choose(tab: Tab, label: str, value: str) -> None:
    tab.page.get_by_role("combobox", name=label, exact=True).click()
    tab.page.get_by_role("option", name=value, exact=True).click()


def test_choices_make_the_network(open_tab: OpenTab) -> None:
    tab = open_tab("/?layers=2.tanh")
    choose(tab, "data", "blobs")
    tab.until(lambda: tab.state.data == "blobs")
    tab.page.get_by_role("button", name="more units in layer 1").click()
    tab.until(lambda: tab.state.layers == ((3, "tanh"),))
    tab.page.get_by_role("button", name="Add a layer").click()
    tab.until(lambda: len(tab.state.layers) == 2)
    choose(tab, "layer 2", "relu")
    tab.until(lambda: tab.state.layers == ((3, "tanh"), (3, "relu")))
    tab.page.get_by_role("button", name="remove layer 1").click()
    tab.until(lambda: tab.state.layers == ((3, "relu"),))
    choose(tab, "optimizer", "momentum")
    choose(tab, "learning rate", "0.03")
    choose(tab, "3 outputs", "sigmoid")
    choose(tab, "loss", "squared_error")
    tab.until(lambda: tab.state.loss == "squared_error")
    state = tab.state
    assert (state.optimizer, state.learning_rate, state.output) == ("momentum", 0.03, "sigmoid")
    tab.page.get_by_role("button", name="Epoch").click()
    tab.until(lambda: tab.steps() == 10)


def test_a_choice_that_does_not_fit_is_explained_and_undone(open_tab: OpenTab) -> None:
    tab = open_tab("/?data=xor")
    choose(tab, "loss", "gaussian_nll")
    tab.page.locator(".q-notification").wait_for()
    assert tab.state.loss == ""
    assert tab.page.get_by_role("combobox", name="loss").input_value() == "binary_cross_entropy"


def test_a_link_that_makes_no_sense_is_explained(open_tab: OpenTab) -> None:
    tab = open_tab("/?layers=9.tanhh")
    assert "did you mean 'tanh'" in tab.text(".q-notification")


def test_a_table_is_uploaded_trained_on_saved_and_opened_elsewhere(
    open_tab: OpenTab, tmp_path: Path
) -> None:
    table = tmp_path / "plants.csv"
    rows = [f"{x / 40},{'red' if x % 2 else 'blue'},{x / 20 + x % 2}" for x in range(80)]
    table.write_text("width,colour,height\n" + "\n".join(rows) + "\n")
    tab = open_tab("/?layers=4.tanh")
    tab.page.locator("input[type=file]").first.set_input_files(table)
    tab.until(lambda: tab.state.data == "table")
    assert tab.page.get_by_role("combobox", name="target").input_value() == "height"
    tab.page.get_by_role("button", name="Epoch").click()
    tab.until(lambda: tab.steps() > 0)
    shown = tab.text(".train .facts")
    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name="Save").click()
    saved = tmp_path / "plants.safetensors"
    download.value.save_as(saved)

    net = cr.load(saved)
    assert net.layer_sizes[-2:] == (4, 1)
    assert net.feature_names is not None
    out = subprocess.run(
        [*PROGRAM, "predict", str(saved), str(table)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert out.startswith("prediction")

    tab.page.locator("input[type=file]").nth(1).set_input_files(saved)
    tab.until(lambda: tab.state.start == "model")
    assert tab.steps() == 0
    error = re.search(r"error ([\d.]+)", shown)
    assert error
    assert error[0] in tab.text(".train .facts")


def test_an_upload_that_is_no_table_is_explained(open_tab: OpenTab, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"a,b\n1\n\x80,3\n")
    tab = open_tab()
    tab.page.locator("input[type=file]").first.set_input_files(bad)
    tab.page.locator(".q-notification").wait_for()
    assert "bad.csv" in tab.text(".q-notification")
    assert tab.state.data == "moons"
    damaged = tmp_path / "bad.safetensors"
    damaged.write_bytes(b"nothing")
    tab.page.locator("input[type=file]").nth(1).set_input_files(damaged)
    tab.page.get_by_text("bad.safetensors").first.wait_for()


STEP = "/?room=step&data=xor&layers=3.tanh&output=tanh&steps=40"


@pytest.mark.parametrize("form", ["paths", "omega", "lambda"])
def test_every_step_on_the_page_has_the_numbers_of_the_trace(
    open_tab: OpenTab, form: str
) -> None:
    tab = open_tab(f"{STEP}&form={form}")
    space = Workspace(State.of(dict(parse_qsl(urlsplit(STEP).query))).replace(form=form), Given())
    space.session.wait()
    trace, items = space.trace()
    tab.until(lambda: tab.state.steps == 40 and "of" in tab.text("#equation .place"))
    for k, item in enumerate(items):
        tab.until(lambda k=k: tab.text(".place") == f"{k + 1} of {len(items)}")  # type: ignore[misc]
        titles = tab.page.eval_on_selector_all(
            "#equation [title]", "found => found.map(e => Number(e.title))"
        )
        size = item.value.size
        shown = titles[1:] if item.symbol == "C" and item.L else titles
        if item.name != "new C":
            assert shown[-size:] == item.value.ravel().tolist(), item.name
        else:
            assert titles[0] == item.value
        tab.page.keyboard.press("ArrowRight")
    assert trace.form == form


def test_the_picture_lights_up_and_tells_its_values(open_tab: OpenTab) -> None:
    tab = open_tab(STEP)
    tab.page.keyboard.press("ArrowRight")
    tab.until(lambda: tab.text(".place").startswith("2 of"))
    tab.until(lambda: tab.page.locator(".edge.lit").count() == 6)
    tab.page.locator(".unit").nth(2).hover()
    tab.until(lambda: "ρ¹ =" in tab.text("#told"))
    tab.page.locator(".edge").first.hover()
    tab.until(lambda: "W¹, unit 1 to 1" in tab.text("#told"))
    tab.page.keyboard.press("ArrowLeft")
    tab.until(lambda: tab.text(".place").startswith("1 of"))


def test_a_number_is_proved(open_tab: OpenTab) -> None:
    tab = open_tab(STEP)
    assert tab.page.get_by_role("button", name="Prove it").is_disabled()
    tab.page.get_by_role("button", name="∂C/∂W¹", exact=True).click()
    tab.page.get_by_role("button", name="Prove it").click()
    tab.until(lambda: "They agree" in tab.text("#proof"))


def test_the_forms_cost_what_the_trace_counts(open_tab: OpenTab) -> None:
    tab = open_tab(STEP)
    space = Workspace(State.of(dict(parse_qsl(urlsplit(STEP).query))), Given())
    counts = space.trace()[0].backward_multiplications
    for form, count in counts.items():
        tab.page.get_by_role("button", name=f"{form}: {count}", exact=True).click()
        tab.until(lambda form=form: tab.state.form == form)  # type: ignore[misc]
    tab.page.get_by_label("sample").fill("7")
    tab.until(lambda: tab.state.sample == 7)
    assert f"{named('xor').X[7, 0]:.4g}" in tab.text(".step-room .facts")


def test_a_form_with_too_many_paths_is_explained(open_tab: OpenTab) -> None:
    tab = open_tab("/?room=step&data=digits&layers=32.relu")
    tab.page.get_by_role("button", name="paths: too many").click()
    tab.page.locator(".q-notification").wait_for()
    tab.until(lambda: tab.state.form == "lambda")


def test_play_goes_on_by_itself(open_tab: OpenTab) -> None:
    tab = open_tab(STEP)
    tab.page.keyboard.press("Space")
    tab.until(lambda: tab.state.at >= 2)
    tab.page.keyboard.press("Space")
    tab.page.get_by_role("button", name="Play").wait_for()


def test_equations_are_typeset_in_the_font_that_is_shipped(open_tab: OpenTab) -> None:
    tab = open_tab(f"{STEP}&at=1")
    tab.page.locator("#equation math").first.wait_for()
    family = "e => getComputedStyle(e).fontFamily"
    assert "Chainrule Math" in tab.page.locator("#equation math").first.evaluate(family)
    assert tab.page.evaluate("document.fonts.load('20px \"Chainrule Math\"').then(f => f.length)")
    bracket = tab.page.locator("#equation .matrix").first.evaluate(
        "e => [getComputedStyle(e, '::before').height, getComputedStyle(e).height]"
    )
    assert bracket[0] == bracket[1]  # as tall as the matrix
    assert "rho 1 equals W 1 phi 0 plus B 1" in tab.page.locator(".spoken").text_content()


def test_findings_are_shown_with_their_pictures(open_tab: OpenTab) -> None:
    bad = "/?room=diagnose&data=digits&layers=16.relu&optimizer=gradient_descent"
    tab = open_tab(f"{bad}&learning_rate=0.0003&steps=90")
    tab.page.locator(".finding, .healthy").first.wait_for()
    assert "Remedy" in tab.text(".finding")
    assert tab.page.locator(".diagnose .picture svg").count() == 3
    healthy = open_tab("/?room=diagnose&data=blobs&steps=400")
    healthy.page.locator(".healthy").wait_for()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("room", ["train", "step", "diagnose"])
def test_every_room_fits_on_a_phone(open_tab: OpenTab, room: str, dark: bool) -> None:
    tab = open_tab(f"/?room={room}&steps=20", width=390, height=844, dark=dark)
    tab.page.wait_for_load_state("networkidle")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    background = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = np.mean([int(part) for part in re.findall(r"\d+", background)[:3]]) > 128
    assert light != dark


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
def test_a_server_stopped_while_it_trains_leaves_no_process(browser: Any, sent: int) -> None:
    process, url = start("--port", str(_free_port()))
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/?data=spirals")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Pause").wait_for()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    had = children.read_text().split() if children.exists() else []
    process.send_signal(sent)
    process.wait(timeout=20)
    assert process.stdout is not None
    process.stdout.close()
    for child in had:
        with pytest.raises(ProcessLookupError):
            os.kill(int(child), 0)
    context.close()


def test_closing_the_tab_ends_its_training(browser: Any) -> None:
    process, url = start("--port", str(_free_port()))
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
    process, url = start("--host", "0.0.0.0", "--port", str(_free_port()))
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


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
