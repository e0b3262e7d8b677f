"""Processes that train together, without Caffe: how they end when one of them, or the command, ends early.

Run as a program with a case's name, this file is the command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from layers.common.errors import RarError, run_command
from tools.build.environment import PROJECT
from tools.common.stopping import stop_requests
from tools.train.processes import run_ranks

LONG = 120.0  # s; what a rank would wait in NCCL for one that is gone


def wait_for(path: Path) -> None:
    """Until another process has written it."""
    end = time.monotonic() + LONG
    while not path.is_file():
        assert time.monotonic() < end, f"{path.name} was never written"
        time.sleep(0.02)


def lead(case: str, folder: Path, followers: list[Connection]) -> None:
    """Three orders to each; then what the case says."""
    for order in range(3):
        for follower in followers:
            follower.send(order)
    if case == "leader fails":
        raise RarError("conv8 is not finite: lower base_lr")
    if case == "rank 0 is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if case == "stopped early":
        (folder / "leader").write_text(str(os.getpid()))
        time.sleep(LONG)
    if case == "all is well":
        for follower in followers:
            assert follower.recv() == "taken"
        print("finished")
        return
    with stop_requests() as stop:
        (folder / "leader").write_text(str(os.getpid()))
        end = time.monotonic() + LONG
        while not stop and time.monotonic() < end:
            time.sleep(0.02)
    if stop:
        (folder / "saved").write_text(signal.Signals(stop[0]).name)
        sys.exit(130)


def follow(case: str, folder: Path, rank: int, orders: Connection) -> None:
    """Takes the orders, and more of them until the leader hangs up; the second rank is the one with troubles."""
    (folder / f"orders_{rank}").write_text(str([orders.recv() for _ in range(3)]))
    (folder / f"follower_{rank}").write_text(str(os.getpid()))
    if case == "all is well":
        orders.send("taken")
    if rank == 2 and case == "a rank fails":
        raise RarError("no prepared set at nowhere")
    if rank == 2 and case == "a rank is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if case == "leader fails":
        time.sleep(LONG)
    try:
        orders.recv()
    except EOFError:
        (folder / f"hung_up_{rank}").touch()


def command(case: str, folder: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.tools.train.test_processes", case, str(folder)]
    return subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(pid: int) -> bool:
    """Whether the process is gone, or dead and waiting for its parent to look."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def assert_all_ended(folder: Path) -> None:
    end = time.monotonic() + 10
    for path in folder.glob("follower_*"):
        while not ended(int(path.read_text())):
            assert time.monotonic() < end, f"{path.name} is still there"
            time.sleep(0.02)


def test_all_get_the_orders_and_end_with_rank_0(tmp_path: Path) -> None:
    with command("all is well", tmp_path) as process:
        output, errors = process.communicate(timeout=LONG)
    assert (process.returncode, output) == (0, "finished\n"), errors
    assert [(tmp_path / f"orders_{rank}").read_text() for rank in (1, 2)] == ["[0, 1, 2]"] * 2
    assert_all_ended(tmp_path)


@pytest.mark.parametrize(
    ("case", "first"), [("a rank fails", "error: no prepared set at nowhere"), ("a rank is killed", "")]
)
def test_a_rank_that_ends_early_ends_all_with_one_line(tmp_path: Path, case: str, first: str) -> None:
    began = time.monotonic()
    with command(case, tmp_path) as process:
        output, errors = process.communicate(timeout=LONG)
    status = 1 if first else -9
    last = (
        f"error: the process of rank 2 ended with status {status}, see above: training has stopped; "
        "run the same command to go on from the last snapshot"
    )
    assert (process.returncode, output) == (1, "")
    assert errors.splitlines() == [*([first] if first else []), last]
    assert time.monotonic() - began < LONG / 2
    assert_all_ended(tmp_path)


def test_what_rank_0_says_is_the_last_word(tmp_path: Path) -> None:
    """Also when the others would wait for it for ever."""
    with command("leader fails", tmp_path) as process:
        output, errors = process.communicate(timeout=LONG / 2)
    assert (process.returncode, output, errors) == (1, "", "error: conv8 is not finite: lower base_lr\n")
    assert_all_ended(tmp_path)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_stop_lets_rank_0_save(tmp_path: Path, kind: signal.Signals) -> None:
    with command("stopped", tmp_path) as process:
        wait_for(tmp_path / "leader")
        process.send_signal(kind)
        _, errors = process.communicate(timeout=LONG)
    assert (process.returncode, errors) == (130, "")
    assert (tmp_path / "saved").read_text() == "SIGTERM"
    assert_all_ended(tmp_path)


def test_rank_0_killed(tmp_path: Path) -> None:
    with command("rank 0 is killed", tmp_path) as process:
        _, errors = process.communicate(timeout=LONG)
    assert process.returncode == 1
    assert errors.startswith("error: the process of rank 0 ended with status -9") and len(errors.splitlines()) == 1


def test_a_stop_before_there_is_anything_to_save(tmp_path: Path) -> None:
    with command("stopped early", tmp_path) as process:
        wait_for(tmp_path / "leader")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=LONG)
    assert (process.returncode, errors) == (130, "interrupted\n")


def test_a_kill_of_the_command_lets_rank_0_save_too(tmp_path: Path) -> None:
    with command("stopped", tmp_path) as process:
        for name in ("leader", "follower_1", "follower_2"):
            wait_for(tmp_path / name)
        process.kill()
        wait_for(tmp_path / "saved")
    for rank in (1, 2):
        wait_for(tmp_path / f"hung_up_{rank}")
    assert_all_ended(tmp_path)


if __name__ == "__main__":
    case, folder = sys.argv[1], Path(sys.argv[2])
    run_command(lambda: run_ranks(3, partial(lead, case, folder), partial(follow, case, folder)))
