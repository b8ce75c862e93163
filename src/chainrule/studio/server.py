"""The server: one process, this machine only unless told otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import sys
from typing import TYPE_CHECKING

from chainrule.errors import InputError, MissingExtraError
from chainrule.studio.guard import LOOPBACK, Guard

if TYPE_CHECKING:
    from chainrule.studio.workspace import Given

PORT = 8765


def serve(
    given: Given, host: str = "127.0.0.1", port: int | None = None, show: bool = True
) -> None:
    """Serve the page until Ctrl-C.

    Parameters
    ----------
    given : Given
        A table and a model to start with, if there are any.
    host : str, default "127.0.0.1"
        What to listen on. Beyond this machine, a token is asked for.
    port : int, optional
        8765, or a free one if that is taken.
    show : bool, default True
        Whether to open a browser.

    Raises
    ------
    MissingExtraError
        If NiceGUI is not installed.
    InputError
        If the port is taken, or the host is none of this machine's.
    """
    try:
        from nicegui import app, background_tasks, ui
        from nicegui.server import Server
    except ImportError:
        raise MissingExtraError("nicegui", "studio", "the studio") from None

    from chainrule.studio import page

    port = _port(host, port)
    token = None if host in LOOPBACK else secrets.token_urlsafe(24)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    if token:
        address += f"?token={token}"
        print(
            f"warning: listening on {host}, beyond this machine and without encryption: whoever "
            "has the address with its token can use the page",
            file=sys.stderr,
        )
    page.define(given)
    app.add_middleware(Guard, token=token)

    async def tell() -> None:
        while not Server.instance.started:  # it listens only after what is to be done at its start
            await asyncio.sleep(0.01)
        print(f"studio at {address} (Ctrl-C ends it)", flush=True)

    app.on_startup(lambda: background_tasks.create(tell()))
    path = f"/?token={token}" if token else "/"
    with contextlib.suppress(KeyboardInterrupt):  # the way to end it
        ui.run(
            host=host, port=port, title="chainrule studio", dark=None, show=path if show else False,
            reload=False, tailwind=False, show_welcome_message=False, favicon="∂",
            uvicorn_logging_level="error", reconnect_timeout=3,
        )  # fmt: skip


def _port(host: str, wanted: int | None) -> int:
    """Return a port that can be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in (PORT, 0) if wanted is None else (wanted,):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except (OSError, OverflowError) as error:
                if wanted is None and port:
                    continue
                raise InputError(
                    f"cannot listen on {host}, port {port} ({error}): choose another with --port, "
                    "or leave --host out"
                ) from None
            return int(probe.getsockname()[1])
    raise AssertionError
