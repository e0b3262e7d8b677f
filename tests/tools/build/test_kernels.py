"""The CPU kernels we add to Caffe against Caffe's own: same prototxt, same numbers, forward and backward."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import caffe
import numpy as np
import pytest
from caffe.proto import caffe_pb2
from google.protobuf import text_format

from tools.build.environment import PROJECT, caffe_environment
from tools.model.caffe_net import net_from
from tools.model.gradient_check import layer_net

Array = np.ndarray
AGREE = 1e-5  # of the largest value: Winograd's transforms round otherwise than the definition

CONV = "kernel_size: 3 pad: 1"
DECONV = "kernel_size: 4 stride: 2 pad: 1"
KINDS = {
    "3 x 3": ("Convolution", CONV),
    "1 x 1": ("Convolution", "kernel_size: 1"),
    "by two": ("Deconvolution", DECONV),
}
SHAPES = {
    "one block of channels": (16, 32, (3, 9, 11)),
    "VGG's conv4": (256, 512, (1, 16, 16)),
    "batch of two, odd size": (48, 64, (2, 17, 13)),
    "no multiple of sixteen": (20, 24, (1, 8, 10)),
    "an image": (3, 16, (2, 12, 12)),
    "few channels, rows of three vectors": (24, 28, (1, 3, 45)),
    "few channels, rows of one vector and a bit": (5, 7, (2, 6, 17)),
    "one pixel": (16, 16, (1, 1, 1)),
    "two images of one pixel": (3, 5, (2, 1, 1)),
    "many pixels": (24, 68, (2, 96, 96)),
    "a hundred channels, odd size": (96, 112, (2, 17, 61)),
    "a hundred channels, wide": (112, 96, (1, 5, 300)),
    "a hundred channels, one pixel": (96, 96, (1, 1, 1)),
    "tiles of several images in a vector": (40, 72, (5, 7, 6)),
}


def layer(kind: str, settings: str, field: str) -> Any:
    text = f'name: "y" type: "{kind}" bottom: "x" top: "y" {field} {{ {settings} }}'
    return text_format.Parse(text, caffe_pb2.LayerParameter())


def convolution(kind: str, settings: str, outputs: int, engine: str) -> Any:
    filler = 'weight_filler { type: "gaussian" std: 0.1 } bias_filler { type: "gaussian" }'
    return layer(kind, f"num_output: {outputs} {settings} {filler} engine: {engine}", "convolution_param")


def passes(net: Any, x: Array, parameters: list[Array]) -> list[Array]:
    """Top, gradient of the bottom and of the parameters, which are to be added to what is there."""
    net.blobs["x"].data[...] = x
    own = net.params.get("y", [])
    for blob, values in zip(own, parameters, strict=True):
        blob.data[...], blob.diff[...] = values, 1
    net.forward()
    net.blobs["y"].diff[...] = np.random.default_rng(1).standard_normal(net.blobs["y"].data.shape)
    net.backward()
    return [blob.copy() for blob in (net.blobs["y"].data, net.blobs["x"].diff, *(p.diff for p in own))]


def compare(kind: str, settings: str, channels: int, outputs: int, size: tuple[int, int, int]) -> list[float]:
    """Largest differences between our layer and Caffe's own, relative to the largest value."""
    x = np.random.default_rng(0).standard_normal((size[0], channels, *size[1:])).astype(np.float32)
    own, fast = (layer_net(convolution(kind, settings, outputs, engine), {"x": x}) for engine in ("CAFFE", "DEFAULT"))
    parameters = [blob.data.copy() for blob in own.params["y"]]
    pairs = zip(passes(own, x, parameters), passes(fast, x, parameters), strict=True)
    return [float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs]


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", ["true", "false"])
def test_it_agrees_with_caffe(kind: str, bias: str, case: str) -> None:
    layer_type, settings = KINDS[kind]
    assert max(compare(layer_type, f"{settings} bias_term: {bias}", *SHAPES[case])) < AGREE


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_not_caffe_that_computes(kind: str) -> None:
    """Its rounding tells."""
    layer_type, settings = KINDS[kind]
    assert max(compare(layer_type, settings, *SHAPES["a hundred channels, odd size"])) > 0


