"""Connections that end when the visitor does not get on: uvicorn alone waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from tools.web.limits import HEAD_SECONDS, MOST_CONNECTIONS


class Connection(H11Protocol):
    """HEAD_SECONDS for each request but its body, which the application times, and for taking some of an answer."""

    _deadline: asyncio.TimerHandle | None = None
    _unsent = 0  # bytes of answers, when we began to wait

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait()
        self._look()  # the next request may have been here already

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()

    def _look(self) -> None:
        """Stop waiting when it is for us to get on."""
        if self.cycle is not None and not self.cycle.response_complete and not self.flow.write_paused:
            self._stop()

    def _wait(self) -> None:
        self._stop()
        self._unsent = self.transport.get_write_buffer_size()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _give_up(self) -> None:
        if 0 < self.transport.get_write_buffer_size() < self._unsent:  # slow, but taking what there is
            self._wait()
        else:
            self.transport.abort()
