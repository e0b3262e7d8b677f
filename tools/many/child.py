"""A call in a process of its own, which may die of it."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")
LONGEST = 600  # s, then it hangs


def in_child(function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result | None:
    """function(*args, **kwargs) in a forked process; None when that dies, raises or takes longer than LONGEST.

    Forked by hand: Dask's workers may start no multiprocessing.
    """
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(LONGEST)
            with open(sink, "wb") as file:  # noqa: PTH123 (a descriptor)
                pickle.dump(function(*args, **kwargs), file)
        finally:
            os._exit(0)
    os.close(sink)
    with open(source, "rb") as file:  # noqa: PTH123
        stored = file.read()
    os.waitpid(child, 0)
    try:
        result: Result = pickle.loads(stored)
    except (EOFError, pickle.UnpicklingError):
        return None
    return result