@pytest.mark.parametrize(
    "settings",
    [
        "kernel_size: 3",
        "kernel_size: 3 pad: 1 stride: 2",
        "kernel_size: 3 pad: 1 group: 2",
        "kernel_size: 3 pad: 1 dilation: 2",
        "kernel_size: 1 stride: 2",
        "kernel_size: 1 pad: 1",
        "kernel_size: 1 group: 2",
        "kernel_h: 3 kernel_w: 1 pad_h: 1",
    ],
)
@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_other_shapes_are_left_to_caffe(kind: str, settings: str) -> None:
    assert compare(kind, settings, 16, 32, (2, 9, 9)) == [0] * 4


def test_a_bottom_of_another_size_is_served_too() -> None:
    net = layer_net(convolution("Convolution", CONV, 16, "DEFAULT"), {"x": np.zeros((1, 16, 8, 8), np.float32)})
    own = layer_net(convolution("Convolution", CONV, 16, "CAFFE"), {"x": np.zeros((1, 16, 8, 8), np.float32)})
    for size in ((1, 8, 8), (2, 12, 6), (1, 8, 8)):
        x = np.random.default_rng(2).standard_normal((size[0], 16, *size[1:])).astype(np.float32)
        for one in (net, own):
            one.blobs["x"].reshape(*x.shape)
            one.reshape()
        parameters = [blob.data.copy() for blob in own.params["y"]]
        for fast, slow in zip(passes(net, x, parameters), passes(own, x, parameters), strict=True):
            np.testing.assert_allclose(fast, slow, atol=AGREE * np.abs(slow).max())


@pytest.mark.parametrize("kind", KINDS)
def test_no_images_add_nothing(kind: str) -> None:
    layer_type, settings = KINDS[kind]
    net = layer_net(convolution(layer_type, settings, 16, "DEFAULT"), {"x": np.ones((2, 16, 8, 8), np.float32)})
    parameters = [blob.data.copy() for blob in net.params["y"]]
    passes(net, np.ones((2, 16, 8, 8)), parameters)
    net.blobs["x"].reshape(0, 16, 8, 8)
    net.reshape()
    _, _, *gradients = passes(net, np.ones((0, 16, 8, 8)), parameters)
    assert all((gradient == 1).all() for gradient in gradients), "passes sets them to 1 before"


def differences_with(**environment: str) -> dict[tuple[str, str], float]:
    """Largest differences from Caffe's own, by kind and shape, in a process of this environment."""
    code = (
        "import json\nfrom tests.tools.build.test_kernels import *\n"
        "print(json.dumps([[kind, case, max(compare(layer_type, settings, *size))] for case, size in SHAPES.items()"
        " for kind, (layer_type, settings) in KINDS.items()]))"
    )
    env = {**os.environ, **caffe_environment(), "GLOG_minloglevel": "2", **environment}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return {(kind, case): difference for kind, case, difference in json.loads(done.stdout)}


def test_the_environment_turns_it_off() -> None:
    assert not any(differences_with(CAFFE_DNNL="0").values())


def test_avx2_alone_serves_all() -> None:
    differences = differences_with(ONEDNN_MAX_CPU_ISA="AVX2")
    assert max(differences.values()) < AGREE
    for case in ("few channels, rows of three vectors", "a hundred channels, odd size"):
        assert all(differences[kind, case] > 0 for kind in KINDS), "its rounding tells"
    assert differences["by two", "an image"] > 0


def test_without_avx2_onednn_serves_convolutions_and_caffe_the_rest() -> None:
    differences = differences_with(ONEDNN_MAX_CPU_ISA="SSE41")
    assert max(differences.values()) < AGREE
    assert differences["3 x 3", "a hundred channels, wide"] > 0
    assert not any(difference for (kind, _), difference in differences.items() if kind != "3 x 3")


