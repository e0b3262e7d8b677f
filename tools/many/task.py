"""What goes to a worker: code, not the name of code.

So the scheduler needs nothing of the project, and a worker without it can say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.many.table import Part

Task = Callable[[Sequence[Any], Sequence[Sequence[Any]], bool], "Part"]


def task() -> Task:
    """detect_chunk for a worker; it takes the job and the pictures as tuples of their fields.

    Pickle takes a function of a function by its code, and plain values need no class to be unpacked.
    """

    def detect(job: Sequence[Any], pictures: Sequence[Sequence[Any]], careful: bool) -> Part:
        from tools.many.job import Job
        from tools.many.listing import Picture
        from tools.many.worker import detect_chunk

        return detect_chunk(Job(*job), [Picture(*picture) for picture in pictures], careful=careful)

    return detect
