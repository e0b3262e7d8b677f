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
from typing import NoReturn, TypeVar

import cv2
from threadpoolctl import threadpool_limits

from layers.common.errors import REMEDY, RarError

Item = TypeVar("Item")
Result = TypeVar("Result")
DIES = f"the process that works on it dies, perhaps for want of memory: {REMEDY}"
_ALONE = 0  # the pool of one process for what may have killed another
_pools: dict[int, ProcessPoolExecutor] = {}
_AHEAD = 4  # tasks per worker that may be under way or waiting


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def died(item: object) -> NoReturn:
    """RarError for an item whose process dies of it."""
    raise RarError(f"{item}: {DIES}")


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, lost: Callable[[Item], Result] = died
) -> Iterator[Result]:
    """function(item) for each item, in order, by `workers` processes (0: in this one).

    `function` must be importable and keep no state that matters; memory is bounded by the tasks under way. The
    processes start with the first call and serve all later ones. When one dies, what was under way is done again, one
    item at a time. lost: gives the result for an item whose process dies then too, or raises.
    """
    if workers == 0:
        yield from map(function, items)
        return
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            waiting.append((item, _submitted(workers, function, item)))
            if len(waiting) >= _AHEAD * workers:
                yield _result(function, *waiting.popleft(), lost)
        while waiting:
            yield _result(function, *waiting.popleft(), lost)
    finally:
        for _, future in waiting:
            future.cancel()


def _result(
    function: Callable[[Item], Result], item: Item, future: Future[Result], lost: Callable[[Item], Result]
) -> Result:
    try:
        return future.result()
    except BrokenProcessPool:  # by this item or by one beside it
        pass
    try:
        return _submitted(_ALONE, function, item).result()
    except BrokenProcessPool:
        return lost(item)


def _submitted(pool: int, function: Callable[[Item], Result], item: Item) -> Future[Result]:
    """To a pool, by its number of workers or _ALONE; to a new one when that has lost a process."""
    if pool in _pools:
        try:
            return _pools[pool].submit(function, item)
        except BrokenProcessPool:
            pass
    _pools[pool] = _new_pool(pool)
    return _pools[pool].submit(function, item)


def _new_pool(pool: int) -> ProcessPoolExecutor:
    # Spawned, not forked: a forked child would share this process's LMDB and HDF5 handles and OpenCV's threads.
    return ProcessPoolExecutor(max(pool, 1), multiprocessing.get_context("spawn"), initializer=_start_worker)


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
