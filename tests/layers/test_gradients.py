"""Every layer with a gradient against differences: in Caffe (float32), and its formula in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from caffe.proto import caffe_pb2

from layers.attention import softmax
from layers.common import heatmaps
from layers.common.gamma import GammaReading, gamma_for_every_centre
from layers.common.schemes import SCHEME_5
from layers.refinement import refinement_gradient, refinement_loss
from layers.reward import long_term_reward, reward_gradient, rewards
from layers.shape_indexed import firsts, look_up, scatter, window_places, winners
from tests.layers.conftest import Array, python_layer
from tools.model.caffe_net import net_from
from tools.model.gradient_check import GradientChecker, layer_net

IN_CAFFE = GradientChecker()
IN_FLOAT64 = GradientChecker(step=1e-6, threshold=1e-7)


def normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.normal(size=shape).astype(np.float32)


def net_of(layers: list[Any], inputs: dict[str, Array]) -> Any:
    """A net of Input blobs and several layers, in their order."""
    proto = caffe_pb2.NetParameter(name="several", force_backward=True)
    for name, data in inputs.items():
        proto.layer.add(name=name, type="Input", top=[name]).input_param.shape.add(dim=data.shape)
    for number, layer in enumerate(layers):
        proto.layer.add().CopyFrom(layer)
        proto.layer[-1].name = f"layer_{number}"
    return net_from(proto)


# conv8 ----------------------------------------------------------------------------------------------------------------

LOSS = "heatmap.SoftmaxRegressionLossLayer"


@pytest.fixture
def conv8(rng: np.random.Generator, five_points: Array) -> dict[str, Array]:
    """Scores and true shapes on 8 x 7 maps, one landmark off the crop."""
    shape = five_points / 2
    shape[1, 3] = (-4, 2)
    return {"conv8": 3 * normal(rng, 2, 5, 8, 7), "shape": shape}


def test_softmax_regression_loss(conv8: dict[str, Array]) -> None:
    net = layer_net(python_layer(LOSS, ["conv8", "shape"], ["loss"], sigma=1.2), conv8)
    IN_CAFFE.check_net(net, conv8, ["loss"], zero=("shape",))
    assert not net.blobs["conv8"].diff[1, 3].any(), "a landmark off the crop has no target"
    assert net.blobs["conv8"].diff[1, 2].any()


def test_softmax_regression_loss_in_float64(conv8: dict[str, Array]) -> None:
    scores = conv8["conv8"].astype(np.float64)
    target = heatmaps.target_blobs(conv8["shape"].astype(np.float64), 1.2, 8, 7)
    gradient = np.empty_like(scores)
    heatmaps.cross_entropy_gradient(scores, heatmaps.log_partition(scores), *target, 1.0, gradient)
    IN_FLOAT64.check_function(lambda s: heatmaps.cross_entropy(s, heatmaps.log_partition(s), *target), gradient, scores)


def test_the_loss_after_the_decoding_in_place(conv8: dict[str, Array]) -> None:
    """conv8 -> decode, conv8 in place -> loss: the gradient is that of the loss, untouched by the decoding."""
    layers = [
        python_layer("heatmap.HeatmapDecodeLayer", ["conv8"], ["conv8", "s_d", "peak"], radius=2),
        python_layer(LOSS, ["conv8", "shape"], ["loss"], sigma=1.2),
    ]
    IN_CAFFE.check_net(net_of(layers, conv8), conv8, ["loss"], zero=("shape",))


def test_decoding_alone_has_no_gradient(conv8: dict[str, Array]) -> None:
    inputs = {"conv8": conv8["conv8"]}
    net = layer_net(python_layer("heatmap.HeatmapDecodeLayer", ["conv8"], ["s_d", "peak"], radius=2), inputs)
    IN_CAFFE.check_net(net, inputs, ["s_d", "peak"], zero=("conv8",))


def test_softmax_regression_loss_of_confident_maps_stays_finite(five_points: Array) -> None:
    """A landmark the net is sure about in the wrong place still gets its full gradient, not 0/0."""
    scores = np.zeros((2, 5, 8, 7), np.float32)
    scores[:, :, 0, 0] = 500
    inputs = {"conv8": scores, "shape": five_points / 2}
    net = layer_net(python_layer(LOSS, ["conv8", "shape"], ["loss"], sigma=1.2), inputs)
    for name, data in inputs.items():
        net.blobs[name].data[...] = data
    assert np.isfinite(net.forward()["loss"])
    net.blobs["loss"].diff[...] = 1
    net.backward()
    np.testing.assert_allclose(net.blobs["conv8"].diff.sum((2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(net.blobs["conv8"].diff[:, :, 0, 0], 0.1, atol=1e-3)


# Shape-indexed features ---------------------------------------------------------------------------------------------

FEATURES, READS = "shape_indexed.ShapeIndexedFeatureLayer", ["deconv7", "s_hat"]


@pytest.fixture
def deconv7(rng: np.random.Generator, five_points: Array) -> dict[str, Array]:
    """Maps of values further apart than the checker's two steps, so that no window is at a kink of its maximum, and
    landmarks on them, one with its window over the corner."""
    maps = rng.permutation(2 * 3 * 9 * 8) * 0.05
    shape = five_points / 2
    shape[0, 0] = (-3, 20)
    return {"deconv7": maps.reshape(2, 3, 9, 8).astype(np.float32), "s_hat": shape}


@pytest.mark.parametrize("window", [1, 2, 3])
def test_shape_indexed_features(deconv7: dict[str, Array], window: int) -> None:
    net = layer_net(python_layer(FEATURES, READS, ["phi"], window=window), deconv7)
    IN_CAFFE.check_net(net, deconv7, ["phi"], zero=("s_hat",))


def test_shape_indexed_features_in_float64(rng: np.random.Generator, deconv7: dict[str, Array]) -> None:
    maps = deconv7["deconv7"].astype(np.float64)
    first = firsts(np, (2, 3, 9, 5), 72)
    places = first.map + window_places(deconv7["s_hat"], 3, 9, 8)[:, None]
    weights = rng.normal(size=(2, 5, 3))
    gradient = np.zeros_like(maps)
    scatter(weights, winners(look_up(maps, places), places, first.column), gradient)

    def weighted(maps: Array) -> float:
        return float((weights * look_up(maps, places).max(2).transpose(0, 2, 1)).sum())

    IN_FLOAT64.check_function(weighted, gradient, maps)


@pytest.mark.parametrize("readers", [2, 3])
def test_shape_indexed_chain_adds_up(deconv7: dict[str, Array], readers: int) -> None:
    """Readers in an in-place chain: the gradient is the sum of all, and nothing of what lay there before."""
    phis = [f"phi_{t}" for t in range(readers)]
    layers = [python_layer(FEATURES, READS, ["deconv7", phi], window=3) for phi in phis[:-1]]
    layers.append(python_layer(FEATURES, READS, phis[-1:], window=3))
    net = net_of(layers, deconv7)
    assert not [name for name in net.blobs if name.startswith("deconv7") and "split" in name]
    IN_CAFFE.check_net(net, deconv7, phis, zero=("s_hat",))


# Mean shift -----------------------------------------------------------------------------------------------------------

SHIFT, SHIFT_READS = "mean_shift.MeanShiftLayer", ["conv8", "log_partition", "s_hat"]


@pytest.fixture
def shift(conv8: dict[str, Array], rng: np.random.Generator) -> dict[str, Array]:
    """Maps, their partition, and landmarks: in the middle, at the border, off the map; none half-way between two
    places, where the window jumps."""
    s_hat = np.rint(conv8["shape"]) + rng.uniform(-0.4, 0.4, (2, 5, 2))
    s_hat[0, 0], s_hat[1, 0] = (0.1, 6.8), (-9.2, 3.3)
    partition = heatmaps.log_partition(conv8["conv8"])
    return {"conv8": conv8["conv8"], "log_partition": partition, "s_hat": s_hat.astype(np.float32)}


@pytest.mark.parametrize("radius", [1, 2])
def test_mean_shift(shift: dict[str, Array], radius: int) -> None:
    net = layer_net(python_layer(SHIFT, SHIFT_READS, ["u"], radius=radius), shift)
    IN_CAFFE.check_net(net, shift, ["u"], zero=("conv8", "log_partition"))
    assert np.abs(net.blobs["s_hat"].diff).max() > 0.1


def test_mean_shift_in_float64(shift: dict[str, Array], rng: np.random.Generator) -> None:
    scores, partition, s_hat = (shift[name].astype(np.float64) for name in SHIFT_READS)
    weights = rng.normal(size=(2, 5, 2))
    _, mass = heatmaps.mean_shift(scores, partition, s_hat, 2)

    def weighted(s_hat: Array) -> float:
        return float((weights * heatmaps.mean_shift(scores, partition, s_hat, 2)[0]).sum())

    IN_FLOAT64.check_function(weighted, -mass[..., None] * weights, s_hat)


def test_mean_shifts_between_decoding_and_loss_leave_the_gradient_of_conv8_alone(conv8: dict[str, Array]) -> None:
    """All read conv8 in place, in a chain: no Split, and the gradient is the loss's."""
    layers = [
        python_layer("heatmap.HeatmapDecodeLayer", ["conv8"], ["conv8", "s_d", "peak", "log_partition"], radius=2),
        python_layer(SHIFT, ["conv8", "log_partition", "s_d"], ["conv8", "u_0"], radius=2),
        python_layer(SHIFT, ["conv8", "log_partition", "s_d"], ["conv8", "u_1"], radius=1),
        python_layer(LOSS, ["conv8", "shape"], ["loss"], sigma=1.2),
    ]
    net = net_of(layers, conv8)
    assert not [name for name in net.blobs if name.startswith("conv8") and "split" in name]
    IN_CAFFE.check_net(net, conv8, ["loss"], zero=("shape",))
    assert net.blobs["conv8"].diff.any()


