"""Solvers that train together, one process and one GPU each: rank 0 leads, the others follow it step by step.

As python/train.py of Caffe does it: all begin each phase with the weights of rank 0, each reads its own share of the
samples (SampleLayer), and NCCL averages their gradients before every update, so that all make the same one.
"""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from data_prep.live.workers import end_workers
from layers.common.errors import RarError
from layers.quiet import caffe
from tools.common.gpu import use_gpu


class Single:
    """One solver alone, on the CPU or on one GPU."""

    count = 1

    def begin(self, solver: Any, solver_file: Path, state: Path | None) -> None:
        """The solver is ready for a phase."""

    def step(self, solver: Any) -> None:
        """One iteration."""
        solver.step(1)

    def rest(self) -> None:
        """The phase is over, or interrupted."""


class Phase(NamedTuple):
    """What a follower needs to take part in a phase."""

    solver_file: str
    state: str | None  # the snapshot to go on from
    uid: bytes  # NCCL's name for this group of processes


class Leader(Single):
    """Rank 0. Before each step it tells the others to take it too, so that none waits in NCCL for one that has stopped.

    followers: the leader's ends of their pipes.
    """

    def __init__(self, followers: list[Connection]) -> None:
        self.followers, self.count = followers, 1 + len(followers)
        self._nccl: Any = None

    def begin(self, solver: Any, solver_file: Path, state: Path | None) -> None:
        uid = caffe.NCCL.new_uid()
        self._tell(Phase(str(solver_file), str(state) if state else None, uid))
        self._nccl = connected(solver, uid)

    def step(self, solver: Any) -> None:
        self._tell(True)
        solver.step(1)

    def rest(self) -> None:
        self._tell(False)

    def _tell(self, order: object) -> None:
        try:
            for follower in self.followers:
                follower.send(order)
        except BrokenPipeError:
            raise RarError(
                "another rank has ended: training has stopped; run the same command to go on from the last snapshot"
            ) from None


def connected(solver: Any, uid: bytes) -> Any:
    """The solver's NCCL, to be kept as long as the solver: its parameters lie in NCCL's buffers. Waits for all ranks.

    Every parameter, feature statistics and the place in the data included, is then that of rank 0.
    """
    nccl = caffe.NCCL(solver, uid)
    nccl.bcast()
    solver.add_callback(nccl)
    return nccl


def join(gpu: int, rank: int, count: int) -> None:
    """Make this process one of `count` solvers, on this GPU; RarError when Caffe cannot use it. Before any net."""
    use_gpu(gpu)
    caffe.set_solver_count(count)
    caffe.set_solver_rank(rank)
    caffe.set_multiprocess(True)


def follow(orders: Connection) -> None:
    """Train with the leader until it hangs up."""
    nccl = None  # of the phase before, until the next one's is there: NCCL parts as it met, all ranks together
    try:
        while True:
            phase: Phase = orders.recv()
            solver = caffe.SGDSolver(phase.solver_file)
            if phase.state:
                solver.restore(phase.state)
            nccl = connected(solver, phase.uid)
            while orders.recv():
                solver.step(1)
            end_workers()
    except EOFError:
        del nccl
