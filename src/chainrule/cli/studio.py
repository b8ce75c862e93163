"""`chainrule studio`: the page in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def studio(
    table: Annotated[Path | None, typer.Argument(help="A CSV or Parquet file to train on.")] = None,
    model: Annotated[Path | None, typer.Option(help="A saved network to start from.")] = None,
    host: Annotated[
        str, typer.Option(help="What to listen on; beyond this machine, with a token.")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="8765, or a free one.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Open a page to train a network, walk through one step, and see what is wrong."""
    from chainrule.studio.server import serve
    from chainrule.studio.workspace import Given

    frame = net = None
    if table is not None:
        from chainrule import tables

        frame = tables.read(table)
    if model is not None:
        from chainrule import loading

        net = loading.load(model)
    serve(
        Given(frame, table.name if table else "", net, model.name if model else ""),
        host, port, browser,
    )  # fmt: skip
