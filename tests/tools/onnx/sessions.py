"""Models in onnxruntime."""

from __future__ import annotations

from typing import Any

import onnxruntime
from onnx import ModelProto


def session(model: ModelProto) -> Any:
    """An InferenceSession with one thread: more would wait for each other at full speed where cores are few."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)
