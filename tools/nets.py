"""A Caffe net from a NetParameter in memory."""

from __future__ import annotations

import tempfile
from typing import Any

import caffe


def net_from(proto: Any, phase: int = caffe.TRAIN) -> Any:
    """The net that `proto`, a NetParameter, describes: Caffe reads nets from files only."""
    with tempfile.NamedTemporaryFile("w", suffix=".prototxt") as file:
        file.write(str(proto))
        file.flush()
        return caffe.Net(file.name, phase)
