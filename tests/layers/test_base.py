"""What every layer shares: checked parameters, readable errors."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

import numpy as np
import pytest

from layers import base
from layers.common.errors import RarError
from tests.layers.conftest import Array, forward, python_layer


@dataclasses.dataclass(frozen=True)
class Settings:
    sigma: float
    window: int = 3


class SilentLayer(base.RarLayer):
    """Does not say the shape of its tops."""


def test_parameters_from_json() -> None:
    assert base.read_parameters(Settings, '{"sigma": 1.5}', "X") == Settings(1.5, 3)
    assert base.read_parameters(base.RarLayer.Parameters, "", "X") == base.RarLayer.Parameters()


@pytest.mark.parametrize("text", ['{"sigma": 1.5,}', '{"sigma": 1, "sgima": 2}', "{}", "", "[1]"])
def test_wrong_parameters_are_refused(text: str) -> None:
    with pytest.raises(RarError, match="param_str of X is wrong"):
        base.read_parameters(Settings, text, "X")


def test_parameters_are_data_not_code() -> None:
    with pytest.raises(RarError):
        base.read_parameters(Settings, "dict(sigma=__import__('os').getpid())", "X")


@pytest.fixture
def inputs(five_points: Array) -> dict[str, Array]:
    return {"phi": np.ones((2, 5, 3), np.float32), "gamma": np.ones((2, 5), np.float32)}


def test_a_layer_names_the_bottoms_it_wants(inputs: dict[str, Array]) -> None:
    layer = python_layer("reweight.ReweightLayer", ["phi"], ["r_phi"])
    with pytest.raises(RarError, match="ReweightLayer takes the bottoms phi, gamma: the prototxt gives 1"):
        forward(layer, inputs)


def test_a_layer_refuses_an_unknown_parameter(inputs: dict[str, Array]) -> None:
    layer = python_layer("reweight.ReweightLayer", ["phi", "gamma"], ["r_phi"], window=3)
    with pytest.raises(RarError, match="ReweightLayer is wrong .*window"):
        forward(layer, inputs)


def test_tops_follow_the_bottoms(inputs: dict[str, Array]) -> None:
    net = forward(python_layer("reweight.ReweightLayer", ["phi", "gamma"], ["r_phi"]), inputs)
    for name, data in inputs.items():
        net.blobs[name].reshape(7, *data.shape[1:])
    net.forward()
    assert tuple(net.blobs["r_phi"].shape) == (1, 7, 15)


def test_a_layer_must_say_the_shape_of_its_tops(inputs: dict[str, Array]) -> None:
    sys.modules["layers.silent"] = sys.modules[__name__]
    try:
        with pytest.raises(RarError, match="SilentLayer does not say"):
            forward(python_layer("silent.SilentLayer", [], ["x"]), inputs)
    finally:
        del sys.modules["layers.silent"]


def test_a_users_mistake_reads_as_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What the `caffe` binary prints, which ends every Python error in sys.excepthook."""
    base._show_error(RarError, RarError("no faces in /x: prepare them"), None)
    assert capsys.readouterr().err == "error: no faces in /x: prepare them\n"
    base._show_error(ValueError, ValueError("a bug of ours"), None)
    assert "ValueError: a bug of ours" in capsys.readouterr().err


def test_every_layer_takes_its_parameters_as_json_text() -> None:
    layer: Any = python_layer("samples.SampleLayer", [], ["data"], source="$DATA/train", batch_size=2)
    assert json.loads(layer.python_param.param_str) == {"source": "$DATA/train", "batch_size": 2}
