"""Memory that goes back to the system when it is freed."""

from __future__ import annotations

import ctypes

M_MMAP_THRESHOLD = -3  # of mallopt, in glibc's malloc.h
LARGE = 1 << 20  # bytes


def give_back_large() -> None:
    """Let this process keep no freed block over a megabyte, as pictures are; glibc alone keeps up to 32 for later."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # only glibc has it
        mallopt(M_MMAP_THRESHOLD, LARGE)
