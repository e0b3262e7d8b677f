"""Every translator against real Caffe, on nets of one layer; and what a layer without a translation is told."""

from __future__ import annotations

import json
from typing import Any

import caffe
import numpy as np
import pytest
from caffe.proto import caffe_pb2
from google.protobuf import text_format

from layers.common.errors import RarError
from layers.common.schemes import SCHEMES
from tools.model.caffe_net import net_from

pytest.importorskip("onnxruntime", reason="no onnxruntime here: run ./rar-caffe packages onnx")

from tests.tools.onnx.sessions import session
from tools.onnx import fit, native, ours  # noqa: F401
from tools.onnx.export import translate_net
from tools.onnx.graph import Graph
from tools.onnx.layer import TRANSLATORS

Array = np.ndarray
MAPS = (2, 4, 7, 9)


def net_of(layer: str, inputs: dict[str, Array]) -> Any:
    """The NetParameter of one layer, given as prototxt, that reads all inputs."""
    net = caffe_pb2.NetParameter()
    for name, data in inputs.items():
        given = net.layer.add(name=name, type="Input", top=[name])
        given.input_param.shape.add().dim.extend(data.shape)
    text_format.Parse("layer { " + layer + " }", net)
    net.layer[-1].name = "tested"
    net.layer[-1].bottom[:] = list(inputs)
    return net


def in_caffe_and_onnx(
    layer: str, inputs: dict[str, Array], weights: list[Array] | None = None
) -> list[tuple[Array, Array]]:
    """Each top of a layer as Caffe and as onnxruntime compute it; random weights unless they are given."""
    proto, rng = net_of(layer, inputs), np.random.default_rng(3)
    net = net_from(proto, caffe.TEST)
    for i, blob in enumerate(net.params.get("tested", [])):
        blob.data[...] = weights[i] if weights else rng.normal(size=blob.data.shape)
    for name, data in inputs.items():
        net.blobs[name].data[...] = data
    net.forward()
    graph = Graph()
    given = {name: graph.input(name, np.float32, ["N", *data.shape[1:]]) for name, data in inputs.items()}
    tops = list(proto.layer[-1].top)
    blobs = translate_net(graph, proto, net, given)
    for top in tops:
        graph.output(f"found_{top}", blobs[top], [None] * net.blobs[top].data.ndim)
    ready = session(graph.model("test"))
    needed = {entry.name for entry in ready.get_inputs()}
    found = ready.run(None, {name: data.astype(np.float32) for name, data in inputs.items() if name in needed})
    return [(net.blobs[top].data.copy(), value) for top, value in zip(tops, found, strict=True)]


def assert_same(pairs: list[tuple[Array, Array]], tolerance: float = 1e-5) -> None:
    for wanted, found in pairs:
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * max(1, np.abs(wanted).max()))


CONVOLUTION = 'type: "Convolution" top: "y" convolution_param {{ num_output: 6 kernel_size: 3 {} }}'
DECONVOLUTION = 'type: "Deconvolution" top: "y" convolution_param {{ num_output: 6 kernel_size: 4 {} }}'
PRODUCT = 'type: "InnerProduct" top: "y" inner_product_param {{ num_output: 5 {} }}'


@pytest.mark.parametrize(
    "layer",
    [
        CONVOLUTION.format("pad: 1"),
        CONVOLUTION.format("stride: 2 dilation: 2 pad: 2 bias_term: false"),
        CONVOLUTION.format("group: 2"),
        DECONVOLUTION.format("stride: 2 pad: 1"),
        DECONVOLUTION.format("stride: 2 group: 2 bias_term: false"),
        'type: "Pooling" top: "y" pooling_param { pool: MAX kernel_size: 2 stride: 2 }',  # 7 x 9: rounded up
        'type: "ReLU" top: "y"',
        'type: "ReLU" top: "x"',
        'type: "ReLU" top: "y" relu_param { negative_slope: 0.1 }',
        PRODUCT.format(""),
        PRODUCT.format("axis: 2 bias_term: false"),
        PRODUCT.format("axis: 3 transpose: true"),
        'type: "Power" top: "y" power_param { scale: 0.5 shift: 3 }',
        'type: "Reduction" top: "y" reduction_param { axis: 2 coeff: 0.25 }',
        'type: "Tile" top: "y" tile_param { axis: 2 tiles: 3 }',
        'type: "Reshape" top: "y" reshape_param { shape { dim: 0 dim: 2 dim: -1 } }',
        'type: "Flatten" top: "y"',
        'type: "Split" top: "y" top: "z"',
    ],
)
def test_a_layer_of_caffe(layer: str, rng: np.random.Generator) -> None:
    assert_same(in_caffe_and_onnx(layer, {"x": rng.normal(size=MAPS)}))


