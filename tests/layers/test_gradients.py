"""Every layer with a gradient against differences: in Caffe (float32), and its formula in float64."""

from __future__ import annotations

import numpy as np
import pytest

from layers import attention, refinement, reward, shape_indexed
from layers.common import heatmaps
from layers.common.schemes import SCHEME_5
from tests.layers.conftest import Array, python_layer
from tools.gradient_check import GradientChecker, layer_net

IN_CAFFE = GradientChecker()
IN_FLOAT64 = GradientChecker(step=1e-6, threshold=1e-7)


def test_checker_finds_a_wrong_gradient() -> None:
    x = np.array([1.0, -2.0])
    IN_FLOAT64.check_function(lambda v: float((v**2).sum()), 2 * x, x)
    with pytest.raises(AssertionError, match=r"x\[1\]"):
        IN_FLOAT64.check_function(lambda v: float((v**2).sum()), np.array([2.0, -4.001]), x)


def test_softmax_regression_loss(rng: np.random.Generator, five_points: Array) -> None:
    five_points[1, 3] = (-4, 2)  # off the crop: no target, no gradient
    inputs = {"conv8": rng.normal(size=(2, 5, 8, 7)).astype(np.float32) * 3, "shape": five_points / 2}
    layer = python_layer("heatmap.SoftmaxRegressionLossLayer", ["conv8", "shape"], ["loss"], sigma=1.2)
    net = layer_net(layer, inputs)
    IN_CAFFE.check_net(net, inputs, ["loss"], zero=("shape",))
    assert not net.blobs["conv8"].diff[1, 3].any()
    assert net.blobs["conv8"].diff[1, 2].any()


def test_softmax_regression_loss_in_float64(rng: np.random.Generator, five_points: Array) -> None:
    scores = rng.normal(size=(2, 5, 8, 7)) * 3
    target = heatmaps.target_blobs(five_points.astype(np.float64) / 2, 1.2, 8, 7)
    gradient = np.empty_like(scores)
    heatmaps.cross_entropy_gradient(scores, heatmaps.log_partition(scores), *target, 1.0, gradient)
    IN_FLOAT64.check_function(lambda s: heatmaps.cross_entropy(s, heatmaps.log_partition(s), *target), gradient, scores)


def test_softmax_regression_loss_of_confident_maps_stays_finite(five_points: Array) -> None:
    """A landmark the net is sure about in the wrong place still gets its full gradient, not 0/0."""
    scores = np.zeros((2, 5, 8, 7), np.float32)
    scores[:, :, 0, 0] = 500
    inputs = {"conv8": scores, "shape": five_points / 2}
    net = layer_net(python_layer("heatmap.SoftmaxRegressionLossLayer", ["conv8", "shape"], ["loss"], sigma=1.2), inputs)
    for name, data in inputs.items():
        net.blobs[name].data[...] = data
    assert np.isfinite(net.forward()["loss"])
    net.blobs["loss"].diff[...] = 1
    net.backward()
    np.testing.assert_allclose(net.blobs["conv8"].diff.sum((2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(net.blobs["conv8"].diff[:, :, 0, 0], 0.1, atol=1e-3)


def spread_maps(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Values no two of which are closer than the checker's two steps: no window is at a kink of its maximum."""
    return (rng.permutation(int(np.prod(shape))) * 0.05).reshape(shape).astype(np.float32)


@pytest.mark.parametrize("window", [1, 3])
def test_shape_indexed_features(rng: np.random.Generator, five_points: Array, window: int) -> None:
    inputs = {"deconv7": spread_maps(rng, (2, 3, 9, 8)), "s_hat": five_points / 2}
    inputs["s_hat"][0, 0] = (-3, 20)  # a window over the corner of the map
    kind, bottoms = "shape_indexed.ShapeIndexedFeatureLayer", ["deconv7", "s_hat"]
    net = layer_net(python_layer(kind, bottoms, ["phi"], window=window, scale=0.5), inputs)
    IN_CAFFE.check_net(net, inputs, ["phi"], zero=("s_hat",))


def test_shape_indexed_chain_adds_up(rng: np.random.Generator, five_points: Array) -> None:
    """Two readers in an in-place chain: the gradient is the sum of both, and nothing of what lay there before."""
    inputs = {"deconv7": spread_maps(rng, (2, 3, 9, 8)), "s_hat": five_points / 2}
    kind, bottoms = "shape_indexed.ShapeIndexedFeatureLayer", ["deconv7", "s_hat"]
    net = layer_net(python_layer(kind, bottoms, ["deconv7", "phi_0"], window=3, scale=1.0), inputs)
    net = chain(net_proto(inputs, kind, bottoms))
    IN_CAFFE.check_net(net, inputs, ["phi_0", "phi_1"], zero=("s_hat",))


def net_proto(inputs: dict[str, Array], kind: str, bottoms: list[str]) -> object:
    import caffe

    proto = caffe.proto.caffe_pb2.NetParameter(name="chain", force_backward=True)
    for name, data in inputs.items():
        proto.layer.add(name=name, type="Input", top=[name]).input_param.shape.add(dim=data.shape)
    for tops in (["deconv7", "phi_0"], ["phi_1"]):
        layer = python_layer(kind, bottoms, tops, window=3, scale=1.0)
        layer.name = tops[-1]
        proto.layer.add().CopyFrom(layer)
    return proto


def chain(proto: object) -> object:
    from tools.gradient_check import net_from

    return net_from(proto)
