"""A picture's file as it arrives: of bounded size, in bounded time, and all of them together in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from tools.web.limits import BODY_SECONDS, MOST_BYTES, MOST_HELD, PAUSE_SECONDS
from tools.web.refused import Refused
from tools.web.turns import FULL

LARGE = f"A picture's file may have {MOST_BYTES >> 20} MB: make the picture smaller."
SLOW = "The picture did not arrive in time: send it again."


class Uploads:
    """The bodies of all requests that are under way."""

    def __init__(self) -> None:
        self._held = 0

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytearray]:
        """The body of a request, held until the block ends.

        Refused when it has more than MOST_BYTES (413), when a piece or all of it takes too long (408), and when all
        together have more than MOST_HELD (503); starlette's ClientDisconnect when the visitor leaves.
        """
        if int(request.headers.get("content-length", 0)) > MOST_BYTES:
            raise Refused(413, LARGE)
        body = bytearray()
        try:
            async for piece in _in_time(request.stream()):
                if len(body) + len(piece) > MOST_BYTES:
                    raise Refused(413, LARGE)
                if self._held + len(piece) > MOST_HELD:
                    raise Refused(503, FULL)
                self._held += len(piece)
                body += piece
            yield body
        finally:
            self._held -= len(body)


async def _in_time(pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """The pieces of a body; Refused when the next one, or all of them, take too long."""
    now = asyncio.get_running_loop().time
    end = now() + BODY_SECONDS
    while True:
        try:
            async with asyncio.timeout_at(min(end, now() + PAUSE_SECONDS)):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise Refused(408, SLOW) from None
        if piece is None:
            return
        yield piece
