"""Stepping and diagnosing in a real browser."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest

from chainrule.studio.datasets import named
from chainrule.studio.state import State
from chainrule.studio.workspace import Given, Workspace
from tests.studio.tab import OpenTab, Tab

STEP = "/?room=step&data=xor&layers=3.tanh&output=tanh&steps=40"


@pytest.mark.parametrize("form", ["paths", "omega", "lambda"])
def test_every_step_on_the_page_has_the_numbers_of_the_trace(open_tab: OpenTab, form: str) -> None:
    tab = open_tab(f"{STEP}&form={form}")
    space = Workspace(State.of(dict(parse_qsl(urlsplit(STEP).query))).replace(form=form), Given())
    space.catch_up()
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


def test_a_step_is_taken_and_the_link_repeats_it(open_tab: OpenTab) -> None:
    tab = open_tab(f"{STEP}&at=99")
    tab.until(lambda: "new C" in tab.text(".chip.current"))

    def numbers(tab: Tab) -> list[str]:
        titles = "found => found.map(e => e.title)"
        return list(tab.page.eval_on_selector_all("#equation [title]", titles))

    for n in range(1, 4):
        after = numbers(tab)[0]
        tab.page.get_by_role("button", name="Take this step").click()
        tab.until(lambda after=after: float(numbers(tab)[1]) == pytest.approx(float(after)))  # type: ignore[misc]
        tab.until(lambda n=n: tab.state.taken == ((40, 0),) * n)  # type: ignore[misc]
    assert "3 steps taken here" in tab.text(".step-room .facts")
    link = urlsplit(tab.page.url)
    other = open_tab(f"{link.path}?{link.query}")
    other.until(lambda: numbers(other) == numbers(tab))
    other.page.get_by_role("tab", name="Train").click()
    other.until(lambda: "3 steps by hand" in other.text(".train .facts"))


def test_an_edge_shows_the_paths_of_its_weight(open_tab: OpenTab) -> None:
    tab = open_tab(STEP)
    tab.page.locator('[data-edge="1,2,1"] path').last.dispatch_event("click")
    tab.until(
        lambda: "From unit 1 of layer 0 to unit 2 of layer 1: 1 path" in tab.text("#paths-of")
    )
    summed = re.search(r"sum over the paths\s+(\S+)\s+by \(A3\)\s+(\S+)", tab.text("#paths-of"))
    assert summed
    assert float(summed[1]) == pytest.approx(float(summed[2]), rel=1e-4)
    tab.page.get_by_role("button", name="Next").click()
    tab.until(lambda: tab.text("#paths-of") == "")
    tab = open_tab(f"{STEP}&form=paths")
    tab.page.get_by_role("button", name="∂C/∂W¹", exact=True).click()
    tab.until(lambda: "1 path" in tab.text("#paths-of"))  # the form is shown with its numbers


def test_keys_step_and_play_after_a_click(open_tab: OpenTab) -> None:
    tab = open_tab(STEP.replace("room=step&", ""))
    tab.page.get_by_role("tab", name="Step").click()
    tab.page.locator("#equation math").first.wait_for()
    tab.page.keyboard.press("ArrowRight")
    tab.until(lambda: tab.state.at == 1)
    tab.page.get_by_role("button", name="φ¹", exact=True).click()
    tab.until(lambda: tab.state.at == 2)
    tab.page.keyboard.press("ArrowRight")
    tab.until(lambda: tab.state.at == 3)
    tab.page.keyboard.press("Control+ArrowRight")  # is for the browser
    tab.page.keyboard.press("Space")
    tab.page.get_by_role("button", name="Pause").wait_for()
    assert tab.state.at == 3
    assert tab.state.room == "step"
    assert tab.page.evaluate("scrollY") == 0
    tab.page.keyboard.press("Space")
    tab.page.get_by_role("button", name="Play").wait_for()


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
    tab.page.get_by_role("button", name="paths: 123,840").click()
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
