"""Who may talk to the server, and how much they may send."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
UPLOAD_LIMIT = 20 * 2**20
"""Bytes of one upload."""
_COOKIE = "chainrule-studio"
_HEADERS = [
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """ASGI middleware: refuses strangers and what is too large, before anything reads it.

    Without a token, only requests to this machine by one of its loopback names are answered, so
    that a page from elsewhere whose name is made to point here is not. With one, the token must
    come in the address once, and is a cookie from then on. Pages of other origins are refused,
    as pictures and frames of theirs are too; a link that is followed is not.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    token : str or None
        None where only loopback is listened to.
    limit : int
        The most bytes of a request.
    """

    def __init__(self, app: App, token: str | None = None, limit: int = UPLOAD_LIMIT) -> None:
        self.app, self.token, self.limit = app, token, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        refusal = self._refusal(headers, query)
        if refusal is None and scope["type"] == "http":
            refusal = self._too_large(scope["method"], headers)
        if refusal is not None:
            await _answer(scope, send, *refusal)
        elif self.token is not None and "token" in query and scope["type"] == "http":
            await self._keep_token(scope, send, query)
        else:
            await self.app(scope, receive, _with_headers(send))

    def _refusal(self, headers: dict[str, str], query: dict[str, str]) -> tuple[int, str] | None:
        host = headers.get("host", "")
        origin = headers.get("origin")
        if (origin is not None and urlsplit(origin).netloc != host) or _from_elsewhere(headers):
            return 403, "this page may only be used from its own address"
        if self.token is None:
            if urlsplit(f"//{host}").hostname not in LOOPBACK:
                return 403, "open it as http://127.0.0.1, on the machine where it runs"
            return None
        given = query.get("token") or _cookie(headers.get("cookie", ""))
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            return 403, "open the address that chainrule studio printed: it has the token"
        return None

    def _too_large(self, method: str, headers: dict[str, str]) -> tuple[int, str] | None:
        if method in ("GET", "HEAD", "OPTIONS"):
            return None
        length = headers.get("content-length", "")
        if not length.isdigit():
            return 411, "an upload must say how long it is"
        if int(length) > self.limit:
            return 413, f"an upload may have {self.limit:,} bytes, not {int(length):,}"
        return None

    async def _keep_token(self, scope: Scope, send: Send, query: dict[str, str]) -> None:
        """Move the token from the address, which is shared, to a cookie."""
        rest = urlencode({name: value for name, value in query.items() if name != "token"})
        headers = [
            (b"location", (scope["path"] + (f"?{rest}" if rest else "")).encode("latin-1")),
            (
                b"set-cookie",
                f"{_COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/".encode("latin-1"),
            ),
        ]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _from_elsewhere(headers: dict[str, str]) -> bool:
    """Whether a page of another origin asks, and not a person who followed its link."""
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    return (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) != (
        "navigate", "document")  # fmt: skip


def _with_headers(send: Send) -> Send:
    """Return what sends a response that no other page may show in a frame."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *_HEADERS]}
        await send(message)

    return sending


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(_COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


async def _answer(scope: Scope, send: Send, status: int, sentence: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": sentence})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": sentence.encode()})