@pytest.mark.parametrize("size", [(8, 8), (2, 6), (9, 8), (8, 7), (256, 192)])
def test_max_pooling_by_two(size: tuple[int, int]) -> None:
    """Even sizes take the short way, odd ones Caffe's; of equals, which integers make common, the first wins."""
    x = np.random.default_rng(3).integers(0, 4, (2, 3, *size)).astype(np.float32)
    net = layer_net(layer("Pooling", "pool: MAX kernel_size: 2 stride: 2", "pooling_param"), {"x": x})
    padded = np.pad(x, ((0, 0), (0, 0), (0, size[0] % 2), (0, size[1] % 2)), constant_values=-1)
    height, width = padded.shape[2] // 2, padded.shape[3] // 2
    windows = padded.reshape(2, 3, height, 2, width, 2).transpose(0, 1, 2, 4, 3, 5).reshape(2, 3, height, width, 4)
    top, gradient = passes(net, x, [])
    np.testing.assert_array_equal(top, windows.max(-1))
    wanted = np.where(np.arange(4) == windows.argmax(-1)[..., None], net.blobs["y"].diff[..., None], 0)
    wanted = wanted.reshape(2, 3, height, width, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(padded.shape)
    np.testing.assert_array_equal(gradient, wanted[:, :, : size[0], : size[1]])


def test_features_at_zero_mean_and_unit_deviation() -> None:
    """A BatchNorm of stored statistics on what has no places."""
    x = np.random.default_rng(5).standard_normal((3, 70)).astype(np.float32)
    net = layer_net(layer("BatchNorm", "use_global_stats: true eps: 0.25", "batch_norm_param"), {"x": x})
    mean, variance = np.linspace(-2, 2, 70), np.linspace(0, 9, 70)
    for count in (0, 4):  # what is stored is multiplied by the count; at first there are none
        for blob, values in zip(net.params["y"], (count * mean, count * variance, [count]), strict=True):
            blob.data[...] = values
        net.blobs["x"].data[...] = x
        net.forward()
        net.blobs["y"].diff[...] = x[::-1]
        net.backward()
        deviation = np.sqrt((variance if count else 0) + 0.25)
        wanted = (x - (mean if count else 0)) / deviation
        np.testing.assert_allclose(net.blobs["y"].data, wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(net.blobs["x"].diff, x[::-1] / deviation, rtol=1e-5)


@pytest.mark.parametrize("slope", [0, 0.25])
@pytest.mark.parametrize("places", [7, 50_000])
def test_gradient_of_relu(slope: float, places: int) -> None:
    """In place, as the presets have it: x's gradient is there before, and x after."""
    x = np.random.default_rng(5).standard_normal((1, places)).astype(np.float32)
    x[0, :3] = 0, -0.0, 1
    relu = text_format.Parse(
        f"""name: "r" type: "ReLU" bottom: "x" top: "x" relu_param {{ negative_slope: {slope} }}""",
        caffe_pb2.LayerParameter(),
    )
    net = layer_net(relu, {"x": x})
    gradient = np.random.default_rng(6).standard_normal(x.shape).astype(np.float32)
    net.blobs["x"].data[...], net.blobs["x"].diff[...] = x, gradient
    net.forward()
    net.backward()
    np.testing.assert_array_equal(net.blobs["x"].data, np.where(x > 0, x, slope * x))
    np.testing.assert_array_equal(net.blobs["x"].diff, np.where(x > 0, gradient, slope * gradient))


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 9])
@pytest.mark.parametrize("columns", [7, 2500])
def test_inner_product_of_few_rows(rows: int, columns: int) -> None:
    x = np.random.default_rng(4).standard_normal((1, rows, columns)).astype(np.float32)
    filler = 'num_output: 37 axis: 2 weight_filler { type: "gaussian" }'
    net = layer_net(layer("InnerProduct", filler, "inner_product_param"), {"x": x})
    weights, bias = (blob.data.astype(np.float64) for blob in net.params["y"])
    top, gradient, weights_gradient, bias_gradient = passes(net, x, [weights, bias])
    diff = net.blobs["y"].diff[0].astype(np.float64)
    for found, wanted in (
        (top[0], x[0] @ weights.T + bias),
        (gradient[0], diff @ weights),
        (weights_gradient, 1 + diff.T @ x[0]),
        (bias_gradient, 1 + diff.sum(0)),
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-6 * np.abs(wanted).max())