def test_concat(rng: np.random.Generator) -> None:
    layer = 'type: "Concat" top: "y" concat_param { axis: 2 }'
    assert_same(in_caffe_and_onnx(layer, {"a": rng.normal(size=(1, 2, 3)), "b": rng.normal(size=(1, 2, 5))}))


def test_lstm_unit(rng: np.random.Generator) -> None:
    inputs = {"c": rng.normal(size=(1, 3, 4)), "gates": rng.normal(size=(1, 3, 16)), "cont": np.array([[1, 0, 1]])}
    assert_same(in_caffe_and_onnx('type: "LSTMUnit" top: "c_next" top: "h"', inputs))


@pytest.mark.parametrize("shape", [(2, 6), MAPS])
@pytest.mark.parametrize("count", [0, 3])
def test_batch_norm_by_stored_statistics(shape: tuple[int, ...], count: float, rng: np.random.Generator) -> None:
    layer = 'type: "BatchNorm" top: "y" batch_norm_param { use_global_stats: true eps: 0.25 }'
    weights = [rng.normal(size=shape[1]), rng.uniform(0, 4, shape[1]), np.array([count])]
    assert_same(in_caffe_and_onnx(layer, {"x": rng.normal(size=shape)}, weights))


def python_layer(kind: str, tops: int, in_place: str = "", **parameters: Any) -> str:
    """Prototxt of one of our layers, "module.Class". in_place: a bottom that is a top too, the first one."""
    module, name = kind.split(".")
    names = " ".join(f'top: "{top}"' for top in ([in_place] if in_place else []) + [f"y{i}" for i in range(tops)])
    text = json.dumps(parameters).replace('"', '\\"')
    return f'type: "Python" {names} python_param {{ module: "layers.{module}" layer: "{name}" param_str: "{text}" }}'


def test_heatmap_decode(rng: np.random.Generator) -> None:
    """Peaks anywhere, in the corners and on the edges too, where the window is cut."""
    scores = rng.normal(size=(3, 6, 12, 17)) * 2
    for landmark, (y, x) in enumerate([(0, 0), (11, 16), (0, 8), (5, 16), (6, 7), (1, 1)]):
        scores[:, landmark, y, x] += 8
    layer = python_layer("heatmap.HeatmapDecodeLayer", 2, radius=2)
    assert_same(in_caffe_and_onnx(layer, {"conv8": scores}))


def test_heatmap_decode_with_the_partition(rng: np.random.Generator) -> None:
    layer = python_layer("heatmap.HeatmapDecodeLayer", 3, in_place="conv8", radius=2)
    assert_same(in_caffe_and_onnx(layer, {"conv8": rng.normal(size=(2, 5, 12, 17))}))


@pytest.fixture
def s_hat(rng: np.random.Generator) -> Array:
    """Landmarks on the map, half-way between two pixels, over the edge and far away."""
    s_hat = rng.uniform(-4, 16, size=(2, 7, 2))
    s_hat[:, :3] = [(2.5, 3.5), (-1e9, 4), (1e9, -1e9)]
    return s_hat


@pytest.mark.parametrize("radius", [1, 3])
@pytest.mark.parametrize("in_place", ["", "conv8"])
def test_mean_shift(radius: int, in_place: str, s_hat: Array, rng: np.random.Generator) -> None:
    inputs = {"conv8": rng.normal(size=(2, 7, 10, 12)), "log_partition": rng.normal(size=(2, 7)) + 4, "s_hat": s_hat}
    pairs = in_caffe_and_onnx(python_layer("mean_shift.MeanShiftLayer", 1, in_place, radius=radius), inputs)
    assert np.abs(pairs[-1][0]).max() > 0.1
    assert_same(pairs)


@pytest.mark.parametrize("window", [1, 2, 3, 5])
def test_shape_indexed_features(window: int, s_hat: Array, rng: np.random.Generator) -> None:
    layer = python_layer("shape_indexed.ShapeIndexedFeatureLayer", 1, window=window)
    assert_same(in_caffe_and_onnx(layer, {"deconv7": rng.normal(size=(2, 5, 10, 12)), "s_hat": s_hat}))


