"""Work spread over processes, results in order, never more than a few of them waiting."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import TypeVar

import cv2
from threadpoolctl import threadpool_limits

from layers.common.errors import RarError

Item = TypeVar("Item")
Result = TypeVar("Result")
_AHEAD = 4  # tasks per worker that may be under way or waiting


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def in_order(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """function(item) for each item, in order, by `workers` processes (0: in this one).

    `function` must be importable and keep no state that matters; memory is bounded by the tasks under way. The
    processes start with the first call and serve all later ones.
    """
    if workers == 0:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(_pool(workers).submit(function, item))
            if len(waiting) >= _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        _pool.cache_clear()
        raise RarError("a worker process died, perhaps for want of memory: try --workers 1") from None
    finally:
        for future in waiting:
            future.cancel()


@cache
def _pool(workers: int) -> ProcessPoolExecutor:
    # Spawned, not forked: a forked child would share this process's LMDB and HDF5 handles and OpenCV's threads.
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start_worker)


def _start_worker() -> None:
    """One thread each, for the processes are the parallelism; Ctrl-C is the parent's business, and so is its death."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threadpool_limits(1)  # NumPy's BLAS would start one a core in every process, and they wait in each other's way
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