# The recurrence -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_reweighting(rng: np.random.Generator, scale: float) -> None:
    inputs = {"phi": normal(rng, 2, 5, 3, 1), "gamma": normal(rng, 2, 5)}
    net = layer_net(python_layer("reweight.ReweightLayer", ["phi", "gamma"], ["r_phi"], scale=scale), inputs)
    IN_CAFFE.check_net(net, inputs, ["r_phi"])


@pytest.mark.parametrize("gamma_twice", [False, True])
def test_shape_update(rng: np.random.Generator, five_points: Array, gamma_twice: bool) -> None:
    """Gradients from both tops: from delta_t, of the refinement loss, and from s_hat_{t+1}, of all later steps."""
    gamma = rng.dirichlet(np.ones(5), 2).astype(np.float32)
    inputs, tops = {"h": normal(rng, 1, 2, 10), "gamma": gamma, "s_hat": five_points}, ["delta", "next"]
    layer = python_layer("refinement.ShapeUpdateLayer", list(inputs), tops, alpha=8.0, gamma_twice=gamma_twice)
    IN_CAFFE.check_net(layer_net(layer, inputs), inputs, tops)


@pytest.fixture
def refinement(rng: np.random.Generator, five_points: Array) -> dict[str, Array]:
    return {
        "delta": normal(rng, 2, 5, 2),
        "s_hat": five_points + normal(rng, 2, 5, 2),
        "shape": five_points,
        "gamma": rng.dirichlet(np.ones(5), 2).astype(np.float32),
    }