def test_inner_products_that_follow_each_other() -> None:
    """Those that read another's top see what it computed, and so does what is between them."""
    text = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 300 } } }"""
    bottoms = {"a": "x", "b": "x", "c": "a", "d": "x", "e": "b", "f": "d", "g": "e"}
    for top, bottom in bottoms.items():
        transpose = "transpose: true" if top == "d" else ""
        text += f"""
        layer {{ name: "{top}" type: "InnerProduct" bottom: "{bottom}" top: "{top}"
          inner_product_param {{ num_output: 300 {transpose} weight_filler {{ type: "gaussian" std: 0.1 }} }} }}
        {'layer { name: "relu" type: "ReLU" bottom: "f" top: "f" }' if top == "f" else ""}"""
    net = net_from(text_format.Parse(text, caffe_pb2.NetParameter()), caffe.TEST)
    for seed in range(2):
        x = np.random.default_rng(seed).standard_normal((2, 300)).astype(np.float32)
        net.blobs["x"].data[...] = x
        net.forward()
        found = {"x": x.astype(np.float64)}
        for top, bottom in bottoms.items():
            weights, bias = (blob.data.astype(np.float64) for blob in net.params[top])
            found[top] = found[bottom] @ (weights if top == "d" else weights.T) + bias
        found["f"] = np.maximum(found["f"], 0)
        for top in bottoms:
            np.testing.assert_allclose(net.blobs[top].data, found[top], atol=1e-5 * np.abs(found[top]).max())


def test_gradients_of_shared_weights_add_up_within_a_pass_and_over_passes() -> None:
    """Nine steps of five faces: whole passes, and layer by layer, where every gradient is there at once."""
    steps, rows, size = 9, 5, 300
    text = f"""layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: {rows} dim: {size} }} }} }}"""
    for step in range(steps):
        text += f"""
        layer {{ name: "y{step}" type: "InnerProduct" bottom: "{f"y{step - 1}" if step else "x"}" top: "y{step}"
          param {{ name: "W" }} param {{ name: "b" }}
          inner_product_param {{ num_output: {size} weight_filler {{ type: "gaussian" std: 0.05 }} }} }}"""
    proto = text_format.Parse(text, caffe_pb2.NetParameter())
    proto.force_backward = True
    net = net_from(proto, caffe.TRAIN)
    draw = np.random.default_rng(3)
    net.blobs["x"].data[...] = draw.standard_normal((rows, size))
    last = net.blobs[f"y{steps - 1}"]
    last.diff[...] = draw.standard_normal((rows, size))
    net.forward()
    weights = net.params["y0"][0].data.astype(np.float64)
    gradient, wanted = last.diff.astype(np.float64), np.zeros((size, size))
    for step in reversed(range(steps)):
        wanted += gradient.T @ net.blobs[f"y{step - 1}" if step else "x"].data
        gradient = gradient @ weights
    for whole in (True, False, True):
        before = net.params["y0"][0].diff.astype(np.float64)
        if whole:
            net.backward()
        else:
            for i in reversed(range(len(net.layers))):
                net._backward(i, i)
        added = net.params["y0"][0].diff - before
        np.testing.assert_allclose(added, wanted, atol=1e-5 * np.abs(wanted).max())


def test_weights_that_are_shared_in_another_shape() -> None:
    """300 x 200 numbers of one layer are 200 x 300 of the next: Caffe's PERMISSIVE sharing."""
    text = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 3 dim: 200 } } }"""
    for top, bottom, outputs in (("y", "x", 300), ("z", "y", 200), ("u", "z", 300), ("v", "u", 200)):
        text += f"""
        layer {{ name: "{top}" type: "InnerProduct" bottom: "{bottom}" top: "{top}"
          param {{ name: "W" share_mode: PERMISSIVE }}
          inner_product_param {{ num_output: {outputs} bias_term: false weight_filler {{ type: "gaussian" }} }} }}"""
    proto = text_format.Parse(text, caffe_pb2.NetParameter())
    proto.force_backward = True
    net = net_from(proto, caffe.TRAIN)
    draw = np.random.default_rng(4)
    exact = draw.standard_normal(60000).astype(np.float16).astype(np.float64) / 16
    net.params["y"][0].data[...] = exact.reshape(300, 200)
    shapes = {top: exact.reshape(net.params[top][0].data.shape) for top in "yzuv"}
    net.blobs["x"].data[...] = values = draw.standard_normal((3, 200)).astype(np.float32)
    net.blobs["v"].diff[...] = gradient = draw.standard_normal((3, 200)).astype(np.float32)
    inputs, x = {}, values.astype(np.float64)
    for top in "yzuv":
        inputs[top], x = x, x @ shapes[top].T
    wanted, down = np.zeros(60000), gradient.astype(np.float64)
    for top in "vuzy":
        wanted += (down.T @ inputs[top]).ravel()
        down = down @ shapes[top]
    for _ in range(3):
        net.params["y"][0].diff[...] = 0
        net.forward()
        net.backward()
        np.testing.assert_allclose(net.blobs["v"].data, x, atol=1e-5 * np.abs(x).max())
        found = net.params["y"][0].diff.ravel()
        np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


WITH_AVX512 = pytest.mark.skipif(
    "avx512f" not in Path("/proc/cpuinfo").read_text(), reason="needs a CPU with AVX-512"
)


def net_of_shared_weights() -> Any:
    """Two inner products of one input with the same weights."""
    text = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 1003 } } }"""
    for top in "yz":
        text += f"""
        layer {{ name: "{top}" type: "InnerProduct" bottom: "x" top: "{top}" param {{ name: "W" }} param {{ name: "b" }}
          inner_product_param {{ num_output: 70 axis: 2 weight_filler {{ type: "gaussian" }} }} }}"""
    net = net_from(text_format.Parse(text, caffe_pb2.NetParameter()), caffe.TEST)
    net.blobs["x"].data[...] = np.random.default_rng(5).standard_normal((1, 3, 1003))
    return net


