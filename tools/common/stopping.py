"""Stopping at a good moment: signals are collected while C++ is at work, and the work ends at its next step.

Standard library only. Python itself shows a trace when Ctrl-C comes while it starts or imports: nothing has begun then,
so the signal ends the process.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def hold_back() -> None:
    """Keep Ctrl-C waiting, also for the program that takes this process's place, until its `end_without_trace`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def end_without_trace() -> None:
    """From here on Ctrl-C ends the process; run_command gives it back its meaning. Where it is ignored it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def importing() -> Iterator[None]:
    """Imports in the block are ended by Ctrl-C without a trace."""
    before = signal.getsignal(signal.SIGINT)
    end_without_trace()
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in the list yielded instead of dying of them."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
