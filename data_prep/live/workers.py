"""Processes that draw crops ahead of a training.

Processes and not threads, because of Python's lock: a thread that draws keeps each of the layers in Python, some 270
calls an iteration, waiting for 0.2 ms on average. The processes get their work through pipes, with no thread in the
training's own process, and give back the crops in shared memory that has no name. So nothing is left behind however
either side ends: a process whose pipe is closed ends itself.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.live.faces import LiveFaces
from data_prep.live.slots import Slots, slot_bytes
from data_prep.parallel import cores
from layers.common.errors import RarError

MOST = 8  # processes; more than the fastest GPU wants
_AHEAD = 4  # crops per process that may be under way or waiting
_PATIENCE = 5.0  # s for a process to end by itself
_PROJECT = Path(__file__).resolve().parents[2]
_running: weakref.WeakSet[Workers] = weakref.WeakSet()


def usual_number(solvers: int) -> int:
    """Of processes for each of `solvers` on this machine: half of the cores, for Caffe has work for the others."""
    return max(1, min(MOST, cores() // 2 // solvers))


def end_workers() -> None:
    """End all processes that draw for this one, whoever still holds the layers that they draw for."""
    for workers in list(_running):
        workers.close()


class _Due(NamedTuple):
    """A crop under way."""

    worker: int
    slot: int


class Workers:
    """Draws the samples first, first + step, ... of `faces` in `count` processes, `ahead` or a few more in advance.

    The crops are those of LiveFaces.draw, whatever the number of processes. They start with the first `take`, and again
    with the first after `close` or `end_workers`.
    """

    def __init__(self, faces: LiveFaces, count: int, ahead: int = 0) -> None:
        self.faces, self.count = faces, count
        self.slots = max(_AHEAD * count, ahead)
        self._due: deque[_Due] = deque()
        self._next, self._step = 0, 0  # the sample to take next, and from one to the next
        self._connections: list[Connection] = []

    def take(self, first: int, step: int, count: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        """Image (3, S, S) u1 and shape (L, 2) f4 of `count` samples, each valid until the next is asked for.

        Goes on where the last call ended, or begins anew where it did not end at `first`.
        RarError when a patch is damaged or a process has died.
        """
        if not self._connections:
            self._start()
        if (first, step) != (self._next, self._step):
            self._begin(first, step)
        self._step = 0  # until all went well: else the next call begins anew
        for sample in range(first, first + count * step, step):
            due = self._due.popleft()
            if problem := self._answer(due):
                raise RarError(problem)
            yield self._crops.image(due.slot), self._crops.shape(due.slot)
            self._ask(due, sample + self.slots * step)
        self._next, self._step = first + count * step, step

    def close(self) -> None:
        """End the processes; done too when this is garbage, and when the program ends."""
        _running.discard(self)
        if self._connections:
            self._finalizer()
            self._connections = []
            self._due.clear()

    def _start(self) -> None:
        faces = self.faces.set
        size = self.slots * slot_bytes(faces.crop_size, faces.scheme.landmarks)
        memory = os.memfd_create("crops")
        try:
            os.truncate(memory, size)
            started = [_start_worker(memory) for _ in range(self.count)]
            self._crops = Slots(mmap.mmap(memory, size), faces.crop_size, faces.scheme.landmarks)
        finally:
            os.close(memory)
        self._processes = [process for process, _ in started]
        self._connections = [connection for _, connection in started]
        _running.add(self)
        self._finalizer = weakref.finalize(self, _end, self._processes, self._connections)
        self._step = 0
        for worker, connection in enumerate(self._connections):
            self._send(worker, (str(faces.folder.resolve()), self.faces.seed, self.faces.first_visit), connection)

    def _begin(self, first: int, step: int) -> None:
        while self._due:
            self._answer(self._due.popleft())
        for slot in range(self.slots):
            self._ask(_Due(slot % self.count, slot), first + slot * step)

    def _ask(self, due: _Due, sample: int) -> None:
        self._send(due.worker, (due.slot, sample), self._connections[due.worker])
        self._due.append(due)

    def _send(self, worker: int, message: object, connection: Connection) -> None:
        try:
            connection.send(message)
        except (BrokenPipeError, ConnectionResetError):
            raise self._died(worker) from None

    def _answer(self, due: _Due) -> str:
        try:
            return str(self._connections[due.worker].recv())
        except (EOFError, ConnectionResetError):
            raise self._died(due.worker) from None

    def _died(self, worker: int) -> RarError:
        try:
            status: object = self._processes[worker].wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            status = "unknown"
        self.close()
        return RarError(
            f"a process that draws the faces ended with status {status}, perhaps for want of memory: run the same "
            "command to go on from the last snapshot"
        )


def _start_worker(memory: int) -> tuple[subprocess.Popen[bytes], Connection]:
    ours, theirs = Pipe()
    command = [_interpreter(), "-m", "data_prep.live.worker", str(memory), str(theirs.fileno())]
    paths = [str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {**os.environ, **one, "PYTHONPATH": os.pathsep.join(paths)}
    with theirs:
        # A group of its own, so that a terminal's Ctrl-C is the training's business.
        process = subprocess.Popen(
            command, env=environment, pass_fds=(memory, theirs.fileno()), stdin=subprocess.DEVNULL, process_group=0
        )
    return process, ours


def _interpreter() -> str:
    """The Python at work, as a program; in `caffe` sys.executable is whatever python3 comes first on the PATH."""
    program = Path(sys.exec_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    return str(program) if program.is_file() else sys.executable


def _end(processes: Sequence[subprocess.Popen[bytes]], connections: Sequence[Connection]) -> None:
    for connection in connections:
        connection.close()
    for process in processes:
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
