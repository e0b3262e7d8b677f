"""What runs on numpy's and CuPy's arrays alike: the same numbers on both kinds, and no whole map that travels."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from caffe.proto import caffe_pb2

from layers import base, memory
from layers.common import heatmaps
from layers.common.arrays import array_module, on_host
from layers.shape_indexed import firsts, look_up, scatter, window_places, winners
from tests.layers import strict_arrays
from tests.layers.conftest import Array, python_layer
from tools.model.caffe_net import backward, forward, net_from

SIZE, LANDMARKS, CHANNELS = 24, 5, 6
SMALL = 2 * LANDMARKS * CHANNELS * 9  # numbers: less than one map of 24 x 24 a landmark


def strict(array: Array) -> Any:
    """A strict array of the same numbers."""
    return strict_arrays.Array(array.copy())


def agree(found: Any, wanted: Array) -> None:
    """Sums may differ in their last digits, for numpy adds up row by row."""
    assert isinstance(found, strict_arrays.Array)
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(on_host(found), wanted, rtol=1e-5, atol=1e-6)


@pytest.fixture
def scores(rng: np.random.Generator) -> Array:
    return 4 * rng.normal(size=(2, LANDMARKS, SIZE, SIZE)).astype(np.float32)


@pytest.fixture
def shape(rng: np.random.Generator) -> Array:
    """One landmark off the map, one at its border."""
    shape = rng.uniform(2, SIZE - 3, (2, LANDMARKS, 2)).astype(np.float32)
    shape[0, 1], shape[1, 2] = (-7, 3), (SIZE - 1, 0)
    return shape


def test_strict_arrays_are_strict(scores: Array) -> None:
    ours = strict(scores)
    for mix in (
        lambda: ours + scores,
        lambda: scores * ours,
        lambda: np.exp(ours),
        lambda: np.stack([ours, ours]),
        lambda: scores.__setitem__(0, ours[0]),
        lambda: ours.__setitem__(0, scores[0]),
        lambda: ours[np.zeros(3, int)],
    ):
        with pytest.raises(TypeError):
            mix()
    assert array_module(ours) is strict_arrays.module
    assert array_module(scores) is np


def test_partition_and_softmax(scores: Array) -> None:
    partition = heatmaps.log_partition(scores)
    agree(heatmaps.log_partition(strict(scores)), partition)
    wanted, found = np.empty_like(scores), strict(scores)
    heatmaps.softmax_over_places(scores, partition, wanted)
    heatmaps.softmax_over_places(strict(scores), strict(partition), found)
    agree(found, wanted)


def test_target_loss_and_gradient(scores: Array, shape: Array) -> None:
    target = heatmaps.target_blobs(shape, 1.3, SIZE, SIZE)
    ours = heatmaps.target_blobs(shape, 1.3, SIZE, SIZE, strict_arrays.module)
    for found, wanted in zip(ours, target, strict=True):
        agree(found, wanted)
    partition = heatmaps.log_partition(scores)
    loss = heatmaps.cross_entropy(scores, partition, *target)
    assert heatmaps.cross_entropy(strict(scores), strict(partition), *ours) == pytest.approx(loss, rel=1e-5)
    gradient, found_gradient = np.empty_like(scores), strict(scores)
    heatmaps.cross_entropy_gradient(scores, partition, *target, 3.0, gradient)
    heatmaps.cross_entropy_gradient(strict(scores), strict(partition), *ours, 3.0, found_gradient)
    agree(found_gradient, gradient)


def agree_on_the_host(found: tuple[Array, ...], wanted: tuple[Array, ...]) -> None:
    """Results that are numpy's whatever the scores were."""
    for ours, theirs in zip(found, wanted, strict=True):
        assert type(ours) is np.ndarray and ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_decoding(scores: Array) -> None:
    agree_on_the_host(heatmaps.decode(strict(scores), 2), heatmaps.decode(scores, 2))


def test_mean_shift(scores: Array, shape: Array) -> None:
    partition = heatmaps.log_partition(scores)
    wanted = heatmaps.mean_shift(scores, partition, shape, 2)
    agree_on_the_host(heatmaps.mean_shift(strict(scores), partition, shape, 2), wanted)


def test_lookup_and_scatter(rng: np.random.Generator, shape: Array) -> None:
    maps = rng.normal(size=(2, CHANNELS, SIZE, SIZE)).astype(np.float32)
    shape[0, 3] = shape[0, 4]  # two landmarks at one place
    sizes, by_map = (2, CHANNELS, 9, LANDMARKS), window_places(shape, 3, SIZE, SIZE)
    first, ours = firsts(np, sizes, SIZE**2), firsts(strict_arrays.module, sizes, SIZE**2)
    places, places_found = first.map + by_map[:, None], ours.map + strict(by_map)[:, None]
    values, found = look_up(maps, places), look_up(strict(maps), places_found)
    agree(found, values)
    at, at_found = winners(values, places, first.column), winners(found, places_found, ours.column)
    np.testing.assert_array_equal(on_host(at_found), at)
    np.testing.assert_array_equal(maps.ravel()[at], values.max(2))
    gradient = rng.normal(size=(2, LANDMARKS, CHANNELS)).astype(np.float32)
    wanted, sums = np.ones_like(maps), strict(np.ones_like(maps))
    scatter(gradient, at, wanted)
    scatter(strict(gradient), at_found, sums)
    agree(sums, wanted)


# Whole layers, in Caffe -----------------------------------------------------------------------------------------------


