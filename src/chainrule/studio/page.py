"""The page: a tab's workspace, its three rooms, and the link that repeats what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any, Protocol

from fastapi import Request
from nicegui import run, ui

from chainrule.errors import ChainruleError
from chainrule.studio import diagnose_room, step_room, train_room, workspace
from chainrule.studio.state import State
from chainrule.studio.workspace import Given, Workspace
from chainrule.tracing import html

EVERY = 0.1
"""Seconds between two looks at training."""
_ROOMS = {"train": "Train", "step": "Step", "diagnose": "Diagnose"}
# tells what is under the pointer, or has the focus, in the line below the picture
_TELL = """<script>
for (const kind of ["mouseover", "focusin", "click"])
  document.addEventListener(kind, (event) => {
    const at = event.target.closest?.("[data-told]");
    const line = document.getElementById("told");
    if (at && line) line.textContent = at.dataset.told;
  });
</script>"""


class Room(Protocol):
    """One of the three."""

    def build(self) -> None:
        """Put its elements on the page."""

    def refresh(self) -> None:
        """Show the workspace as it is now."""

    def tick(self) -> None:
        """Look at training; called ten times a second while the room is open."""

    def key(self, name: str) -> None:
        """Do what a key stands for."""


class Studio:
    """One tab.

    Parameters
    ----------
    space : Workspace
        What it works on.
    """

    def __init__(self, space: Workspace) -> None:
        self.space = space
        self.rooms: dict[str, Room] = {
            "train": train_room.TrainRoom(self),
            "step": step_room.StepRoom(self),
            "diagnose": diagnose_room.DiagnoseRoom(self),
        }
        self._link = ""
        self.client = ui.context.client
        """Of the tab: a handler's own element may be gone when it has something to say."""

    @property
    def room(self) -> Room:
        """The one that is open."""
        return self.rooms[self.space.state.room]

    def build(self) -> None:
        """Put everything on the page."""
        ui.colors(primary="#2b7bc0")
        with ui.header().classes("bar"):
            ui.html("<h1>chainrule <b>studio</b></h1>", sanitize=False)
            # a tab may be named as well
            opened: Any = self.space.state.room
            with ui.tabs(value=opened, on_change=self._enter) as tabs:
                for name, title in _ROOMS.items():
                    ui.tab(name, label=title)
        with ui.tab_panels(tabs, value=self.space.state.room, animated=False).classes("rooms"):
            for name, room in self.rooms.items():
                with ui.tab_panel(name):
                    room.build()
        self.room.refresh()
        ui.keyboard(self._key("Arrow"), ignore=["input", "select", "textarea"])
        ui.keyboard(self._key(" "))
        ui.timer(EVERY, self._tick)

    def changed(self) -> None:
        """Put the link of the present state in the address bar."""
        link = self.space.now().link()
        if link != self._link:
            self._link = link
            with self.client:
                ui.navigate.history.replace(link)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Say on the page what is wrong with what was asked, instead of failing."""
        try:
            yield
        except ChainruleError as error:
            with self.client:
                ui.notify(
                    str(error), type="negative", multi_line=True, close_button="OK", timeout=9000
                )

    async def replace(self, make: Callable[[], Workspace]) -> None:
        """Work on something else from now on; made beside the page, which goes on meanwhile."""
        with self.asking():
            space = await run.io_bound(make)
            if space is None:  # the server is ending
                return
            self.space.close()
            self.space = space
        self.room.refresh()
        self.changed()

    def _enter(self, event: Any) -> None:
        self.space.change(room=event.value)
        if self.space.state.room != "train":
            self.space.session.rest()
        self.room.refresh()
        self.changed()

    def _tick(self) -> None:
        self.room.tick()

    def _key(self, begins: str) -> Callable[[Any], None]:
        def pressed(event: Any) -> None:
            name = event.key.name
            if event.action.keydown and name.startswith(begins):
                self.room.key(name)

        return pressed


def define(given: Given) -> None:
    """Define the page, which every tab gets one of its own of."""
    own = resources.files("chainrule.studio").joinpath("assets/studio.css").read_text("utf-8")
    style = f"{html.styles()}\n{own}"
    ui.add_head_html(f"<style>{style}</style>{_TELL}", shared=True)

    @ui.page("/", language="en-US")
    def main(request: Request) -> None:
        wrong = ""
        try:
            space = Workspace(_start(dict(request.query_params), given), given)
        except ChainruleError as error:
            wrong = str(error)
            space = Workspace(State(), given)
        studio = Studio(space)
        ui.context.client.on_delete(lambda: studio.space.close())
        studio.build()
        if wrong:
            ui.notify(wrong, type="warning", multi_line=True, close_button="OK", timeout=0)


def _start(query: dict[str, str], given: Given) -> State:
    """Return the state of the link, or without one what the command line is about."""
    if query:
        return State.of(query)
    if given.model is not None:
        return workspace.state_of(given.model)
    if given.table is not None:
        return State(data="table", target=given.table.columns[-1])
    return State()
