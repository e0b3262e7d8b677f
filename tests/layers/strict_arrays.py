"""Arrays as strict as CuPy's, computed by numpy: what runs with them moves nothing between host and GPU unseen.

They take part in nothing together with numpy's arrays, and become such by `.get()` alone, as CuPy's do. `MOVED` has the
sizes of what was moved, either way. The module's functions are numpy's: `sys.modules["strict_arrays"]`.
"""

from __future__ import annotations

import operator
import sys
from types import ModuleType
from typing import Any

import caffe
import numpy as np
import pytest

MOVED: list[int] = []
BINARY = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "and_", "or_")
COMPARING = ("lt", "le", "gt", "ge", "eq", "ne")
METHODS = ("all", "any", "argmax", "astype", "max", "mean", "min", "ravel", "reshape", "sum", "transpose")


class Array:
    """An array of the strict kind, over the memory of one of numpy's."""

    __module__ = "strict_arrays"
    __array_ufunc__ = None  # numpy's operators leave it to ours, which refuse

    def __init__(self, own: np.ndarray) -> None:
        self._own = own

    def __array__(self, *_: object) -> np.ndarray:
        raise TypeError("no implicit conversion to a numpy array: use .get()")

    def get(self) -> np.ndarray:
        """A copy as numpy's array."""
        MOVED.append(self._own.size)
        return self._own.copy()

    def __getitem__(self, index: Any) -> Array:
        return wrapped(self._own[bare(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._own[bare(index)] = bare(value)

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            method = getattr(self._own, name)
            return lambda *args, **options: wrapped(method(*map(bare, args), **options))
        if name in ("shape", "dtype", "size", "ndim"):
            return getattr(self._own, name)
        raise AttributeError(name)

    def __len__(self) -> int:
        return len(self._own)

    def __float__(self) -> float:
        return float(self.get())

    def __bool__(self) -> bool:
        return bool(self.get())

    def __neg__(self) -> Array:
        return wrapped(-self._own)


def bare(value: Any) -> Any:
    """What numpy is to compute with; TypeError for its own arrays, as from CuPy."""
    if isinstance(value, Array):
        return value._own
    if isinstance(value, np.ndarray):
        raise TypeError(f"unsupported type {type(value)}")
    if isinstance(value, (tuple, list)):
        return type(value)(map(bare, value))
    return value


def wrapped(value: Any) -> Any:
    """numpy's results as ours; scalars become arrays without axes, as in CuPy."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(wrapped, value))
    return Array(np.asarray(value)) if isinstance(value, (np.ndarray, np.generic)) else value


def _operator(name: str, kind: str) -> Any:
    compute = getattr(operator, name)

    def run(self: Array, other: Any) -> Any:
        if kind == "in place":
            getattr(operator, f"i{name.rstrip('_')}")(self._own, bare(other))
            return self
        pair = (self._own, bare(other))
        return wrapped(compute(*(pair[::-1] if kind == "reflected" else pair)))

    return run


for name in BINARY:
    plain = name.rstrip("_")
    setattr(Array, f"__{plain}__", _operator(name, "plain"))
    setattr(Array, f"__r{plain}__", _operator(name, "reflected"))
    setattr(Array, f"__i{plain}__", _operator(name, "in place"))
for name in COMPARING:
    setattr(Array, f"__{name}__", _operator(name, "plain"))


class Function:
    """One of numpy's functions on strict arrays, with `at` where it is a ufunc."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def __call__(self, *args: Any, **options: Any) -> Any:
        out = options.get("out")
        found = wrapped(self._run(*map(bare, args), **{key: bare(value) for key, value in options.items()}))
        return found if out is None else out

    def at(self, *args: Any) -> None:
        self._run.at(*map(bare, args))


class Module(ModuleType):
    """The library: numpy's functions, and `asarray`, the way to it."""

    def __getattr__(self, name: str) -> Any:
        return Function(getattr(np, name))

    @staticmethod
    def asarray(array: Any) -> Array:
        """The array as ours; one of numpy's is copied."""
        if isinstance(array, Array):
            return array
        MOVED.append(array.size)
        return Array(array.copy())


module = sys.modules["strict_arrays"] = Module("strict_arrays")


class StrictMemory:
    """A stand-in for layers.memory.GpuMemory: Caffe's blobs, on the host, as strict arrays over their memory."""

    xp = module

    def enter(self) -> None:
        """Nothing to do."""

    @staticmethod
    def data(blob: Any) -> Array:
        return Array(DATA.fget(blob))

    @staticmethod
    def diff(blob: Any) -> Array:
        return Array(DIFF.fget(blob))


DATA, DIFF = caffe._caffe.Blob.data, caffe._caffe.Blob.diff  # pycaffe's own, which on a GPU copy to the host


def record_touches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the blobs whose `data` or `diff` is asked for from now on, as they come."""
    sizes: list[int] = []

    def recording(own: property) -> property:
        def get(blob: Any) -> Any:
            sizes.append(blob.count)
            assert own.fget
            return own.fget(blob)

        return property(get)

    for name, own in (("data", DATA), ("diff", DIFF)):
        monkeypatch.setattr(caffe._caffe.Blob, name, recording(own))
    return sizes