def net_of_maps() -> Any:
    """deconv7 read by two steps in a chain and weighted, conv8 decoded and read in place before its loss."""
    proto = caffe_pb2.NetParameter(name="maps", force_backward=True)
    sizes = {
        "deconv7": (2, CHANNELS, SIZE, SIZE),
        "conv8": (2, LANDMARKS, SIZE, SIZE),
        "shape": (2, LANDMARKS, 2),
        "s_hat": (2, LANDMARKS, 2),
        "gamma": (2, LANDMARKS),
        "c": (1, 2, 2 * LANDMARKS),
        "h": (1, 2, 2 * LANDMARKS),
    }
    for name, size in sizes.items():
        proto.layer.add(name=name, type="Input", top=[name]).input_param.shape.add(dim=size)
    features = "shape_indexed.ShapeIndexedFeatureLayer"
    for layer in (
        python_layer(features, ["deconv7", "s_hat"], ["deconv7", "pooled_0"], window=3),
        python_layer(features, ["deconv7", "shape"], ["pooled_1"], window=2),
        python_layer("reweight.ReweightLayer", ["pooled_0", "gamma"], ["phi_0"], scale=3.0),
        python_layer(
            "counterfactual.CounterfactualRewardLayer",
            ["pooled_0", "c", "h", "s_hat", "shape"],
            ["reward"],
            scheme="5",
            alpha=4.0,
            scale=2.0,
        ),
        python_layer("heatmap.HeatmapDecodeLayer", ["conv8"], ["conv8", "s_d", "peak", "log_partition"], radius=2),
        python_layer("mean_shift.MeanShiftLayer", ["conv8", "log_partition", "s_hat"], ["conv8", "shift"], radius=2),
        python_layer("heatmap.SoftmaxRegressionLossLayer", ["conv8", "shape"], ["loss"], sigma=1.3),
    ):
        proto.layer.add().CopyFrom(layer)
        proto.layer[-1].name = f"layer_{len(proto.layer)}"
    return net_from(proto)


def both_passes(net: Any) -> dict[str, Array]:
    """Every blob's data and diff after a forward and a backward pass over made-up numbers."""
    rng = np.random.default_rng(11)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = rng.normal(size=blob.data.shape)
    for name in ("deconv7", "conv8", "shape", "s_hat", "gamma", "c", "h"):
        blob = net.blobs[name]
        high = SIZE if tuple(blob.shape)[-1] == 2 else 1
        blob.data[...], blob.diff[...] = rng.uniform(0, high, tuple(blob.shape)), 7
    net.forward()
    for top in ("pooled_1", "phi_0", "s_d", "peak", "shift", "loss"):
        net.blobs[top].diff[...] = rng.normal(size=tuple(net.blobs[top].shape))
    net.backward()
    found = {f"{name} data": blob.data.copy() for name, blob in net.blobs.items()}
    return found | {f"{name} diff": blob.diff.copy() for name, blob in net.blobs.items()}


def test_layers_give_the_same_on_both_kinds_of_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = both_passes(net_of_maps())
    monkeypatch.setattr(base, "memory_here", strict_arrays.StrictMemory)
    found = both_passes(net_of_maps())
    for name, numbers in wanted.items():
        np.testing.assert_allclose(found[name], numbers, rtol=1e-5, atol=1e-6, err_msg=name)
    assert any(wanted["deconv7 diff"].ravel()) and any(wanted["conv8 diff"].ravel())


def test_no_map_travels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither through Caffe, by a blob's own `data` or `diff`, nor through the library of the arrays."""
    monkeypatch.setattr(base, "memory_here", strict_arrays.StrictMemory)
    net = net_of_maps()
    both_passes(net)
    touched = strict_arrays.record_touches(monkeypatch)
    strict_arrays.MOVED.clear()
    forward(net)
    backward(net)
    assert touched and max(touched) < SMALL
    assert strict_arrays.MOVED and max(strict_arrays.MOVED) < SMALL


# The memories ---------------------------------------------------------------------------------------------------------


def test_without_a_gpu_blobs_are_numpys() -> None:
    blob = SimpleNamespace(data=np.ones(3), diff=np.zeros(3))
    here = memory.HostMemory()
    assert here.data(blob) is blob.data and here.diff(blob) is blob.diff and here.xp is np


def test_without_cupy_one_line_says_what_it_costs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    modules: dict[str, Any] = sys.modules
    monkeypatch.setitem(modules, "cupy", None)
    memory.gpu_memory.cache_clear()
    for _ in range(3):
        assert isinstance(memory.gpu_memory(0), memory.HostMemory)
    memory.gpu_memory.cache_clear()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("GPU 0: the Python layers work on the host, and whole maps travel")
    assert line.endswith("run: make cupy")


def test_cupys_arrays_lie_where_caffes_blobs_are() -> None:
    """Addresses only: CuPy reads and writes nothing here, so this needs no GPU."""
    cupy = pytest.importorskip("cupy", reason="no CuPy here: make cupy, after make caffe CUDA=1")
    blob = SimpleNamespace(shape=(2, 3, 4, 5), count=120, _gpu_data_ptr=0x7F0000000100, _gpu_diff_ptr=0x7F0000010000)
    here = memory.GpuMemory(cupy, 0)
    for array, address in ((here.data(blob), blob._gpu_data_ptr), (here.diff(blob), blob._gpu_diff_ptr)):
        assert (array.data.ptr, array.shape, array.dtype, array.nbytes) == (address, blob.shape, np.float32, 480)
        assert array.reshape(2, 3, -1)[1, 2].data.ptr == address + 4 * 5 * 20
        assert array_module(array) is cupy
    scalar = here.data(SimpleNamespace(shape=(), count=1, _gpu_data_ptr=0x7F0000000100))
    assert (scalar.shape, scalar.nbytes) == ((), 4)
