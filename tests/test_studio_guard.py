"""Who may talk to the studio's server."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from chainrule.errors import InputError, MissingExtraError
from chainrule.studio import server
from chainrule.studio.guard import UPLOAD_LIMIT, Guard
from chainrule.studio.workspace import Given


def ask(
    guard_token: str | None = None, path: str = "/", kind: str = "http", method: str = "GET",
    query: str = "", **headers: str,
) -> tuple[Any, dict[str, str]]:  # fmt: skip
    """Return the status (``"reached"`` where the request got through) and the headers."""
    sent: list[Any] = []

    async def app(*_: Any) -> None:
        sent.append({"status": "reached"})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing of a request may be read before it is let through")

    scope = {
        "type": kind, "path": path, "method": method, "query_string": query.encode(),
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }  # fmt: skip
    asyncio.run(Guard(app, guard_token)(scope, receive, send))
    first = sent[0]
    found = {k.decode(): v.decode() for k, v in first.get("headers", [])}
    return first.get("status", first.get("code")), found


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "127.0.0.1"])
def test_this_machine_may(host: str) -> None:
    assert ask(host=host)[0] == "reached"
    assert ask(host=host, origin=f"http://{host}", kind="websocket")[0] == "reached"


@pytest.mark.parametrize("host", ["evil.example:8765", "10.0.0.3:8765", "", "127.0.0.1.evil.net"])
def test_another_name_that_points_here_may_not(host: str) -> None:
    assert ask(host=host)[0] == 403
    assert ask(host=host, kind="websocket")[0] == 1008


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999"])
def test_a_page_from_elsewhere_may_not(origin: str) -> None:
    assert ask(host="127.0.0.1:8765", origin=origin)[0] == 403
    assert ask(host="127.0.0.1:8765", origin=origin, kind="websocket")[0] == 1008


@pytest.mark.parametrize("site", ["cross-site", "same-site"])  # the second is another port
def test_a_page_from_elsewhere_may_link_here_and_no_more(site: str) -> None:
    def fetched(mode: str, dest: str) -> Any:
        headers = {"sec_fetch_site": site, "sec_fetch_mode": mode, "sec_fetch_dest": dest}
        return ask(host="127.0.0.1:8765", **headers)[0]

    assert fetched("navigate", "document") == "reached"
    assert fetched("navigate", "iframe") == 403
    assert fetched("no-cors", "image") == 403
    assert fetched("cors", "empty") == 403


def test_no_other_page_may_frame_this_one() -> None:
    sent: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost")]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}

    async def receive() -> Any:
        raise AssertionError

    asyncio.run(Guard(app)(scope, receive, send))
    assert (b"a", b"b") in sent[0]["headers"]
    assert (b"x-frame-options", b"DENY") in sent[0]["headers"]


def test_a_token_is_asked_for_once_and_then_a_cookie() -> None:
    host = "lab.example:8765"
    assert ask("secret", host=host)[0] == 403
    assert ask("secret", host=host, query="token=wrong")[0] == 403
    assert ask("secret", host=host, kind="websocket")[0] == 1008
    status, headers = ask("secret", host=host, query="token=secret&data=xor")
    assert (status, headers["location"]) == (303, "/?data=xor")
    assert "HttpOnly" in headers["set-cookie"]
    cookie = headers["set-cookie"].split(";")[0]
    assert ask("secret", host=host, cookie=cookie)[0] == "reached"
    assert ask("secret", host=host, cookie=cookie, kind="websocket")[0] == "reached"
    assert ask("secret", host=host, cookie="chainrule-studio=guess")[0] == 403


def test_an_upload_that_is_too_large_is_refused_unread() -> None:
    host, most = "localhost:1", str(UPLOAD_LIMIT)
    assert ask(method="POST", host=host, content_length=most)[0] == "reached"
    assert ask(method="POST", host=host, content_length=str(UPLOAD_LIMIT + 1))[0] == 413
    assert ask(method="POST", host=host)[0] == 411
    assert ask(method="POST", host=host, content_length="-5")[0] == 411


def test_a_port_that_is_taken_is_named() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}.*--port"):
            server._port("127.0.0.1", port)
    with pytest.raises(InputError, match="leave --host out"):
        server._port("203.0.113.7", 0)


def test_without_nicegui_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nicegui", None)
    with pytest.raises(MissingExtraError, match=r"chainrule\[studio\]"):
        server.serve(Given())
