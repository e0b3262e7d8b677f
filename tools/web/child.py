"""The worker process as the server sees it: asked one picture at a time, killed when it takes too long, begun again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import NamedTuple

from layers.common.errors import RarError
from tools.web.frames import framed, receive
from tools.web.refused import Refused

WORKER = "tools.web.worker"
START_SECONDS = 120
NOISE = 4096  # bytes of what it prints, at a time


class Answer(NamedTuple):
    """An HTTP status and JSON."""

    status: int
    stored: bytes


class Running(NamedTuple):
    """A worker that has said that it is ready, and the task that repeats what it prints."""

    process: Process
    noise: asyncio.Task[None]


class Child:
    """The worker of a preset and its weights, for `seconds` a picture; to be asked by one task at a time."""

    def __init__(self, preset: str, weights: Path, seconds: float) -> None:
        self._command = [sys.executable, "-m", WORKER, preset, str(weights), str(seconds)]
        self._seconds = seconds
        self._starting: asyncio.Task[Running] | None = None
        self._closed = False

    async def start(self) -> None:
        """RarError when it cannot work, as when the weights are missing."""
        await self._running()

    async def answer(self, name: str, picture: bytes | bytearray) -> Answer:
        """What it says of a picture; Refused when the picture takes too long or ends it."""
        try:
            process = (await self._running()).process
        except RarError as error:
            print(f"error: {error}", file=sys.stderr)
            raise Refused(503, "The server cannot work at the moment; its terminal says why") from None
        try:
            async with asyncio.timeout(self._seconds):
                return await _asked(process, name, picture)
        except TimeoutError:
            why = f"takes longer than {self._seconds:g} seconds: make the picture smaller, or save it anew"
        except (asyncio.IncompleteReadError, OSError):
            why = "cannot be worked on, it ends the program that tries to: save it anew, or choose another"
        await self.stop()
        if not self._closed:
            self._begin()  # so that the next visitor need not wait for it
        raise Refused(422, f"{name} {why}")

    async def close(self) -> None:
        """Kill it for good."""
        self._closed = True
        await self.stop()

    async def stop(self) -> None:
        """Kill it; the next that is asked is a new one."""
        starting, self._starting = self._starting, None
        if starting is None:
            return
        starting.cancel()
        (running,) = await asyncio.gather(starting, return_exceptions=True)
        if isinstance(running, Running):
            await kill(running.process)

    def _begin(self) -> asyncio.Task[Running]:
        self._starting = asyncio.create_task(_started(self._command))
        self._starting.add_done_callback(lambda task: task.cancelled() or task.exception())  # it is raised by _running
        return self._starting

    async def _running(self) -> Running:
        try:
            return await (self._starting or self._begin())
        except RarError:
            self._starting = None  # the next one tries again
            raise


async def _started(command: list[str]) -> Running:
    # In a session of its own, so that Ctrl-C is the server's alone.
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    noise = asyncio.create_task(_repeat(process))
    try:
        async with asyncio.timeout(START_SECONDS):
            status, stored = await _reply(process)
        if status != 200:
            raise RarError(json.loads(stored)["error"])
    except (asyncio.IncompleteReadError, TimeoutError):
        await kill(process)
        await noise
        raise RarError(f"the process that finds faces does not start ({' '.join(command)})") from None
    except BaseException:
        await kill(process)
        raise
    return Running(process, noise)


async def _asked(process: Process, name: str, picture: bytes | bytearray) -> Answer:
    assert process.stdin
    for message in (name.encode(), picture):
        process.stdin.writelines(framed(message))
    await process.stdin.drain()
    return await _reply(process)


async def _reply(process: Process) -> Answer:
    assert process.stdout
    return Answer(int(await receive(process.stdout)), await receive(process.stdout))


async def kill(process: Process) -> None:
    """End a process of a session of its own, however far its end has come."""
    assert process.stdin and process.stdout
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.killpg(process.pid, signal.SIGKILL)  # process.kill() would take its status before asyncio does
        with contextlib.suppress(RuntimeError):  # another task reads it
            while await process.stdout.read(NOISE):  # what is left of a reply: asyncio waits until it is read
                pass
        await process.wait()
    process.stdin.close()
    with contextlib.suppress(OSError):  # of a picture that it has not read to the end
        await process.stdin.wait_closed()


async def _repeat(process: Process) -> None:
    """Print what it prints, of which a picture may be the author: without what a terminal would obey."""
    assert process.stderr
    while noise := await process.stderr.read(NOISE):
        text = noise.decode(errors="backslashreplace")
        sys.stderr.write("".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text))
        sys.stderr.flush()
