"""What a program gets of a machine that it shares: two of ours at once, one of ours among others' busy ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from tools.bench.contestants import Contestant
from tools.bench.measure import Bench
from tools.build.environment import SPINS_BESIDE

SECONDS = 1.0  # of every measurement
BUSY = 8
BUSY_PROGRAM = "import numpy; a = numpy.ones((300, 300)); print(flush=True)\nwhile True: a @ a"


def sharing(bench: Bench, preset: str) -> dict[str, dict[str, float]]:
    """`detector`, `training`: runs a second of `one` alone, and of `two` at once together.

    `beside`: ms of the CNN's forward pass `alone`, `beside` eight busy programs, and there with `one_thread`.
    """
    return {
        **{task: two_at_once(bench, preset, task) for task in ("detector", "training")},
        "beside": beside_others(bench, preset),
    }


def two_at_once(bench: Bench, preset: str, task: str) -> dict[str, float]:
    """Runs a second: of one program that has the machine to itself, and of it and one that began beside it."""
    later = {"GOMP_SPINCOUNT": SPINS_BESIDE}
    with bench.caffe("first", task, preset) as first, bench.caffe("second", task, preset, env=later) as second:
        turns = [(rate(first), rate(first, second)) for _ in range(bench.repeats)]
    alone, together = zip(*turns, strict=True)
    return {"one": median(alone), "two": median(together)}


def rate(*contestants: Contestant) -> float:
    """Runs a second of all of them, working at once."""
    for one in contestants:
        one.tell("repeat", seconds=SECONDS)
    return sum(1e3 * len(runs) / sum(runs) for runs in [one.answer() for one in contestants])


def beside_others(bench: Bench, preset: str) -> dict[str, float]:
    """The CNN's forward pass, ms: alone, and beside programs that keep all cores busy."""
    task = "cnn_forward"
    with bench.caffe("ours", task, preset) as ours, bench.caffe("one thread", task, preset, threads=1) as one_thread:
        found = {"alone": milliseconds(ours)}
        with busy_programs():
            turns = [(milliseconds(ours), milliseconds(one_thread)) for _ in range(bench.repeats)]
        beside, with_one = zip(*turns, strict=True)
        return {**found, "beside": median(beside), "one_thread": median(with_one)}


def milliseconds(one: Contestant) -> float:
    """The median run."""
    return median(one.ask("repeat", seconds=SECONDS))


@contextmanager
def busy_programs() -> Iterator[None]:
    """Eight programs of others, products of matrices on all cores, whose threads wait as OpenMP has it."""
    ours = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    env: dict[str, Any] = {name: value for name, value in os.environ.items() if name not in ours}
    command = [sys.executable, "-c", BUSY_PROGRAM]
    programs = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE) for _ in range(BUSY)]
    try:
        for program in programs:
            assert program.stdout
            program.stdout.readline()  # it has begun
        yield
    finally:
        for program in programs:
            program.kill()
            program.communicate()
