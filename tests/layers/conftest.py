"""Small faces and one-layer nets for the tests of the layers."""

from __future__ import annotations

import json
from typing import Any

import caffe
import numpy as np
import pytest
from caffe.proto import caffe_pb2

from tools.model.gradient_check import layer_net

Array = np.ndarray


def python_layer(kind: str, bottoms: list[str], tops: list[str], **parameters: Any) -> Any:
    """A LayerParameter of one of our layers, "module.Class"."""
    module, name = kind.split(".")
    layer = caffe_pb2.LayerParameter(name="layer", type="Python", bottom=bottoms, top=tops)
    layer.python_param.module, layer.python_param.layer = f"layers.{module}", name
    layer.python_param.param_str = json.dumps(parameters)
    return layer


def forward(layer: Any, inputs: dict[str, Array], phase: int = caffe.TRAIN) -> Any:
    """The net of one layer after a forward pass over the inputs."""
    net = layer_net(layer, inputs, phase)
    for name, data in inputs.items():
        net.blobs[name].data[...] = data
    net.forward()
    return net


@pytest.fixture(autouse=True)
def caffe_mode(request: pytest.FixtureRequest) -> None:
    """With --gpu all tests of the layers are the GPU's."""
    if request.config.getoption("--gpu", default=False):
        request.getfixturevalue("gpu_mode")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1701)


@pytest.fixture
def five_points() -> Array:
    """Two 5-point faces (N, 5, 2) on a 16 px crop."""
    face = np.array([[4.3, 5.2], [11.1, 4.8], [7.6, 8.4], [5.2, 11.7], [10.4, 12.1]])
    return np.stack([face, face[:, ::-1] + 0.4]).astype(np.float32)
