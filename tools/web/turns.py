"""The queue: one picture at a time, the others wait, and when enough of them do, no more are taken."""

from __future__ import annotations

import asyncio

from tools.web.child import Answer, Child
from tools.web.limits import MOST_WAITING
from tools.web.refused import Refused

FULL = "Too many pictures are waiting. Try again in a minute."


class Turns:
    """Who may ask the worker, in the order in which they come."""

    def __init__(self, child: Child) -> None:
        self._child, self._turn, self._waiting = child, asyncio.Lock(), 0
        self._work: asyncio.Task[Answer] | None = None  # held: asyncio does not

    async def answer(self, name: str, picture: bytes | bytearray) -> Answer:
        """Child.answer when it is their turn; Refused at once when MOST_WAITING others wait.

        A visitor who leaves (who is cancelled) leaves the queue too, but a picture that is under way is finished.
        """
        if self._waiting >= MOST_WAITING:
            raise Refused(503, FULL)
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        self._work = asyncio.create_task(self._child.answer(name, picture))
        self._work.add_done_callback(self._done)
        return await asyncio.shield(self._work)

    def _done(self, work: asyncio.Task[Answer]) -> None:
        self._turn.release()
        if not work.cancelled():
            work.exception()  # a Refused that nobody waits for any more is no news
