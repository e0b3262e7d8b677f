"""A Caffe net from a NetParameter in memory, and its passes."""

from __future__ import annotations

import tempfile
from typing import Any

from layers.quiet import caffe


def net_from(proto: Any, phase: int = caffe.TRAIN) -> Any:
    """The net that `proto`, a NetParameter, describes: Caffe reads nets from files only."""
    with tempfile.NamedTemporaryFile("w", suffix=".prototxt") as file:
        file.write(str(proto))
        file.flush()
        return caffe.Net(file.name, phase)


def forward(net: Any, end: str | None = None) -> None:
    """A forward pass, to the layer `end` inclusive, that leaves every blob where it is.

    pycaffe's own asks for `data` of all outputs, and on a GPU copies all of conv8 for it.
    """
    net._forward(0, len(net.layers) - 1 if end is None else list(net._layer_names).index(end))


def backward(net: Any) -> None:
    """A backward pass, likewise."""
    net._backward(len(net.layers) - 1, 0)