def test_refinement_loss(refinement: dict[str, Array]) -> None:
    net = layer_net(python_layer("refinement.RefinementLossLayer", list(refinement), ["loss"]), refinement)
    IN_CAFFE.check_net(net, refinement, ["loss"], zero=("shape", "gamma"))


def test_refinement_loss_in_float64(refinement: dict[str, Array]) -> None:
    delta, s_hat, shape, gamma = (value.astype(np.float64) for value in refinement.values())
    gradient = refinement_gradient(delta, s_hat, shape, gamma)
    IN_FLOAT64.check_function(lambda x: refinement_loss(x, s_hat, shape, gamma), gradient, delta, "delta")
    IN_FLOAT64.check_function(lambda x: refinement_loss(delta, x, shape, gamma), gradient, s_hat, "s_hat")


# The attention reward -----------------------------------------------------------------------------------------------

STEPS, ETA = 2, 0.7


@pytest.fixture
def trajectory(rng: np.random.Generator, five_points: Array) -> dict[str, Array]:
    """Two steps of two faces: what the layers of the reward read."""
    return {
        "shape": five_points,
        **{f"s_hat_{t}": five_points + normal(rng, 2, 5, 2) / (t + 1) for t in range(STEPS + 1)},
        **{f"gamma_{t}": rng.dirichlet(np.ones(5), 2).astype(np.float32) for t in range(STEPS)},
    }


@pytest.fixture
def policies(rng: np.random.Generator) -> dict[str, Array]:
    return {f"policy_{t}": rng.dirichlet(np.full(5, 3.0), 2).astype(np.float32) for t in range(STEPS)}