def products(net: Any, weights: Array) -> list[Array]:
    """Both, after a look whether they are right."""
    net.forward()
    wanted = net.blobs["x"].data[0].astype(np.float64) @ weights.T.astype(np.float64)
    found = [net.blobs[top].data.copy() for top in "yz"]
    for each in found:
        np.testing.assert_allclose(each[0], wanted, atol=2e-6 * np.abs(wanted).max())
    return found


@WITH_AVX512
def test_shared_weights_in_sight_are_halved_for_one_pass() -> None:
    """A copy from the second use on, at once in the next pass; none of weights that are no halves; never an old one."""
    net = net_of_shared_weights()
    weights = net.params["y"][0].data
    exact = weights.astype(np.float16).astype(np.float32)
    y, z = products(net, weights)
    np.testing.assert_array_equal(y, z)
    weights[...] = exact
    y, z = products(net, weights)
    assert (y != z).any(), "another order of the sums shows which path ran"
    for each in products(net, weights):
        np.testing.assert_array_equal(each, z)
    weights[...] = -2 * exact
    assert (products(net, weights)[0] != z).all()
    weights[-1, -1] = 1 / 3
    y, z = products(net, weights)
    np.testing.assert_array_equal(y, z)


@WITH_AVX512
def test_shared_weights_out_of_sight_stay_halved_until_they_are_written(tmp_path: Path) -> None:
    """Whoever writes them: a file, another net that shares its own, an array of Python's that is gone by then."""
    net, other = net_of_shared_weights(), net_of_shared_weights()
    exact = other.params["y"][0].data.astype(np.float16).astype(np.float32)
    other.params["y"][0].data[...] = exact
    net.params["y"][0].data[...] = 2 * exact
    for _ in range(3):
        products(net, 2 * exact)
    other.save(str(tmp_path / "weights"))
    net.copy_from(str(tmp_path / "weights"))
    y, z = products(net, exact)
    np.testing.assert_array_equal(y, z)
    net.params["y"][0].data[...] *= 4
    products(net, 4 * exact)
    held = net.params["y"][0].data
    products(net, 4 * exact)
    held[...] = 8 * exact
    products(net, 8 * exact)
    held[...] = 16 * exact
    del held
    products(net, 16 * exact)
    net.share_with(other)
    products(net, exact)
    other.params["y"][0].data[...] = 2 * exact
    products(net, 2 * exact)
