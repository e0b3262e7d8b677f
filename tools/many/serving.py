"""Dask's servers as this project runs them: by its settings, until they are told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable
from pathlib import Path

import dask

SETTINGS = Path(__file__).with_name("dask.yaml")


def use_settings(*, quiet: int = logging.WARNING) -> None:
    """Our settings of Dask for this process and the workers that it starts; quiet: it logs nothing under this level."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # for workers: the processes are the parallelism
    logging.getLogger("distributed").setLevel(quiet)
    dask.config.update(dask.config.config, *dask.config.collect_yaml([SETTINGS]))


async def until_stopped(finished: Awaitable[object]) -> bool:
    """Wait for Ctrl-C or SIGTERM (True), or until a server has ended of itself (False)."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    waiting = [asyncio.ensure_future(finished), asyncio.ensure_future(told.wait())]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for future in waiting:
        future.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return told.is_set()


def reason(error: BaseException) -> str:
    """What is at the bottom of a chain of exceptions, in one line."""
    while error.__cause__:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__
