"""The Python layers and the whole detector: the same on a GPU as on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import caffe
import cv2
import numpy as np
import pytest

from layers import base, memory, native
from layers.common.prepared import PreparedSet
from tests.layers.conftest import python_layer
from tests.layers.strict_arrays import record_touches
from tests.layers.test_arrays import SMALL, both_passes, net_of_maps
from tests.layers.test_native import CASES, Inputs, two_passes
from tools.model.caffe_net import backward, forward
from tools.model.crop_detector import CropDetector
from tools.model.places import shipped_models, shipped_weights
from tools.model.presets import preset

pytestmark = pytest.mark.gpu

MEDIAN, NEAR = 1e-3, 0.05  # px: of two equal peaks of conv8 the last digit decides, which moves a landmark by pixels


@pytest.fixture
def gpu_memory(gpu_mode: int) -> memory.GpuMemory:
    """CuPy's arrays over Caffe's blobs."""
    pytest.importorskip("cupy", reason="no CuPy here: make cupy")
    here = memory.memory_here()
    assert isinstance(here, memory.GpuMemory), "CuPy is installed and does not work: see the line on stderr"
    return here


def test_caffe_tells_its_gpu(gpu_mode: int) -> None:
    assert caffe.gpu() == gpu_mode
    caffe.set_mode_cpu()
    assert caffe.gpu() is None


def test_arrays_are_caffes_own_memory(gpu_memory: memory.GpuMemory) -> None:
    """Written by CuPy, read by Caffe, and the other way round, without a word in between."""
    net = net_of_maps()
    blob = net.blobs["conv8"]
    blob.data[...] = 3
    array = gpu_memory.data(blob)
    assert float(array.sum()) == 3 * blob.count
    array *= 2
    assert (blob.data == 6).all()
    gpu_memory.diff(blob)[...] = 5
    assert (blob.diff == 5).all()


@pytest.mark.parametrize("with_cupy", [True, False])
def test_layers_of_maps(gpu: int, with_cupy: bool, monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    """Forward and backward, also without CuPy, where Caffe copies the maps."""
    wanted = both_passes(net_of_maps())
    if with_cupy:
        request.getfixturevalue("gpu_memory")
    else:
        request.getfixturevalue("gpu_mode")
        monkeypatch.setattr(base, "memory_here", memory.HostMemory)
    found = both_passes(net_of_maps())
    for name, numbers in wanted.items():
        np.testing.assert_allclose(found[name], numbers, rtol=1e-4, atol=1e-5, err_msg=name)


def test_no_map_travels(gpu_memory: memory.GpuMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pass no layer asks for the `data` or `diff` of a map, which is what makes Caffe copy it."""
    net = net_of_maps()
    both_passes(net)
    touched = record_touches(monkeypatch)
    forward(net)
    backward(net)
    assert touched and max(touched) < SMALL


@pytest.mark.skipif(native.TWINS is None, reason="this Caffe has no compiled twins, or RAR_NUMPY=1 is set")
@pytest.mark.parametrize("name", ["attention, straight through", "attention, policy, peak", "update, Gamma twice"])
def test_small_layers_run_compiled(
    name: str, gpu: int, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Their twins compute on the host in GPU mode too, and Caffe moves the few numbers."""
    kind, inputs, tops, settings = CASES[name]
    given = inputs(Inputs(2))
    layer = python_layer(kind, list(given), tops, **settings)
    wanted = two_passes(layer, given, False, monkeypatch)
    request.getfixturevalue("gpu_mode")
    found = two_passes(layer, given, True, monkeypatch)
    for blob, numbers in wanted.items():
        np.testing.assert_allclose(found[blob], numbers, rtol=2e-5, atol=1e-5, err_msg=blob)


def test_the_whole_detector(gpu: int, prepared: Path, request: Any) -> None:
    if "compact" not in shipped_models():
        pytest.skip("no models/compact here: this bundle was made without it")
    faces = PreparedSet(prepared / "helen")
    chosen = preset("compact")
    size = (chosen.crop_size, chosen.crop_size)
    crops = np.stack([cv2.resize(faces.image(row), size) for row in range(len(faces))])
    weights = shipped_weights("compact")
    wanted = CropDetector(chosen, weights).detect(crops)
    request.getfixturevalue("gpu_mode")
    found = CropDetector(chosen, weights).detect(crops)
    for ours, theirs in ((found.s_d, wanted.s_d), (found.stages, wanted.stages)):
        distances = np.linalg.norm(ours - theirs, axis=-1)
        assert np.median(distances) < MEDIAN
        assert (distances < NEAR).mean() > 0.95
    assert (found.centres == wanted.centres).mean() > 0.95
    np.testing.assert_allclose(np.median(np.abs(found.peak - wanted.peak)), 0, atol=1e-4)
