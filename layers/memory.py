"""Where a layer finds its blobs: in the host's memory, or in the GPU's, as arrays of numpy or CuPy without a copy.

A layer reads whole maps and features with `self.memory`. What is a few numbers a landmark (shapes, Gamma, confidences)
it reads with `blob.data` on the host, on a GPU too: there a copy of a kilobyte takes less time than the dozen kernels
that so little arithmetic would be.
"""

from __future__ import annotations

import sys
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from layers.quiet import caffe

Blob = Any
Array = Any


class HostMemory:
    """Blobs as numpy arrays. On a GPU Caffe copies all of a blob to the host when it is touched, and back later."""

    xp: ModuleType = np

    def enter(self) -> None:
        """Nothing to do before a pass."""

    @staticmethod
    def data(blob: Blob) -> Array:
        """The blob's data."""
        return blob.data

    @staticmethod
    def diff(blob: Blob) -> Array:
        """The blob's diff."""
        return blob.diff


class GpuMemory:
    """Blobs as CuPy arrays over Caffe's own memory on one GPU, to be read and written; no number moves.

    Caffe launches on the legacy default stream (its kernels name no stream, its cuBLAS handle is given none), and
    cuDNN's layers make their own streams wait for it and it for them. CuPy's null stream is the same one, so that the
    work of both happens in the order of the calls. Both also use the GPU's primary context.
    """

    def __init__(self, cupy: Any, device: int) -> None:
        self.xp, self._device = cupy, device

    def enter(self) -> None:
        """Before a pass: this thread's CuPy works on Caffe's GPU and stream. CuPy has a current device of its own."""
        self.xp.cuda.Device(self._device).use()
        self.xp.cuda.Stream.null.use()

    def data(self, blob: Blob) -> Array:
        """The blob's data; Caffe takes the GPU's copy for the newest from now on."""
        return self._array(blob, blob._gpu_data_ptr)

    def diff(self, blob: Blob) -> Array:
        """The blob's diff, likewise."""
        return self._array(blob, blob._gpu_diff_ptr)

    def _array(self, blob: Blob, address: int) -> Array:
        cuda, shape = self.xp.cuda, tuple(blob.shape)
        size = 4 * blob.count  # pycaffe's blobs are float32
        memory = cuda.UnownedMemory(address, size, blob, self._device)
        return self.xp.ndarray(shape, np.float32, cuda.MemoryPointer(memory, 0))


Memory = HostMemory | GpuMemory


def memory_here() -> Memory:
    """The memory that Caffe works in, in this thread and mode.

    A Caffe without our patches does not tell (`caffe.gpu`): then it is the host's, which is right everywhere.
    """
    device = caffe.gpu() if hasattr(caffe, "gpu") else None
    return HostMemory() if device is None else gpu_memory(device)


@cache
def gpu_memory(device: int) -> Memory:
    """That GPU's; the host's, said in one line on stderr, where CuPy is not installed or does not work."""
    try:
        import cupy

        memory = GpuMemory(cupy, device)
        memory.enter()
        int(cupy.arange(2).sum())  # compiles and runs a kernel
    except Exception as error:  # CuPy's own errors are many, and need CuPy to be named
        why = str(error).strip().splitlines()
        print(
            f"GPU {device}: the Python layers work on the host, and whole maps travel for them, which is slow: CuPy is "
            f"missing or does not work here ({why[0] if why else type(error).__name__}); run: make cupy",
            file=sys.stderr,
        )
        return HostMemory()
    return memory
