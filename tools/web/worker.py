"""The process that opens visitors' pictures and finds faces, `python3 -m tools.web.worker PRESET WEIGHTS SECONDS`.

Messages (tools.web.frames) on stdin: the name of a picture, its file, and so on. On stdout, once it is ready and then
for each picture: an HTTP status and JSON. The server kills it when a picture takes too long.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import Any, BinaryIO

from layers.common.errors import RarError, named
from tools.detect import Detector
from tools.web.answer import Answerer
from tools.web.frames import framed, read
from tools.web.limits import MOST_MEMORY
from tools.web.memory import give_back_large

SPARE = 5  # s after the server's time limit: then there is no server that could end it


def main(name: str, weights: str, seconds: str) -> None:
    """Answer until stdin ends. seconds: the server's time limit for a picture."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no reply
    give_back_large()
    try:
        answerer = Answerer(Detector(name, weights))
    except RarError as error:
        send(replies, 500, {"error": str(error)})
        return
    confine()
    send(replies, 200, {})
    while (picture := read(sys.stdin.buffer)) is not None:
        stored = read(sys.stdin.buffer) or b""
        signal.alarm(int(float(seconds)) + SPARE)
        send(replies, *answered(answerer, picture.decode(), stored))
        signal.alarm(0)


def confine() -> None:
    """From here on no file can be written and no core dumped, and the memory is bounded."""
    for kind, most in ((resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_DATA, MOST_MEMORY)):
        resource.setrlimit(kind, (most, most))


def answered(answerer: Answerer, name: str, stored: bytes) -> tuple[int, dict[str, Any]]:
    """HTTP status and JSON for one picture."""
    try:
        with named(name):
            return 200, answerer.answer(name, stored)
    except RarError as error:
        return 422, {"error": str(error)}


def send(replies: BinaryIO, status: int, answer: dict[str, Any]) -> None:
    """Reply in two messages."""
    for message in (str(status).encode(), json.dumps(answer).encode()):
        replies.writelines(framed(message))
    replies.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
