"""Workspaces for the tests that need no browser."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from chainrule.studio.state import State
from chainrule.studio.workspace import Given, Workspace


def query(state: State) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(state.link()).query))


def opened(state: State, given: Given | None = None) -> Workspace:
    """Return a workspace that has made the steps of its state."""
    space = Workspace(state, given or Given())
    space.catch_up()
    space.session.wait()
    return space
