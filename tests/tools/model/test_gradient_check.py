"""The checker finds what is wrong: formulas, forgotten writes, gradients where none should be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from caffe.proto import caffe_pb2

from layers.base import RarLayer
from tools.model.gradient_check import GradientChecker, layer_net

Array = np.ndarray
SIZES = {"c": (1, 2, 3), "gates": (1, 2, 12)}
IN_FLOAT64 = GradientChecker(step=1e-6, threshold=1e-7)


class ProductLayer(RarLayer):
    """top = x y, with a mistake on demand in its backward."""

    bottoms = ("x", "y")

    @dataclass(frozen=True)
    class Parameters:
        mistake: str = ""

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [tuple(bottom[0].shape)]

    def forward(self, bottom: Any, top: Any) -> None:
        top[0].data[...] = bottom[0].data * bottom[1].data

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        for i, other in ((0, 1), (1, 0)):
            bottom[i].diff[...] = top[0].diff * bottom[other].data
        match self.parameters.mistake:
            case "factor":
                bottom[1].diff[...] *= 1.01
            case "element":
                bottom[1].diff[2] *= -1
            case "adds":
                bottom[0].diff[...] += 1


@pytest.fixture(autouse=True)
def importable() -> Iterator[None]:
    sys.modules["product_layer_of_a_test"] = sys.modules[__name__]
    yield
    del sys.modules["product_layer_of_a_test"]


@pytest.fixture
def inputs() -> dict[str, Array]:
    generator = np.random.default_rng(0)
    return {name: (generator.normal(size=4) + 3).astype(np.float32) for name in ("x", "y")}


def product_net(inputs: dict[str, Array], mistake: str = "") -> Any:
    layer = caffe_pb2.LayerParameter(name="product", type="Python", bottom=["x", "y"], top=["z"])
    layer.python_param.module, layer.python_param.layer = "product_layer_of_a_test", "ProductLayer"
    layer.python_param.param_str = f'{{"mistake": "{mistake}"}}'
    return layer_net(layer, inputs)


def test_a_right_gradient_passes(inputs: dict[str, Array]) -> None:
    GradientChecker().check_net(product_net(inputs), inputs, ["z"])


@pytest.mark.parametrize(("mistake", "where"), [("factor", r"y\[0\]"), ("element", r"y\[2\]"), ("adds", r"x\[0\]")])
def test_mistakes_are_found_and_named(inputs: dict[str, Array], mistake: str, where: str) -> None:
    with pytest.raises(AssertionError, match=where + ": backward says .* differences"):
        GradientChecker().check_net(product_net(inputs, mistake), inputs, ["z"])


def test_a_gradient_that_should_be_zero_is_found(inputs: dict[str, Array]) -> None:
    with pytest.raises(AssertionError, match="y has a gradient, and should have none"):
        GradientChecker().check_net(product_net(inputs), inputs, ["z"], zero=("y",))


def test_a_forgotten_backward_is_found(inputs: dict[str, Array], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a layer does not write keeps its old value, which is not zero here, so it cannot pass as zero."""
    monkeypatch.setattr(ProductLayer, "backward", lambda *_: None)
    for zero in ((), ("x", "y")):
        with pytest.raises(AssertionError):
            GradientChecker().check_net(product_net(inputs), inputs, ["z"], zero=zero)


def test_kinks_can_be_left_out() -> None:
    """|x| near 0: the differences cross the kink, and a mask leaves that element out."""
    inputs = {"x": np.array([1.0, -2.0, 0.001], np.float32)}
    net = layer_net(caffe_pb2.LayerParameter(name="abs", type="AbsVal", bottom=["x"], top=["z"]), inputs)
    with pytest.raises(AssertionError, match=r"x\[2\]"):
        GradientChecker().check_net(net, inputs, ["z"])
    GradientChecker().check_net(net, inputs, ["z"], smooth={"x": np.abs(inputs["x"]) > 0.1})


def test_the_inputs_are_left_as_they_were(inputs: dict[str, Array]) -> None:
    before = {name: data.copy() for name, data in inputs.items()}
    GradientChecker().check_net(product_net(inputs), inputs, ["z"])
    for name, data in inputs.items():
        np.testing.assert_array_equal(data, before[name])


def test_functions() -> None:
    x = np.array([1.0, -2.0])
    IN_FLOAT64.check_function(lambda v: float((v**2).sum()), 2.0 * x, x)
    with pytest.raises(AssertionError, match=r"x\[1\]"):
        IN_FLOAT64.check_function(lambda v: float((v**2).sum()), np.array([2.0, -4.001]), x)
    np.testing.assert_array_equal(x, (1, -2))


def test_caffes_lstm_unit_passes() -> None:
    """What the recurrence stands on: C_{t-1} and the four activations."""
    generator = np.random.default_rng(1)
    inputs = {name: generator.normal(size=size).astype(np.float32) for name, size in SIZES.items()}
    inputs["cont"] = np.ones((1, 2), np.float32)
    layer = caffe_pb2.LayerParameter(name="unit", type="LSTMUnit", bottom=list(inputs), top=["c_next", "h"])
    layer.propagate_down.extend([True, True, False])
    net = layer_net(layer, inputs)
    GradientChecker().check_net(net, inputs, ["c_next", "h"], smooth={"cont": np.zeros((1, 2), np.bool_)})


def test_caffes_normalisation_passes() -> None:
    """MVN over the channels of each landmark's feature, as the recurrence has it.

    Its backward leaves eps out, so it is right where the deviation is far above eps: here 1000 times.
    """
    inputs = {"pooled": np.random.default_rng(2).normal(scale=3, size=(2, 3, 8, 1)).astype(np.float32)}
    layer = caffe_pb2.LayerParameter(name="mvn", type="MVN", bottom=["pooled"], top=["phi"])
    layer.mvn_param.eps = 1e-3
    net = layer_net(layer, inputs)
    GradientChecker().check_net(net, inputs, ["phi"])
    np.testing.assert_allclose(net.blobs["phi"].data.mean(2), 0, atol=1e-5)
    np.testing.assert_allclose(net.blobs["phi"].data.std(2), 1, atol=0.01)
