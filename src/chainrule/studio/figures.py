"""A place for a picture, with its title."""

from __future__ import annotations

from nicegui import ui


def picture(title: str, more: str = "") -> ui.html:
    """Return an element whose content is to be an SVG.

    Parameters
    ----------
    title : str
        Stands above it.
    more : str
        Classes of the figure.
    """
    with ui.element("figure").classes(more):
        ui.html(f"<figcaption>{title}</figcaption>", sanitize=False)
        return ui.html("", sanitize=False).classes("picture")
