"""The packages that only this folder needs, in an environment of their own."""

from __future__ import annotations

from importlib.util import find_spec

from layers.common.errors import RarError


def check_packages() -> None:
    """RarError unless this Python has onnx and onnxruntime."""
    for name in ("onnx", "onnxruntime"):
        if find_spec(name) is None:
            raise RarError(f"this Python has no package {name}: run make onnx or make test-onnx, which bring their own")
