"""What visitors may ask of the server, and what their browsers may ask of anyone: ASGI middleware."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Browsers fetch from this server alone: gradio's page must not reach for fonts, scripts or statistics elsewhere.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; form-action 'none'; base-uri 'self'; frame-ancestors 'none'"
)
SECURITY = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class Limits:
    """Answers 404 to all but `pages` (GET) and the one path `post`, 413 to a body over `most_bytes`.

    Gradio has routes that store uploads or read files; nobody needs them here.
    """

    def __init__(self, app: ASGIApp, pages: tuple[str, ...], post: str, most_bytes: int) -> None:
        self._app, self._pages, self._post, self._most = app, pages, post, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif not self._open(scope):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
        elif int(Headers(scope=scope).get("content-length", 0)) > self._most:
            await PlainTextResponse("Too large", 413)(scope, receive, send)
        else:
            await self._app(scope, self._counted(receive), _secured(send))

    def _open(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if scope["method"] == "POST":
            return path == self._post
        return path == "/" or path.startswith((*self._pages, f"{self._post}/"))

    def _counted(self, receive: Receive) -> Receive:
        """`receive` that hangs up on a body which is longer than it said."""
        left = self._most

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise ClientDisconnect
            return message

        return counted


def _secured(send: Send) -> Send:
    async def secured(message: Any) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(SECURITY)
        await send(message)

    return secured
