"""CAFFE_BF16 against Caffe's own layers: what it rounds, what it leaves, and that nobody reads a stale number.

Where inputs, weights and gradients are numbers that bf16 holds exactly, products are exact and sums are float: then
only what is stored in bf16 is rounded, by at most 2^-8 of its size, and all else agrees as two orders of summation do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import caffe
import numpy as np
import pytest
from google.protobuf import text_format

from tools.build.environment import PROJECT, caffe_environment
from tools.model.caffe_net import backward, forward, net_from

Array = np.ndarray
FLAGS = set(Path("/proc/cpuinfo").read_text().split())
SUMS = 2e-5  # of the largest value: another order of summation
STORED = 2**-8  # of the value: rounded to bf16

pytestmark = pytest.mark.skipif("avx512bw" not in FLAGS, reason="this CPU has no AVX-512: oneDNN has no bf16 for it")
needs_amx = pytest.mark.skipif("amx_bf16" not in FLAGS, reason="this CPU has no AMX: CAFFE_BF16=1 does nothing")

CONV, CONV1, DECONV = "kernel_size: 3 pad: 1", "kernel_size: 1", "kernel_size: 4 stride: 2 pad: 1"
KINDS = {"conv": ("Convolution", CONV), "conv1": ("Convolution", CONV1), "deconv": ("Deconvolution", DECONV)}
SIZES = {
    "VGG's conv4": (256, 512, (1, 16, 16)),
    "batch of two, odd size": (48, 64, (2, 17, 13)),
    "no multiple of sixteen": (20, 24, (1, 8, 10)),
    "an image": (3, 16, (2, 12, 12)),
    "68 landmarks, batch of eight": (96, 68, (8, 6, 10)),
    "one pixel": (16, 16, (1, 1, 1)),
    "one channel": (1, 1, (2, 5, 7)),
}


@contextmanager
def setting(value: str) -> Iterator[None]:
    """CAFFE_BF16 while nets are made: layers are chosen then."""
    old = os.environ.get("CAFFE_BF16")
    os.environ["CAFFE_BF16"] = value
    try:
        yield
    finally:
        if old is None:
            del os.environ["CAFFE_BF16"]
        else:
            os.environ["CAFFE_BF16"] = old


def layer(kind: str, bottom: str, top: str, name: str = "", **settings: str) -> str:
    """A layer as text; name: the top's, unless given."""
    inner = " ".join(f"{field} {{ {text} }}" for field, text in settings.items())
    bottoms, tops = (" ".join(f'{side}: "{one}"' for one in blobs.split()) for side, blobs in
                     (("bottom", bottom), ("top", top)))  # fmt: skip
    return f'layer {{ name: "{name or top}" type: "{kind}" {bottoms} {tops} {inner} }}\n'


def product(kind: str, bottom: str, top: str, outputs: int, more: str = "", **settings: str) -> str:
    """A layer of KINDS."""
    name, geometry = KINDS[kind]
    filler = 'weight_filler { type: "msra" } bias_filler { type: "gaussian" std: 0.1 }'
    return layer(name, bottom, top, convolution_param=f"num_output: {outputs} {geometry} {filler} {more}", **settings)


def relu(blob: str) -> str:
    return layer("ReLU", blob, blob, f"relu_{blob}")


def pool(bottom: str, top: str) -> str:
    return layer("Pooling", bottom, top, pooling_param="pool: MAX kernel_size: 2 stride: 2")


def net(text: str, shape: tuple[int, ...], bf16: str = "always", phase: int = caffe.TRAIN) -> Any:
    """A net that reads an Input `x`, its weights the same every time."""
    proto = caffe.proto.caffe_pb2.NetParameter(name="net", force_backward=True)
    proto.layer.add(name="x", type="Input", top=["x"]).input_param.shape.add(dim=shape)
    text_format.Merge(text, proto)
    caffe.set_random_seed(3)
    with setting(bf16):
        made = net_from(proto, phase)
    for blobs in made.params.values():
        for blob in blobs:
            blob.data[...] = exact(blob.data)
    return made


