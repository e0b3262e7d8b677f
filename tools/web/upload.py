"""A picture's file as it arrives: of bounded size, in bounded time, and all of them together in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
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
        body, now = bytearray(), asyncio.get_running_loop().time
        end = now() + BODY_SECONDS
        try:
            async with asyncio.timeout(PAUSE_SECONDS) as deadline:
                async for piece in request.stream():
                    deadline.reschedule(min(end, now() + PAUSE_SECONDS))
                    if len(body) + len(piece) > MOST_BYTES:
                        raise Refused(413, LARGE)
                    if self._held + len(piece) > MOST_HELD:
                        raise Refused(503, FULL)
                    self._held += len(piece)
                    body += piece
            yield body
        except TimeoutError:
            raise Refused(408, SLOW) from None
        finally:
            self._held -= len(body)
