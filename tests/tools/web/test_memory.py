"""What is left of the pictures when they are answered: nothing, however many there were."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
import pytest

from tests.tools.web.conftest import Server
from tests.tools.web.pictures import FACE, bad, good, jpeg
from tools.web.limits import MOST_WAITING

LOAD_SECONDS = float(os.environ.get("LOAD_SECONDS", "10"))
PARTS = 6  # of the load, each with figures of its own
VISITORS, PAUSE = 2 * MOST_WAITING, 0.5  # s until somebody who was refused comes again
HELD = 100  # MiB that the server may keep of what many pictures at once had, to use it again
GROWTH = 8  # MiB that a process may vary by: a fifth of what pictures and answers of 100 requests have


def large() -> bytes:
    """A picture of 15 million pixels, 17 MB."""
    noise = np.random.default_rng(0).integers(0, 60, (512, 512, 3))
    return jpeg(np.tile((FACE * 0.75 + noise).astype(np.uint8), (8, 7, 1)))


def pictures() -> list[tuple[str, bytes]]:
    """One of each kind: they vary in size from nothing to 17 MB."""
    each = {**good(), **{name: stored for name, (stored, _) in bad().items()}, "large.jpg": large()}
    return [(name, stored) for name, stored in each.items() if len(stored) <= 20 << 20]


def memory(server: Server) -> tuple[float, float]:
    """Resident MiB of the server and of its worker."""
    return resident(server.process.pid), resident(server.worker)


def resident(process: int) -> float:
    with open(f"/proc/{process}/status") as status:  # noqa: PTH123
        (line,) = (line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def lowest(server: Server, kinds: list[tuple[str, bytes]]) -> tuple[float, float]:
    """Ask for one of each kind; the least memory after any of them, for what a large one leaves goes with the next."""
    seen = []
    for name, stored in kinds:
        server.detect(stored, name)
        seen.append(memory(server))
    servers, workers = zip(*seen, strict=True)
    return min(servers), min(workers)


def watched(server: Server, seconds: float) -> str:
    """Least and most memory in the next seconds, looked at twenty times."""
    seen = []
    for _ in range(20):
        time.sleep(seconds / 20)
        with contextlib.suppress(ValueError, OSError):  # between two workers
            seen.append(memory(server))
    if not seen:
        return "no worker"
    servers, workers = zip(*seen, strict=True)
    return f"{min(servers):.0f}-{max(servers):.0f}, {min(workers):.0f}-{max(workers):.0f}"


@pytest.mark.parametrize("requests", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_memory_stays_flat(server: Server, requests: int) -> None:
    kinds = pictures()
    lowest(server, kinds)
    seen = {len(kinds) * rounds: lowest(server, kinds) for rounds in range(1, 1 + -(-requests // len(kinds)))}
    print("least MiB of server and worker in the round of so many requests:", seen)
    first, *_, last = seen.values()
    assert max(np.subtract(last, first)) < GROWTH, seen


@pytest.mark.slow
def test_under_load(server: Server) -> None:
    """LOAD_SECONDS of more visitors than the queue takes: each is answered or told to come again, memory stays flat.

    LOAD_SECONDS=1800 is the half hour of docs/limits.md.
    """
    kinds, number, answers = pictures(), count(), Counter[int]()
    lowest(server, kinds)
    before, end = lowest(server, kinds), time.monotonic() + LOAD_SECONDS

    def visit() -> Counter[int]:
        told = Counter[int]()
        while time.monotonic() < end:
            name, stored = kinds[next(number) % len(kinds)]
            status, _ = server.detect(stored, name)
            told[status] += 1
            if status == 503:
                time.sleep(PAUSE)
        return told

    with ThreadPoolExecutor(VISITORS) as visitors:
        told = [visitors.submit(visit) for _ in range(VISITORS)]
        busy = [watched(server, LOAD_SECONDS / PARTS) for _ in range(PARTS)]
        answers.update(status for one in told for status in one.result().elements())
    print(f"{dict(answers)} answers by status in {LOAD_SECONDS:g} s")
    print(f"least and most MiB of server and worker in each {LOAD_SECONDS / PARTS:g} s:", *busy, sep="\n", flush=True)
    after = lowest(server, kinds)
    print(f"{before} -> {after} without load")
    assert set(answers) == {200, 422, 503}
    assert after[1] - before[1] < GROWTH and after[0] - before[0] < HELD
