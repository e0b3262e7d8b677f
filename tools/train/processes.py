"""One process for each rank, watched by a process that does not train: when one ends, none is left waiting."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import NoReturn

from layers.common.errors import RarError, run_command
from tools.common.stopping import stop_requests

_PR_SET_PDEATHSIG = 1

Lead = Callable[[list[Connection]], object]
Follow = Callable[[int, Connection], object]


def run_ranks(count: int, lead: Lead, follow: Follow) -> NoReturn:
    """Run `lead(pipes to the followers)` and `follow(rank, pipe)` in `count` processes and wait for them.

    Ends this process with rank 0's status. RarError when another rank ends before it: all are ended then, and what the
    last snapshot holds is kept. Ctrl-C and SIGTERM go to rank 0, which stops in order and hangs up on the others. The
    functions are to be picklable.
    """
    spawn = multiprocessing.get_context("spawn")  # a process that has begun CUDA cannot be forked
    pipes = [spawn.Pipe() for _ in range(count - 1)]
    ranks = [spawn.Process(target=_enter, args=(lead, [ours for ours, _ in pipes]))]
    ranks += [spawn.Process(target=_enter_deaf, args=(follow, rank, end)) for rank, (_, end) in enumerate(pipes, 1)]
    with stop_requests() as stop:
        try:
            for process in ranks:
                process.start()
            for pipe in (end for pair in pipes for end in pair):
                pipe.close()  # each rank has its own now, and must notice when the other's end is gone
            status = _watch(ranks, stop)
        finally:
            for process in ranks:
                if process.pid is not None:
                    process.kill()
                    process.join()
    sys.exit(status)


def _watch(ranks: Sequence[SpawnProcess], stop: list[int]) -> int:
    """Wait for rank 0; its status as a shell would tell it. The others hold nothing that it has not."""
    leader, told = ranks[0], 0
    while leader.is_alive():
        wait([process.sentinel for process in ranks if process.is_alive()], timeout=0.2)
        if len(stop) > told:
            told = len(stop)
            leader.terminate()
        lost = next((rank for rank, process in enumerate(ranks) if rank and process.exitcode not in (None, 0)), None)
        if lost is not None and leader.is_alive():
            leader.join(1)  # it may be ending for the same reason, and then says so itself
            if leader.is_alive():
                raise _ended(lost, ranks[lost])
    if leader.exitcode is not None and leader.exitcode < 0:
        if stop:
            raise KeyboardInterrupt  # before there was anything to save
        raise _ended(0, leader)
    return leader.exitcode or 0


def _ended(rank: int, process: SpawnProcess) -> RarError:
    return RarError(
        f"the process of rank {rank} ended with status {process.exitcode}, see above: training has stopped; "
        "run the same command to go on from the last snapshot"
    )


def _enter(run: Callable[..., object], *arguments: object) -> None:
    """The life of a rank."""
    os.setpgrp()  # a terminal's Ctrl-C reaches the watching process alone, which passes it on
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # and so does its death
    try:
        run_command(lambda: run(*arguments))
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
        # At once: CUDA's and NCCL's clearing up may wait for ranks that are gone.
        os._exit(status)


def _enter_deaf(run: Callable[..., object], *arguments: object) -> None:
    """The life of a rank that does what the leader says, whatever signals say."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _enter(run, *arguments)
