"""Places for crops in memory that a training shares with the processes that draw them."""

from __future__ import annotations

import mmap

import numpy as np
from numpy.typing import NDArray

_ALIGNED = 64  # bytes


class Slots:
    """Arrays in `memory`, for crops of `size` px with `landmarks` points each."""

    def __init__(self, memory: mmap.mmap, size: int, landmarks: int) -> None:
        self.memory, self.size, self.landmarks = memory, size, landmarks

    def image(self, slot: int) -> NDArray[np.uint8]:
        """(3, S, S) u1, BGR: as Caffe has it, so that the training has nothing to rearrange."""
        count = 3 * self.size**2
        at = slot * slot_bytes(self.size, self.landmarks)
        return np.frombuffer(self.memory, np.uint8, count, at).reshape(3, self.size, self.size)

    def shape(self, slot: int) -> NDArray[np.float32]:
        """(L, 2) f4, px of the crop."""
        at = slot * slot_bytes(self.size, self.landmarks) + _aligned(3 * self.size**2)
        return np.frombuffer(self.memory, np.float32, 2 * self.landmarks, at).reshape(self.landmarks, 2)


def slot_bytes(size: int, landmarks: int) -> int:
    """Of one crop and its shape."""
    return _aligned(3 * size**2) + _aligned(8 * landmarks)


def _aligned(count: int) -> int:
    return -(-count // _ALIGNED) * _ALIGNED
