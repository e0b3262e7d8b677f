"""Read tensors from a file of `torch.save` (the format before PyTorch 1.6) with numpy alone.

Such a file is: pickled magic number, protocol version and machine facts; the pickled object, whose tensors refer to
storages by key; the pickled list of keys; then per key an int64 count and the raw numbers. Nothing that the pickle
names is imported: the reader knows dictionaries and tensors of the types below, and refuses everything else.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {"ByteStorage": np.dtype("u1"), "FloatStorage": np.dtype("<f4")}


class _Tensor:
    """A tensor whose storage has not been read yet."""

    def __init__(self, storage: tuple[Any, ...], offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.key, self.dtype = storage
        self.offset, self.shape, self.stride = offset, shape, stride

    def array(self, storages: dict[str, NDArray[Any]]) -> NDArray[Any]:
        contiguous = tuple(int(np.prod(self.shape[i + 1 :])) for i in range(len(self.shape)))
        if self.stride != contiguous:
            raise pickle.UnpicklingError(f"a tensor with strides {self.stride}")
        values = storages[self.key][self.offset : self.offset + int(np.prod(self.shape))]
        return values.reshape(self.shape)


def _rebuild_tensor(storage: tuple[Any, ...], offset: int, shape: tuple[int, ...], stride: tuple[int, ...],
                    *_: object) -> _Tensor:  # fmt: skip
    return _Tensor(storage, offset, shape, stride)


class _Reader(pickle.Unpickler):
    """Unpickler that resolves the few names a dictionary of tensors needs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"unexpected {module}.{name}")

    def persistent_load(self, reference: tuple[Any, ...]) -> tuple[Any, ...]:
        _, dtype, key = reference[:3]
        return key, dtype


def load_tensors(data: bytes) -> dict[str, NDArray[Any]]:
    """Name -> array of a saved dictionary of byte and float tensors.

    Raises pickle.UnpicklingError, EOFError, struct.error or ValueError on anything that is not such a file.
    """
    stream = io.BytesIO(data)
    if _Reader(stream).load() != MAGIC:
        raise pickle.UnpicklingError("not a file of torch.save")
    _Reader(stream).load()  # protocol version
    if not _Reader(stream).load()["little_endian"]:
        raise pickle.UnpicklingError("saved on a big-endian machine")
    tensors = cast("dict[str, _Tensor]", _Reader(stream).load())
    dtypes = {tensor.key: tensor.dtype for tensor in tensors.values()}
    storages = {}
    for key in _Reader(stream).load():
        (count,) = struct.unpack("<q", stream.read(8))
        raw = stream.read(count * dtypes[key].itemsize)
        storages[key] = np.frombuffer(raw, dtypes[key], count)
    return {name: tensor.array(storages) for name, tensor in tensors.items()}
