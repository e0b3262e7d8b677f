"""Work that a thread does before its result is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Key = TypeVar("Key")
Result = TypeVar("Result")


class Ahead(Generic[Key, Result]):
    """`work(key)` for one key after another, the next one in a thread while the caller does something else.

    What was begun for another key than the one then asked for is thrown away, an error in it too; an error in what is
    asked for is raised where it is asked for. The thread ends with this object. A forked process has a thread of its
    own, for the parent's is not in it.
    """

    def __init__(self, work: Callable[[Key], Result]) -> None:
        self._work = work
        self._begun: tuple[Key, Future[Result]] | None = None
        self._process = -1

    def take(self, key: Key, then: Key) -> Result:
        """work(key), begun before or done now; and begin work(then)."""
        if self._process != os.getpid():
            self._process, self._begun = os.getpid(), None
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        begun, self._begun = self._begun, None
        try:
            if begun and begun[0] == key:
                return begun[1].result()
            if begun:
                begun[1].exception()  # the two may use one file: wait
            return self._work(key)
        finally:
            self._begun = then, self._thread.submit(self._work, then)