def exact(x: Array) -> Array:
    """To eight significant bits: what bf16 holds."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.round(mantissa * 256) / 256, exponent).astype(np.float32)


def normal(shape: tuple[int, ...], seed: int = 0) -> Array:
    return exact(np.random.default_rng(seed).standard_normal(shape))


def passes(made: Any, top: str, seed: int = 0) -> None:
    """Forward, and backward from a random gradient of `top`; gradients of weights are set to 0 first."""
    made.blobs["x"].data[...] = normal(made.blobs["x"].data.shape, seed)
    for blobs in made.params.values():
        for blob in blobs:
            blob.diff[...] = 0
    forward(made)
    made.blobs[top].diff[...] = normal(made.blobs[top].data.shape, seed + 1)
    backward(made)


def parameters(made: Any) -> dict[str, Array]:
    return {f"{name}/{i}": blob.diff.copy() for name, blobs in made.params.items() for i, blob in enumerate(blobs)}


def numbers(made: Any) -> dict[str, Array]:
    """All blobs and gradients of a net."""
    found = {f"{name}.{side}": getattr(blob, side).copy() for name, blob in made.blobs.items()
             for side in ("data", "diff")}  # fmt: skip
    return found | parameters(made)


def agree(found: Array, wanted: Array, stored: float = 0, sums: float = SUMS) -> None:
    np.testing.assert_allclose(found, wanted, rtol=stored, atol=sums * np.abs(wanted).max())


def error(found: Array, wanted: Array) -> float:
    """The root mean square of the difference, of the wanted numbers' own."""
    return float(np.sqrt(((found - wanted) ** 2).mean() / (wanted**2).mean()))


