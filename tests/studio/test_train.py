"""Training in a real browser: choices, tables, files, links."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import chainrule as cr
from tests.studio.tab import PROGRAM, OpenTab, Tab, free_port, start


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
    tab.page.locator(".q-menu").wait_for(state="detached")


def test_choices_make_the_network(open_tab: OpenTab) -> None:
    tab = open_tab("/?layers=2.tanh")
    choose(tab, "data", "blobs")
    tab.until(lambda: tab.state.data == "blobs")
    tab.page.get_by_role("button", name="more units in layer 1").click()
    tab.until(lambda: tab.state.layers == ((3, "tanh"),))
    tab.page.get_by_role("button", name="Add a layer").click()
    tab.until(lambda: len(tab.state.layers) == 2)
    units = tab.page.get_by_role("spinbutton", name="units in layer 2")
    units.fill("64")
    units.press("Enter")
    tab.until(lambda: tab.state.layers[1] == (64, "tanh"))
    units.fill("9999")
    units.press("Tab")
    tab.until(lambda: tab.state.layers[1] == (512, "tanh"))
    units.fill("3")
    units.press("Enter")
    tab.until(lambda: tab.state.layers[1] == (3, "tanh"))
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


def test_only_losses_that_fit_are_offered(open_tab: OpenTab) -> None:
    tab = open_tab("/?data=saddle")
    tab.page.get_by_role("combobox", name="loss").click()
    offered = tab.page.get_by_role("option").all_inner_texts()
    assert offered == ["squared_error", "absolute_error", "huber", "log_cosh"]


def test_a_choice_that_does_not_fit_is_explained_and_undone(
    open_tab: OpenTab, tmp_path: Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,same,b\n" + "\n".join(f"{i},1,{i % 7}.5" for i in range(40)) + "\n")
    tab = open_tab()
    tab.page.locator("input[type=file]").first.set_input_files(table)
    tab.until(lambda: tab.state.target == "b")
    choose(tab, "target", "same")
    tab.page.locator(".q-notification").wait_for()
    assert "nothing to learn" in tab.text(".q-notification")
    assert tab.state.target == "b"
    assert tab.page.get_by_role("combobox", name="target").input_value() == "b"


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

    other = open_tab("/?data=xor")  # where the table is not known
    other.page.locator("input[type=file]").nth(1).set_input_files(saved)
    other.page.locator(".q-notification").wait_for()
    assert "choose its file" in other.text(".q-notification")
    other.page.locator("input[type=file]").first.set_input_files(table)
    other.until(lambda: other.state.start == "model")

    tab.page.locator("input[type=file]").nth(1).set_input_files(saved)
    tab.until(lambda: tab.state.start == "model")
    tab.until(lambda: tab.steps() == 0)
    error = re.search(r"error ([\d.]+)", shown)
    assert error
    for opened in (tab, other):
        opened.until(lambda opened=opened: error[0] in opened.text(".train .facts"))  # type: ignore[misc]


@pytest.mark.parametrize("brought", ["table", "model"])
def test_the_command_line_brings_a_table_or_a_model(
    browser: Any, tmp_path: Path, brought: str
) -> None:
    table, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    table.write_text("a,b\n" + "\n".join(f"{i},{i % 7}.5" for i in range(40)) + "\n")
    cr.Network([2, 6, 1], "tanh", "sigmoid", "binary_cross_entropy").save(model)
    arguments = [str(table)] if brought == "table" else ["--model", str(model)]
    process, url = start("--port", str(free_port()), *arguments)
    context = browser.new_context()
    tab = Tab(context.new_page())
    tab.page.goto(url)
    tab.page.get_by_role("button", name="Epoch").click()
    tab.until(lambda: tab.steps() > 0)
    tab.until(lambda: tab.state.steps == tab.steps())
    data = tab.page.get_by_role("combobox", name="data").input_value()
    wanted = ("t.csv", "seed") if brought == "table" else ("xor", "model")
    assert (data, tab.state.start) == wanted
    context.close()
    process.terminate()
    process.wait(timeout=20)
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize("room", ["train", "step", "diagnose"])
def test_names_of_a_table_cannot_write_html(open_tab: OpenTab, tmp_path: Path, room: str) -> None:
    evil = "<img src=x onerror=alert(1)>"
    table = tmp_path / "t.csv"
    rows = [f"{i},{evil if i % 3 else 'b'},{'<b>yes' if i % 2 else 'no'}" for i in range(60)]
    table.write_text(f"{evil} a,{evil} b,{evil} c\n" + "\n".join(rows) + "\n")
    tab = open_tab()
    tab.page.on("dialog", lambda dialog: tab.errors.append(dialog.message))
    tab.page.locator("input[type=file]").first.set_input_files(table)
    tab.until(lambda: tab.state.data == "table")
    tab.page.get_by_role("button", name="Epoch").click()
    tab.until(lambda: tab.steps() > 0)
    tab.page.get_by_role("combobox", name="target").click()
    tab.page.get_by_role("option").first.wait_for()
    tab.page.keyboard.press("Escape")
    tab.page.get_by_role("tab", name=room.title()).click()
    tab.until(lambda: tab.state.room == room)
    tab.page.locator(".picture svg").last.wait_for()
    tab.page.wait_for_load_state("networkidle")
    assert tab.page.locator("img[src=x]").count() == 0


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
