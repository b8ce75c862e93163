"""The page: a tab's workspace, its three rooms, and the link that repeats what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any, Protocol

from fastapi import Request
from nicegui import app, run, ui

from chainrule.errors import ChainruleError
from chainrule.studio import diagnose_room, step_room, train_room, workspace
from chainrule.studio.state import State
from chainrule.studio.workspace import Given, Workspace
from chainrule.tracing import html

EVERY = 0.1
"""Seconds between two looks at training."""
_ROOMS = {"train": "Train", "step": "Step", "diagnose": "Diagnose"}


class Room(Protocol):
    """One of the three."""

    def build(self) -> None:
        """Put its elements on the page."""

    def refresh(self) -> None:
        """Show the workspace as it is now."""

    async def tick(self) -> None:
        """Look at training; called ten times a second while the room is open."""

    async def key(self, name: str) -> None:
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
        self._working = asyncio.Lock()
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
        ui.keyboard(self._key(" "), repeating=False)
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
        except (ChainruleError, MemoryError) as error:
            wrong = (
                str(error) if isinstance(error, ChainruleError) else "there is too little memory"
            )
            with self.client:
                ui.notify(wrong, type="negative", multi_line=True, close_button="OK", timeout=9000)

    async def work(self, change: Callable[[], object]) -> None:
        """Change the workspace, beside the page, which goes on meanwhile; then show it."""
        async with self._working:
            with self.asking():
                await run.io_bound(change)
        self.room.refresh()
        self.changed()

    async def replace(self, make: Callable[[], Workspace]) -> None:
        """Work on something else from now on."""

        def put() -> None:
            space = make()
            self.space.close()
            self.space = space

        await self.work(put)

    def _enter(self, event: Any) -> None:
        self.space.change(room=event.value)
        if self.space.state.room != "train":
            self.space.session.rest()
        self.room.refresh()
        self.changed()

    async def _tick(self) -> None:
        await self.room.tick()

    def _key(self, begins: str) -> Callable[[Any], Awaitable[None]]:
        async def pressed(event: Any) -> None:
            name, held = event.key.name, event.modifiers
            chord = held.alt or held.ctrl or held.meta
            if event.action.keydown and name.startswith(begins) and not chord:
                await self.room.key(name)

        return pressed


def define(given: Given) -> None:
    """Define the page, which every tab gets one of its own of."""
    own = resources.files("chainrule.studio").joinpath("assets")
    style, script = (own.joinpath(f"studio.{kind}").read_text("utf-8") for kind in ("css", "js"))
    ui.add_head_html(
        f"<style>{html.styles()}\n{style}</style><script>{script}</script>", shared=True
    )

    studios: set[Studio] = set()

    def end() -> None:
        for studio in studios:
            studio.space.close()
        for studio in studios:  # the core does not like to be left while it computes
            studio.space.session.wait()

    app.on_shutdown(end)

    @ui.page("/", language="en-US")
    async def main(request: Request) -> None:
        client = ui.context.client
        waiting = ui.label("Preparing the samples …").classes("empty")
        await client.connected()  # nothing is computed for who only asks for the page
        opened = await run.io_bound(_open, dict(request.query_params), given)
        if opened is None or client.is_deleted:  # the server is ending, or nobody is there now
            return
        space, wrong = opened
        waiting.delete()
        studio = Studio(space)

        def gone() -> None:
            studios.discard(studio)
            studio.space.close()

        studios.add(studio)
        client.on_delete(gone)
        studio.build()
        space.catch_up()
        if wrong:
            ui.notify(wrong, type="warning", multi_line=True, close_button="OK", timeout=0)


def _open(query: dict[str, str], given: Given) -> tuple[Workspace, str]:
    """Return what the link is about, or the start of all and why it cannot be had."""
    try:
        return Workspace(_start(query, given), given), ""
    except ChainruleError as error:
        return Workspace(State(), given), str(error)


def _start(query: dict[str, str], given: Given) -> State:
    """Return the state of the link, or without one what the command line is about."""
    if query:
        return State.of(query)
    if given.model is not None:
        return workspace.state_of(given.model)
    if given.table is not None:
        return State(data="table", target=given.table.columns[-1])
    return State()
