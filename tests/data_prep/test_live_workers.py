"""The processes that draw ahead: right crops, in order, errors in a line, and nobody left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from data_prep.live.faces import LiveFaces
from data_prep.live.workers import Workers, end_workers, usual_number
from layers.common.errors import RarError
from tests.conftest import PROJECT
from tests.data_prep.conftest import stored

MODULE = "data_prep.live.worker"


def children(pid: int) -> list[int]:
    """The processes that draw for a process."""
    found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in found if MODULE in Path(f"/proc/{child}/cmdline").read_text()]


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def faces(prepared_live: Path) -> LiveFaces:
    return LiveFaces(prepared_live / "train", seed=1)


@pytest.fixture(autouse=True)
def no_process_stays() -> Iterator[None]:
    yield
    end_workers()
    assert children(os.getpid()) == []


def assert_taken(workers: Workers, faces: LiveFaces, first: int, step: int, count: int) -> None:
    taken = [(image.copy(), shape.copy()) for image, shape in workers.take(first, step, count)]
    assert len(taken) == count
    for i, (image, shape) in enumerate(taken):
        crop = faces.draw(first + i * step)
        np.testing.assert_array_equal(image, crop.image.transpose(2, 0, 1))
        np.testing.assert_array_equal(shape, crop.shape)


@pytest.mark.parametrize("count", [1, 3])
def test_the_crops_are_those_of_the_faces(faces: LiveFaces, count: int) -> None:
    """On and on, from another place, with another step, and after an end."""
    workers = Workers(faces, count)
    assert children(os.getpid()) == [], "none before the first crop"
    assert_taken(workers, faces, 0, 1, 5)
    assert_taken(workers, faces, 5, 1, 11)
    assert len(children(os.getpid())) == count
    assert_taken(workers, faces, 100, 1, 3)
    assert_taken(workers, faces, 103, 2, 3)
    workers.close()
    assert children(os.getpid()) == []
    assert_taken(workers, faces, 109, 2, 2)


def test_left_half_way_it_begins_anew(faces: LiveFaces) -> None:
    workers = Workers(faces, 1)
    assert len([next(workers.take(0, 1, 4)) for _ in range(2)]) == 2
    assert_taken(workers, faces, 0, 1, 4)


def test_more_may_be_asked_for_than_one_process_draws_ahead(faces: LiveFaces) -> None:
    assert_taken(Workers(faces, 1, ahead=20), faces, 3, 1, 30)


def test_a_damaged_row_is_one_line(prepared_live: Path, tmp_path: Path) -> None:
    """When its turn has come, and again when it is tried again; the others are drawn."""
    shutil.copytree(prepared_live / "train", tmp_path / "train")
    with stored(tmp_path / "train") as rows:
        message = bytes(rows.get(b"00000004"))
        rows.put(b"00000004", message.replace(b"\xff\xd9", b"\0\0"))
    faces = LiveFaces(tmp_path / "train", seed=1)
    bad = next(sample for sample in range(len(faces)) if faces.visit(sample)[0] == 4)
    workers = Workers(faces, 2)
    assert_taken(workers, faces, 0, 1, bad)
    for _ in range(2):
        with pytest.raises(RarError, match=r"train/images\.lmdb, row 4: the JPEG is truncated.*: prepare") as error:
            list(workers.take(bad, 1, 1))
        assert "\n" not in str(error.value)
    assert_taken(workers, faces, bad + 1, 1, 3)


def test_a_process_that_dies_is_one_line(faces: LiveFaces) -> None:
    workers = Workers(faces, 2)
    assert_taken(workers, faces, 0, 1, 2)
    os.kill(children(os.getpid())[0], signal.SIGKILL)
    with pytest.raises(RarError, match="a process that draws the faces ended with status -9, .*go on from the last"):
        list(workers.take(2, 1, 20))
    assert children(os.getpid()) == []
    assert_taken(workers, faces, 2, 1, 2)


OWNER = """
import sys, time
from data_prep.live.faces import LiveFaces
from data_prep.live.workers import Workers
workers = Workers(LiveFaces(sys.argv[1], 0), 2)
list(workers.take(0, 1, 3))
print("ready", flush=True)
if sys.argv[2] == "wait":
    time.sleep(600)
"""


@pytest.mark.parametrize("ending", ["in order", "SIGKILL", "SIGINT"])
def test_they_end_with_their_training(prepared_live: Path, ending: str) -> None:
    """However it ends; and they do not answer a Ctrl-C themselves."""
    manner = "go" if ending == "in order" else "wait"
    command = [sys.executable, "-c", OWNER, str(prepared_live / "train"), manner]
    with subprocess.Popen(command, cwd=PROJECT, stdout=-1, stderr=-1, text=True, start_new_session=True) as owner:
        assert owner.stdout is not None and owner.stderr is not None
        if manner == "wait":
            assert owner.stdout.readline() == "ready\n"
            theirs = children(owner.pid)
            assert len(theirs) == 2
            os.killpg(owner.pid, signal.Signals[ending])  # as a terminal does
        else:
            wait_until(lambda: len(children(owner.pid)) == 2)
            theirs = children(owner.pid)
        owner.wait(60)
        errors = owner.stderr.read()
    assert len(theirs) >= 2
    wait_until(lambda: not any(running(pid) for pid in theirs))
    assert MODULE not in errors and (errors.count("Traceback") == (ending == "SIGINT"))


def test_how_many() -> None:
    assert usual_number(1) >= usual_number(2) >= usual_number(64) == 1