@pytest.mark.parametrize("even_weight", [0.0, 0.3])
def test_attention_reward(trajectory: dict[str, Array], even_weight: float) -> None:
    """To the shapes; the weights inside (14) get none."""
    parameters = {"eta": ETA, "even_weight": even_weight}
    layer = python_layer("reward.AttentionRewardLayer", list(trajectory), ["loss"], **parameters)
    held = ("shape", *(name for name in trajectory if name.startswith("gamma")))
    IN_CAFFE.check_net(layer_net(layer, trajectory), trajectory, ["loss"], zero=held)


def test_attention_reward_in_float64(trajectory: dict[str, Array]) -> None:
    values = {name: value.astype(np.float64) for name, value in trajectory.items()}
    s_hat, weights = (np.stack([values[f"{name}_{t}"] for t in range(n)]) for name, n in (("s_hat", 3), ("gamma", 2)))
    found = reward_gradient(s_hat, values["shape"], weights, ETA)
    value = lambda shapes: long_term_reward(rewards(shapes, values["shape"], weights), ETA)  # noqa: E731
    GradientChecker(step=1e-5, threshold=1e-6).check_function(value, found, s_hat)


def test_expected_reward(rng: np.random.Generator, policies: dict[str, Array]) -> None:
    rewards = {f"reward_{t}": normal(rng, 2, 5) for t in range(STEPS)}
    inputs = policies | rewards
    layer = python_layer("counterfactual.ExpectedRewardLayer", list(inputs), ["loss"], eta=ETA)
    IN_CAFFE.check_net(layer_net(layer, inputs), inputs, ["loss"], zero=tuple(rewards))


def test_policy_entropy(policies: dict[str, Array]) -> None:
    layer = python_layer("entropy.PolicyEntropyLayer", list(policies), ["loss"])
    GradientChecker(step=1e-3).check_net(layer_net(layer, policies), policies, ["loss"])


@pytest.mark.parametrize("no_repeat", [False, True])
def test_the_policy_of_the_attention_centre(rng: np.random.Generator, five_points: Array, no_repeat: bool) -> None:
    """p is the softmax of the confidences, without the centre of the step before; Gamma alone passes nothing back."""
    inputs = {"confidence": normal(rng, 1, 2, 5), "s_hat": five_points}
    if no_repeat:
        inputs["previous"] = np.array([[3], [0]], np.float32)
    layer = python_layer(
        "attention.AttentionCentreLayer", list(inputs), ["centre", "gamma", "policy"],
        scheme="5", temperature=0.6, no_repeat=no_repeat,
    )  # fmt: skip
    net = layer_net(layer, inputs)
    IN_CAFFE.check_net(net, inputs, ["policy"], zero=tuple(inputs)[1:])
    net.blobs["policy"].diff[...], net.blobs["gamma"].diff[...] = 0, 1
    net.backward()
    assert not net.blobs["confidence"].diff.any()


@pytest.mark.parametrize("reading", [{}, {"kappa": "peak", "width": 0.7}])
def test_straight_through(rng: np.random.Generator, five_points: Array, reading: dict[str, Any]) -> None:
    """Forward the weights of one centre, backward the gradient of the mean weights."""
    inputs, weights = {"confidence": normal(rng, 1, 2, 5), "s_hat": five_points}, normal(rng, 2, 5)
    layer = python_layer(
        "attention.AttentionCentreLayer", list(inputs), ["centre", "gamma"],
        scheme="5", temperature=0.6, straight_through=True, **reading,
    )  # fmt: skip
    net = layer_net(layer, inputs)
    for name, data in inputs.items():
        net.blobs[name].data[...] = data
    net.forward()
    net.blobs["gamma"].diff[...] = weights
    net.backward()
    every = gamma_for_every_centre(five_points.astype(np.float64), SCHEME_5, GammaReading(**reading))
    confidence = inputs["confidence"][0].astype(np.float64)
    np.testing.assert_allclose(net.blobs["gamma"].data, every[[0, 1], confidence.argmax(-1)], rtol=1e-5)

    def mean_weights(c: Array) -> float:
        return float((weights * np.einsum("nc,ncl->nl", softmax(c / 0.6), every)).sum())

    found = net.blobs["confidence"].diff[0].astype(np.float64)
    GradientChecker(step=1e-6, threshold=1e-5).check_function(mean_weights, found, confidence)
    assert not net.blobs["s_hat"].diff.any()
