"""What every RAR layer shares: checked JSON parameters, named bottoms, readable errors inside the `caffe` binary."""

from __future__ import annotations

import dataclasses
import json
import sys
from types import TracebackType
from typing import Any

from layers import native
from layers.common.errors import RarError
from layers.memory import HostMemory, memory_here
from layers.quiet import caffe


def _show_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, RarError):
        print(f"error: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


# The `caffe` program reports a Python error through this hook, so a user's mistake reads as one line there too. Python
# inside another program has no command line of its own; in anyone else's Python the hook is theirs.
if not sys.orig_argv:
    sys.excepthook = _show_error


class RarLayer(caffe.Layer):  # type: ignore[misc]
    """Base of the project's Python layers.

    A subclass lists its bottoms by name and declares `Parameters`, a dataclass read from the JSON of `param_str`.
    Caffe calls `reshape` before every forward; blobs are reshaped only when a size changed, and `top_shapes` depends on
    nothing but the bottoms' sizes.
    `memory` gives whole maps as arrays where they are, on the host or on the GPU (layers/memory.py).
    """

    bottoms: tuple[str, ...] = ()
    small = False  # all blobs are a few numbers a landmark, which the host computes with in GPU mode too
    reshapes_once = True  # our Caffe then calls `reshape` when a bottom's size changes, and not before every forward

    @dataclasses.dataclass(frozen=True)
    class Parameters:
        """No parameters."""

    def setup(self, bottom: Any, top: Any) -> None:
        """Check the number of bottoms and read the parameters; RarError when either is wrong."""
        name = type(self).__name__
        if len(bottom) != len(self.bottoms):
            raise RarError(f"{name} takes the bottoms {', '.join(self.bottoms)}: the prototxt gives {len(bottom)}")
        self.parameters: Any = read_parameters(self.Parameters, self.param_str, name)
        self.memory = memory_here()
        self.prepare(bottom, top)
        on_host = self.small or isinstance(self.memory, HostMemory)
        self.native = self.native_pass(native.TWINS) if on_host and native.TWINS is not None else None

    def prepare(self, bottom: Any, top: Any) -> None:
        """One-time work of a subclass, after `self.parameters` is set."""

    def native_pass(self, twins: Any) -> Any:
        """The compiled twin, which our Caffe runs in place of the passes on the host; None: none knows the settings."""

    def reshape(self, bottom: Any, top: Any) -> None:
        """Give every top the shape that `top_shapes` returns for it. The passes that follow are of this thread."""
        self.memory.enter()
        for blob, shape in zip(blobs(top), self.top_shapes(bottom, top), strict=True):
            if tuple(blob.shape) != tuple(shape) or not blob.count:  # a new blob has no axes, like a scalar
                blob.reshape(*shape)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        """Shapes of the tops, given the bottoms."""
        raise RarError(f"{type(self).__name__} does not say the shape of its tops")

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        """A layer without a gradient: its bottoms receive zero."""
        for blob, wanted in zip(blobs(bottom), propagate_down, strict=True):
            if wanted:
                blob.diff[...] = 0


def blobs(vector: Any) -> list[Any]:
    """The blobs of Caffe's bottom or top vector, which has indices but no iterator."""
    return [vector[i] for i in range(len(vector))]


def read_parameters(kind: type, text: str, owner: str) -> Any:
    """The dataclass `kind` from a JSON object; RarError for bad JSON, an unknown or a missing key."""
    try:
        values = json.loads(text or "{}")
        return kind(**values)
    except (ValueError, TypeError) as error:
        raise RarError(f"param_str of {owner} is wrong ({error}): {text!r}") from error