# One layer ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", ["true", "false"])
def test_one_layer_is_exact_but_for_what_it_stores(kind: str, size: str, bias: str) -> None:
    channels, outputs, (num, *maps) = SIZES[size]
    text, shape = product(kind, "x", "y", outputs, f"bias_term: {bias}"), (num, channels, *maps)
    own, made = net(text, shape, "0"), net(text, shape)
    for one in (own, made):
        passes(one, "y")
    agree(made.blobs["y"].data, own.blobs["y"].data)
    agree(made.blobs["x"].diff, own.blobs["x"].diff, STORED)
    for name, wanted in parameters(own).items():
        agree(parameters(made)[name], wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_bf16_that_computes(kind: str) -> None:
    text, shape = product(kind, "x", "y", 32), (2, 48, 9, 8)
    own, made = net(text, shape, "0"), net(text, shape)
    for one in (own, made):
        one.blobs["x"].data[...] = np.random.default_rng(0).standard_normal(shape)
        forward(one)
    assert 5e-4 < error(made.blobs["y"].data, own.blobs["y"].data) < 4e-3


@pytest.mark.parametrize(
    "geometry",
    [
        "kernel_size: 3",
        "kernel_size: 3 pad: 1 stride: 2",
        "kernel_size: 3 pad: 1 group: 2",
        "kernel_size: 3 pad: 1 dilation: 2",
        "kernel_size: 1 stride: 2",
        "kernel_size: 1 pad: 1",
        "kernel_size: 5 pad: 2",
        "kernel_h: 3 kernel_w: 1 pad_h: 1",
    ],
)
@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_other_geometries_are_left_to_caffe(kind: str, geometry: str) -> None:
    filler = 'weight_filler { type: "gaussian" std: 0.1 }'
    text = layer(kind, "x", "y", convolution_param=f"num_output: 32 {geometry} {filler}") + relu("y")
    own, made = net(text, (2, 16, 9, 9), "0"), net(text, (2, 16, 9, 9))
    for one in (own, made):
        passes(one, "y")
    for name, wanted in numbers(own).items():
        np.testing.assert_array_equal(numbers(made)[name], wanted)


# A chain of layers that stay in bf16 --------------------------------------------------------------------------------

CHAIN = (
    product("conv", "x", "a", 32) + relu("a") + product("conv", "a", "b", 48) + relu("b") + pool("b", "c")
    + product("conv1", "c", "d", 20) + relu("d") + product("deconv", "d", "e", 24) + relu("e")
    + product("conv1", "e", "y", 5)
)  # fmt: skip
SPLIT = (
    product("conv", "x", "a", 32) + relu("a") + pool("a", "p") + product("deconv", "p", "q", 32) + relu("q")
    + product("conv", "a", "r", 32) + relu("r") + layer("Eltwise", "q r", "s") + product("conv1", "a", "t", 32)
    + layer("Eltwise", "s t", "u") + product("conv", "u", "y", 8)
)  # fmt: skip
OTHERS = (
    product("conv", "x", "a", 16) + relu("a") + pool("a", "p") + layer("Flatten", "p", "flat")
    + layer("Reshape", "flat", "b", reshape_param="shape { dim: 0 dim: 32 dim: -1 dim: 2 }")
    + product("conv", "b", "c", 16) + relu("c")
    + layer("Pooling", "c", "d", pooling_param="pool: AVE kernel_size: 3 stride: 1 pad: 1")
    + product("conv", "d", "e", 16) + layer("PReLU", "e", "prelu") + product("conv", "prelu", "f", 16)
    + layer("ReLU", "f", "g", "out_of_place") + pool("g", "h") + layer("Concat", "h h", "i")
    + layer("Scale", "i", "scale") + product("conv", "scale", "y", 8)
)  # fmt: skip
NETS = {"chain": (CHAIN, (16, 12, 20)), "split": (SPLIT, (16, 12, 8)), "others": (OTHERS, (16, 8, 8))}


def check_every_layer(made: Any, own: Any) -> None:
    """Each layer of `made`, which has done both passes, against that of `own`, Caffe's, given the same numbers.

    A layer in place is checked with the one before it: what lay between them is gone.
    """
    names, steps = list(own._layer_names), range(len(own.layers))
    tops, bottoms = own.top_names, own.bottom_names

    def take(side: str, blobs: list[str], others: list[str], kind: str) -> None:
        """own's blobs, which are checked first, become made's."""
        for blob in set(blobs) - set(others):
            found, wanted = (getattr(one.blobs[blob], side) for one in (made, own))
            agree(found, wanted, STORED)
            wanted[...] = exact(found) if kind in ("Convolution", "Deconvolution") else found

    own.blobs["x"].data[...] = made.blobs["x"].data
    for i in steps:
        take("data", bottoms[names[i]], tops[names[i]], own.layers[i].type)
        own._forward(i, i)
    top = tops[names[-1]][0]
    agree(made.blobs[top].data, own.blobs[top].data)
    own.blobs[top].diff[...] = made.blobs[top].diff
    for blobs in own.params.values():
        for blob in blobs:
            blob.diff[...] = 0
    for i in reversed(steps):
        take("diff", tops[names[i]], bottoms[names[i]], own.layers[i].type)
        own._backward(i, i)
    agree(made.blobs["x"].diff, own.blobs["x"].diff, STORED)
    for name, wanted in parameters(own).items():
        agree(parameters(made)[name], wanted)


@pytest.mark.parametrize("num", [1, 2, 8])
@pytest.mark.parametrize("name", NETS)
def test_every_layer_of_a_net_agrees_with_caffe(name: str, num: int) -> None:
    text, size = NETS[name]
    own, made = net(text, (num, *size), "0"), net(text, (num, *size))
    passes(own, "y")
    plain = own.blobs["y"].data.copy()
    passes(made, "y")
    assert 5e-4 < error(made.blobs["y"].data, plain) < 0.02
    check_every_layer(made, own)


@pytest.mark.parametrize("name", NETS)
def test_looking_changes_no_number(name: str) -> None:
    """Blobs that Python holds arrays of live in float, others stay in bf16: the numbers are the same."""
    text, size = NETS[name]
    seen, unseen = net(text, (2, *size)), net(text, (2, *size))
    held = [(blob.data, blob.diff) for blob in seen.blobs.values()]
    for seed in (0, 7):
        for one in (seen, unseen):
            passes(one, "y", seed)
        for key, wanted in parameters(unseen).items():
            np.testing.assert_array_equal(parameters(seen)[key], wanted, key)
    for key, wanted in numbers(unseen).items():
        np.testing.assert_array_equal(numbers(seen)[key], wanted, key)
    del held
    for one in (seen, unseen):
        passes(one, "y", 3)
    for key, wanted in numbers(unseen).items():
        np.testing.assert_array_equal(numbers(seen)[key], wanted, key)


def test_kept_arrays_show_what_is_so() -> None:
    """pycaffe's arrays are the blobs' own memory, and users keep them."""
    made, fresh = net(CHAIN, (2, 16, 8, 8)), net(CHAIN, (2, 16, 8, 8))
    kept = {name: (blob.data, blob.diff) for name, blob in made.blobs.items()}
    for seed in (0, 4):
        for one in (made, fresh):
            passes(one, "y", seed)
        for name, (data, diff) in kept.items():
            np.testing.assert_array_equal(data, fresh.blobs[name].data)
            np.testing.assert_array_equal(diff, fresh.blobs[name].diff)


def test_a_blob_changed_by_hand_is_read() -> None:
    """Also one with negative numbers before its ReLU, through an array kept from before."""
    own, made = net(CHAIN, (1, 16, 8, 8), "0"), net(CHAIN, (1, 16, 8, 8))
    kept = {one: one.blobs["b"].data for one in (own, made)}
    start = list(made._layer_names).index("relu_b")
    for one in (own, made):
        passes(one, "y")
        kept[one][...] = normal(kept[one].shape, 9)
        one._forward(start, len(one.layers) - 1)
    assert made.blobs["b"].data.min() == 0
    assert error(made.blobs["y"].data, own.blobs["y"].data) < 0.02


@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
def test_weights_changed_by_hand_count_at_once(phase: int) -> None:
    own, made = net(CHAIN, (1, 16, 8, 8), "0", phase), net(CHAIN, (1, 16, 8, 8), phase=phase)
    kept = {one: [blob.data for blobs in one.params.values() for blob in blobs] for one in (own, made)}
    for change in (1.0, -0.5, 1.25):
        for one in (own, made):
            for values in kept[one]:
                values *= change
            passes(one, "y")
        assert error(made.blobs["y"].data, own.blobs["y"].data) < 0.02


def test_gradients_of_two_passes_add_up() -> None:
    made = net(SPLIT, (2, 16, 8, 8))
    passes(made, "y", 0)
    first = parameters(made)
    passes(made, "y", 5)
    second = parameters(made)
    for seed in (0, 5):
        made.blobs["x"].data[...] = normal((2, 16, 8, 8), seed)
        if seed == 0:
            for blobs in made.params.values():
                for blob in blobs:
                    blob.diff[...] = 0
        forward(made)
        made.blobs["y"].diff[...] = normal(made.blobs["y"].data.shape, seed + 1)
        backward(made)
    for key, total in parameters(made).items():
        agree(total, first[key] + second[key])


def test_other_sizes_are_served_too() -> None:
    own, made = net(CHAIN, (1, 16, 8, 8), "0"), net(CHAIN, (1, 16, 8, 8))
    for shape in ((2, 16, 12, 8), (1, 16, 7, 9), (8, 16, 4, 4), (1, 16, 8, 8)):
        for one in (own, made):
            one.blobs["x"].reshape(*shape)
            one.reshape()
        passes(made, "y")
        check_every_layer(made, own)


def test_weights_that_two_layers_share() -> None:
    shared = 'name: "w" } param { name: "b"'
    text = (
        product("conv", "x", "a", 16, param=shared) + relu("a") + product("conv", "a", "b", 16, param=shared)
        + relu("b") + product("conv1", "b", "y", 4)
    )  # fmt: skip
    own, made = net(text, (2, 16, 8, 8), "0"), net(text, (2, 16, 8, 8))
    passes(made, "y")
    check_every_layer(made, own)


def test_several_nets_do_not_disturb_one_another() -> None:
    """Buffers are shared; one net reads the other's weights."""
    first, second = net(CHAIN, (2, 16, 8, 8)), net(CHAIN, (1, 16, 20, 12), phase=caffe.TEST)
    alone = net(CHAIN, (2, 16, 8, 8))
    passes(alone, "y")
    second.share_with(first)
    first.blobs["x"].data[...] = normal((2, 16, 8, 8), 0)
    second.blobs["x"].data[...] = normal((1, 16, 20, 12), 2)
    for i in range(len(first.layers)):
        first._forward(i, i)
        second._forward(i, i)
    np.testing.assert_array_equal(first.blobs["y"].data, alone.blobs["y"].data)
    first.blobs["y"].diff[...] = normal(first.blobs["y"].data.shape, 1)
    for i in reversed(range(len(first.layers))):
        first._backward(i, i)
        second._forward(len(first.layers) - 1 - i, len(first.layers) - 1 - i)
    for key, wanted in parameters(alone).items():
        np.testing.assert_array_equal(parameters(first)[key], wanted)


def test_weights_are_saved_in_float(tmp_path: Path) -> None:
    made = net(CHAIN, (1, 16, 8, 8))
    made.params["b"][0].data[...] *= np.float32(1.001)
    passes(made, "y")
    wanted = made.params["b"][0].data.copy()
    made.save(str(tmp_path / "w.caffemodel"))
    other = net(CHAIN, (1, 16, 8, 8), "0")
    other.copy_from(str(tmp_path / "w.caffemodel"))
    np.testing.assert_array_equal(other.params["b"][0].data, wanted)


# The switch ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["0", "", "no", "2"])
def test_off_unless_set(value: str) -> None:
    """Then ReLU, pooling and 1 x 1 convolutions give Caffe's own numbers, but for the order of sums."""
    text = product("conv1", "x", "a", 32) + relu("a") + pool("a", "y")
    plain = (
        product("conv1", "x", "a", 32, "engine: CAFFE") + layer("ReLU", "a", "a", "relu_a", relu_param="engine: CAFFE")
        + layer("Pooling", "a", "y", pooling_param="pool: MAX kernel_size: 2 stride: 2 engine: CAFFE")
    )  # fmt: skip
    x = np.random.default_rng(0).standard_normal((2, 48, 8, 10))
    found = []
    for one in (net(text, x.shape, value), net(plain, x.shape, "always")):
        one.blobs["x"].data[...] = x
        forward(one)
        one.blobs["y"].diff[...] = 1 / 3
        backward(one)
        found.append(numbers(one))
    for key, wanted in found[1].items():
        agree(found[0][key], wanted, sums=1e-6)


def run(code: str, **environment: str) -> tuple[str, str]:
    """Output and messages of a Python program in this environment."""
    env = {**os.environ, **caffe_environment(), "GLOG_minloglevel": "2", **environment}
    command = [sys.executable, "-c", f"from tests.tools.build.test_bf16 import *\n{code}"]
    done = subprocess.run(command, cwd=PROJECT, env=env, check=True, capture_output=True, text=True)
    return done.stdout, done.stderr


ERRORS = """
nets = [net(CHAIN, (1, 16, 8, 8), value) for value in ("0", "1", "1")]
for one in nets:
    one.blobs["x"].data[...] = np.random.default_rng(0).standard_normal((1, 16, 8, 8))
    forward(one)
print(error(nets[1].blobs["y"].data, nets[0].blobs["y"].data))
"""


@needs_amx
def test_1_is_bf16_on_a_cpu_with_amx() -> None:
    found, said = run(ERRORS)
    assert 5e-4 < float(found) < 2e-2
    assert said == ""


@pytest.mark.parametrize("isa", ["AVX512_CORE", "AVX2"])
def test_1_is_float_on_a_cpu_without_amx_and_one_line_says_so(isa: str) -> None:
    found, said = run(ERRORS, ONEDNN_MAX_CPU_ISA=isa)
    assert float(found) == 0
    assert said == "CAFFE_BF16=1: this CPU has no AMX; computing in float\n"


def test_always_without_avx512_is_float() -> None:
    found, said = run(ERRORS.replace('"1", "1"', '"always", "0"'), ONEDNN_MAX_CPU_ISA="AVX2")
    assert float(found) == 0
    assert said == ""
