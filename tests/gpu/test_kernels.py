"""Caffe's GPU kernels, cuDNN and TF32 against the CPU and against each other."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import caffe
import numpy as np
import pytest

from tests.tools.build.test_kernels import CONV, DECONV, SHAPES, convolution, layer, passes
from tools.build.environment import PROJECT, caffe_environment
from tools.model.gradient_check import layer_net

Array = np.ndarray
pytestmark = pytest.mark.gpu

AGREE = 1e-4  # of the largest value: sums of 4,600 products in another order
TF32_ERROR = 5e-3  # of the largest value; a factor is rounded to 11 bits, by up to 5e-4


def made_up(size: tuple[int, ...]) -> Array:
    return np.random.default_rng(5).standard_normal(size).astype(np.float32)


def differences(one: list[Array], other: list[Array]) -> list[float]:
    """The largest of each array, relative to its largest value."""
    return [float(np.abs(a - b).max() / np.abs(a).max()) for a, b in zip(one, other, strict=True)]


@pytest.mark.parametrize("engine", ["DEFAULT", "CAFFE"])
@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize(("kind", "settings"), [("Convolution", CONV), ("Deconvolution", DECONV)])
def test_convolutions(gpu: int, kind: str, settings: str, case: str, engine: str, request: Any) -> None:
    channels, outputs, size = SHAPES[case]
    x = made_up((size[0], channels, *size[1:]))
    net = layer_net(convolution(kind, settings, outputs, "CAFFE"), {"x": x})
    parameters = [blob.data.copy() for blob in net.params["y"]]
    wanted = passes(net, x, parameters)
    request.getfixturevalue("gpu_mode")
    net = layer_net(convolution(kind, settings, outputs, engine), {"x": x})
    assert max(differences(wanted, passes(net, x, parameters))) < AGREE


@pytest.mark.parametrize(("kind", "settings"), [("Convolution", CONV), ("Deconvolution", DECONV)])
def test_cudnn_against_caffes_own_as_the_size_changes(cudnn: str, gpu_mode: int, kind: str, settings: str) -> None:
    first = {"x": made_up((1, 32, 8, 8))}
    own, fast = (layer_net(convolution(kind, settings, 48, engine), first) for engine in ("CAFFE", "CUDNN"))
    parameters = [blob.data.copy() for blob in own.params["y"]]
    for size in ((1, 8, 8), (2, 24, 18), (8, 5, 64), (1, 8, 8)):
        x = made_up((size[0], 32, *size[1:]))
        for net in (own, fast):
            net.blobs["x"].reshape(*x.shape)
            net.reshape()
        assert max(differences(passes(own, x, parameters), passes(fast, x, parameters))) < AGREE


@pytest.mark.parametrize(
    "wanted",
    [
        layer("Pooling", "pool: MAX kernel_size: 2 stride: 2", "pooling_param"),
        layer("InnerProduct", 'num_output: 37 axis: 2 weight_filler { type: "gaussian" }', "inner_product_param"),
        layer("ReLU", "", "relu_param"),
    ],
    ids=lambda wanted: wanted.type,
)
@pytest.mark.parametrize("size", [(1, 2, 6, 8), (2, 2, 8, 6)])
def test_the_other_layers(gpu: int, wanted: Any, size: tuple[int, ...], request: Any) -> None:
    """Max-pooling by two and inner products of two rows have ways of their own on the CPU."""
    x = made_up(size)
    net = layer_net(wanted, {"x": x})
    parameters = [blob.data.copy() for blob in net.params.get("y", [])]
    on_cpu = passes(net, x, parameters)
    request.getfixturevalue("gpu_mode")
    assert max(differences(on_cpu, passes(layer_net(wanted, {"x": x}), x, parameters))) < AGREE


def tf32_error(kind: str) -> float:
    """In this process: the error of a product of 2,304 or 1,024 terms a number on GPU 0, beside Caffe's on the CPU."""
    if kind == "convolution":
        x = made_up((2, 256, 32, 32))
        wanted = [convolution("Convolution", CONV, 256, engine) for engine in ("CAFFE", "DEFAULT")]
    else:
        x = made_up((256, 1024))
        settings = 'num_output: 1024 weight_filler { type: "gaussian" std: 0.1 }'
        wanted = [layer("InnerProduct", settings, "inner_product_param")] * 2
    net = layer_net(wanted[0], {"x": x})
    parameters = [blob.data.copy() for blob in net.params["y"]]
    on_cpu = passes(net, x, parameters)
    caffe.set_device(0)
    caffe.set_mode_gpu()
    return max(differences(on_cpu[:1], passes(layer_net(wanted[1], {"x": x}), x, parameters)[:1]))


@pytest.mark.parametrize("kind", ["convolution", "inner product"])
def test_tf32_is_a_switch(gpu: int, kind: str) -> None:
    """Off, and not just unused, unless the environment says so; then it is used, and no worse than TF32 is."""
    errors = {}
    for setting in ("", "0", "1"):
        env = {**os.environ, **caffe_environment(), "CAFFE_TF32": setting, "GLOG_minloglevel": "2"}
        code = f"from tests.gpu.test_kernels import tf32_error; print(tf32_error({kind!r}))"
        done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=env, check=True, stdout=subprocess.PIPE)
        errors[setting] = float(done.stdout.split()[-1])
    assert errors[""] < AGREE / 2 and errors["0"] < AGREE / 2
    if compute_capability() < 8:
        pytest.skip("this GPU has no TF32: compute capability 8.0 has")
    assert AGREE < errors["1"] < TF32_ERROR


def compute_capability() -> float:
    """Of GPU 0, as nvidia-smi tells it."""
    query = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader", "--id=0"]
    return float(subprocess.run(query, check=True, capture_output=True, text=True).stdout)
