"""What hostile, slow and many visitors cannot do: hold the page up, fill its memory, keep connections for nothing."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.tools.web.conftest import DETECT, Serve, Server
from tests.tools.web.pictures import FACE, jpeg, many_scans
from tools.web.limits import HEAD_SECONDS, MOST_CONNECTIONS, MOST_WAITING

TIME_LIMIT, HASTE = 1.5, 5
HEAD = HEAD_SECONDS / HASTE
SPARE = 10  # s, as on a machine that has other work


@pytest.fixture(scope="module")
def hasty(serve: Serve) -> Iterator[Server]:
    """The page with small limits of time."""
    with serve("--time-limit", str(TIME_LIMIT), HASTE=str(HASTE)) as served:
        yield served


def until(condition: object, seconds: float = SPARE) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_a_picture_that_takes_too_long_is_given_up(hasty: Server) -> None:
    """Meanwhile the page is served; afterwards the next picture is answered, by another worker."""
    worker = hasty.worker
    with ThreadPoolExecutor(1) as visitors:
        begun = time.monotonic()
        slow = visitors.submit(hasty.detect, many_scans(), "scans.jpg")
        while not slow.done():
            asked = time.monotonic()
            assert hasty.ask("GET", "/").status == 200
            assert time.monotonic() - asked < TIME_LIMIT / 2
            time.sleep(0.1)
        status, answer = slow.result()
    assert TIME_LIMIT <= time.monotonic() - begun < TIME_LIMIT + SPARE / 2
    said = f"scans.jpg takes longer than {TIME_LIMIT} seconds: make the picture smaller, or save it anew"
    assert (status, answer) == (422, {"error": said})
    assert hasty.detect(jpeg(FACE))[0] == 200
    assert hasty.worker != worker and not Path(f"/proc/{worker}").exists()


def test_a_picture_that_ends_the_worker_is_said_and_the_next_is_answered(hasty: Server) -> None:
    worker = hasty.worker
    os.kill(worker, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as visitors:
        asked = visitors.submit(hasty.detect, jpeg(FACE))
        time.sleep(0.5)
        os.kill(worker, signal.SIGKILL)
        status, answer = asked.result()
    assert status == 422 and answer["error"].startswith("face.jpg cannot be worked on, it ends the program that tries")
    assert hasty.detect(jpeg(FACE))[0] == 200


def test_a_full_queue_says_so_at_once_and_who_waits_is_answered(server: Server) -> None:
    """With the worker at a standstill: one picture is under way, MOST_WAITING wait, the rest is told to come again."""
    extra = 4
    os.kill(server.worker, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1 + MOST_WAITING + extra) as visitors:
            asked = [visitors.submit(server.ask, "POST", DETECT, jpeg(FACE)) for _ in range(1 + MOST_WAITING + extra)]
            until(lambda: sum(each.done() for each in asked) == extra)
            answers = [each.result() for each in asked if each.done()]
            assert [answer.status for answer in answers] == [503] * extra
            assert {answer.getheader("Retry-After") for answer in answers} == {"10"}
            os.kill(server.worker, signal.SIGCONT)
            assert sorted(each.result().status for each in asked) == [200] * (1 + MOST_WAITING) + [503] * extra
    finally:
        os.kill(server.worker, signal.SIGCONT)


def test_who_leaves_the_queue_makes_room(server: Server) -> None:
    os.kill(server.worker, signal.SIGSTOP)
    try:
        waiting = [http.client.HTTPConnection(server.place, timeout=60) for _ in range(1 + MOST_WAITING)]
        for visitor in waiting:
            visitor.request("POST", DETECT, jpeg(FACE))
        until(lambda: server.ask("POST", DETECT, b"x").status == 503)
        for visitor in waiting[1:]:
            visitor.close()
        with ThreadPoolExecutor(1) as visitors:
            time.sleep(0.5)
            asked = visitors.submit(server.detect, jpeg(FACE))
            time.sleep(1)
            os.kill(server.worker, signal.SIGCONT)
            assert asked.result()[0] == 200
        assert waiting[0].getresponse().status == 200
    finally:
        os.kill(server.worker, signal.SIGCONT)


def connected(server: Server) -> socket.socket:
    host, _, port = server.place.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def closed_after(visitor: socket.socket) -> float:
    """Seconds until the server hangs up, whatever it says before."""
    begun = time.monotonic()
    try:
        while visitor.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - begun


def test_a_visitor_who_says_nothing_is_closed(hasty: Server) -> None:
    with connected(hasty) as visitor:
        assert HEAD * 0.9 < closed_after(visitor) < HEAD + SPARE / 2


def test_a_request_that_trickles_in_is_closed(hasty: Server) -> None:
    """A byte each tenth of a second, for ever."""
    with connected(hasty) as visitor:
        begun = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(int(10 * (HEAD + SPARE))):
                visitor.send(b"G")
                time.sleep(0.1)
        assert time.monotonic() - begun < HEAD + SPARE / 2


@pytest.mark.parametrize("pause", [0.2, 60])
def test_a_body_that_does_not_arrive_is_given_up(hasty: Server, pause: float) -> None:
    """One byte each 0.2 s for as long as it is taken; and one byte, then silence."""
    with connected(hasty) as visitor:
        visitor.sendall(f"POST {DETECT} HTTP/1.1\r\nHost: {hasty.place}\r\nContent-Length: 100000\r\n\r\n".encode())
        visitor.settimeout(pause)
        begun, answer = time.monotonic(), b""
        while not answer:
            assert time.monotonic() - begun < 60 / HASTE + SPARE
            visitor.send(b"x")
            try:
                answer = visitor.recv(1 << 16)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - begun > (60 if pause < 1 else 10) / HASTE * 0.9


def established(server: Server) -> int:
    """Connections that the server has, as Linux lists them."""
    port = int(server.place.rpartition(":")[2])
    rows = Path(f"/proc/{server.process.pid}/net/tcp").read_text().splitlines()[1:]
    places = [(int(row.split()[1].partition(":")[2], 16), row.split()[3], row.split()[9]) for row in rows]
    return sum(own == port and state == "01" and inode != "0" for own, state, inode in places)


def test_who_does_not_take_the_answers_is_closed(hasty: Server) -> None:
    """Many requests at once, and nothing is ever read."""
    until(lambda: established(hasty) == 0, HEAD + SPARE)
    with connected(hasty) as visitor:
        visitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = f"GET /sample.jpg HTTP/1.1\r\nHost: {hasty.place}\r\n\r\n".encode()
        visitor.sendall(request * 200)
        until(lambda: established(hasty) == 1)
        until(lambda: established(hasty) == 0, 2 * HEAD + SPARE)
    assert hasty.ask("GET", "/").status == 200


def test_connections_beyond_the_limit_are_closed(hasty: Server) -> None:
    extra = 20
    until(lambda: established(hasty) == 0, HEAD + SPARE)
    visitors = [connected(hasty) for _ in range(MOST_CONNECTIONS + extra)]
    for visitor in visitors[-extra:]:
        assert closed_after(visitor) < HEAD * 0.9
    until(lambda: established(hasty) == 0, HEAD + SPARE)
    for visitor in visitors:
        visitor.close()
    assert hasty.ask("GET", "/").status == 200