@pytest.mark.parametrize("weighting", ["gaussian", "uniform", "ones"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_attention_centre(scheme: str, weighting: str, rng: np.random.Generator) -> None:
    """The last face has collapsed to a point."""
    landmarks = SCHEMES[scheme].landmarks
    s_hat = rng.uniform(0, 64, size=(3, landmarks, 2))
    s_hat[2] = 5
    layer = python_layer("attention.AttentionCentreLayer", 2, scheme=scheme, weighting=weighting)
    assert_same(in_caffe_and_onnx(layer, {"confidence": rng.normal(size=(1, 3, landmarks)), "s_hat": s_hat}))


@pytest.mark.parametrize(
    "settings",
    [{"kappa": "peak"}, {"width": 0.5}, {"kappa": "peak", "width": 1.0}, {"policy": "fixed", "fixed_centre": 3}],
)
def test_attention_centre_as_it_is_told(settings: dict[str, Any], rng: np.random.Generator) -> None:
    inputs = {"confidence": rng.normal(size=(1, 3, 5)), "s_hat": rng.uniform(0, 64, size=(3, 5, 2))}
    pairs = in_caffe_and_onnx(python_layer("attention.AttentionCentreLayer", 2, scheme="5", **settings), inputs)
    assert_same(pairs)


def test_attention_centre_that_may_not_stay(rng: np.random.Generator) -> None:
    confidence = rng.normal(size=(1, 3, 5))
    inputs = {"confidence": confidence, "s_hat": rng.uniform(0, 64, size=(3, 5, 2))}
    inputs["previous"] = confidence[0].argmax(-1)[:, None].astype(float)
    layer = python_layer("attention.AttentionCentreLayer", 2, scheme="5", no_repeat=True)
    pairs = in_caffe_and_onnx(layer, inputs)
    assert_same(pairs)
    assert (pairs[0][0] != inputs["previous"]).all()


def test_history(rng: np.random.Generator) -> None:
    inputs = {"history": rng.integers(3, size=(1, 3, 5)).astype(float), "centre": np.array([[4.0], [0], [2]])}
    assert_same(in_caffe_and_onnx(python_layer("history.CentreHistoryLayer", 1), inputs))


def test_centres_that_are_drawn_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(RarError, match="a policy that draws its centres: choose argmax or fixed"):
        in_caffe_and_onnx(python_layer("attention.FaceKeyLayer", 1), {"data": rng.normal(size=(2, 3, 4, 4))})
    inputs = {"confidence": rng.normal(size=(1, 3, 5)), "s_hat": rng.normal(size=(3, 5, 2)), "face": np.zeros((3, 1))}
    with pytest.raises(RarError, match="a policy that draws its centres: choose argmax or fixed"):
        in_caffe_and_onnx(python_layer("attention.AttentionCentreLayer", 2, scheme="5", policy="random"), inputs)


def test_reweight(rng: np.random.Generator) -> None:
    inputs = {"phi": rng.normal(size=(3, 4 * 5)), "gamma": rng.uniform(size=(3, 4))}
    assert_same(in_caffe_and_onnx(python_layer("reweight.ReweightLayer", 1, scale=2.5), inputs))


@pytest.mark.parametrize("twice", [False, True])
def test_shape_update(twice: bool, rng: np.random.Generator) -> None:
    inputs = {"h": rng.normal(size=(1, 3, 10)), "gamma": rng.uniform(size=(3, 5)), "s_hat": rng.normal(size=(3, 5, 2))}
    layer = python_layer("refinement.ShapeUpdateLayer", 2, alpha=64, gamma_twice=twice)
    assert_same(in_caffe_and_onnx(layer, inputs))


def test_every_translator_is_tested_here_or_with_the_fit() -> None:
    tested = {
        "Convolution", "Deconvolution", "Pooling", "ReLU", "InnerProduct", "Power", "Reduction", "Tile", "Reshape",
        "Flatten", "Split", "Concat", "LSTMUnit", "BatchNorm", "HeatmapDecodeLayer", "ShapeIndexedFeatureLayer",
        "MeanShiftLayer", "AttentionCentreLayer", "ReweightLayer", "ShapeUpdateLayer", "InitialisationLayer",
        "CentreHistoryLayer", "FaceKeyLayer",
    }  # fmt: skip
    assert set(TRANSLATORS) == tested


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ('type: "Sigmoid" top: "y"', r"layer tested \(Sigmoid\) cannot be exported to ONNX: there is no translator"),
        ('type: "Power" top: "y" power_param { power: 2 }', "a power other than 1"),
        ('type: "Pooling" top: "y" pooling_param { pool: AVE kernel_size: 2 }', "only max-pooling"),
        (PRODUCT.format("axis: -1"), "an axis counted from the back"),
        ('type: "Reduction" top: "y" reduction_param { operation: ASUM }', "a reduction other than the sum"),
        ('type: "Reshape" top: "y" reshape_param { axis: 1 shape { dim: -1 } }', "a reshape of some axes"),
        ('type: "Flatten" top: "y" flatten_param { axis: 2 }', "a flattening other than"),
        (CONVOLUTION.format("").replace("kernel_size: 3", "kernel_h: 3 kernel_w: 1"), "give kernel_size, pad, stride"),
    ],
)
def test_what_cannot_be_said_in_onnx_is_named(layer: str, message: str, rng: np.random.Generator) -> None:
    with pytest.raises(RarError, match=message):
        in_caffe_and_onnx(layer, {"x": rng.normal(size=MAPS)})
