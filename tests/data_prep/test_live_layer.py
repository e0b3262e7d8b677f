"""LiveSampleLayer in Caffe: the crops of its place in the data, which is saved with the weights; several solvers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import caffe
import numpy as np
import pytest
from caffe.proto import caffe_pb2

from data_prep.live.faces import Crop, LiveFaces
from data_prep.live.workers import end_workers
from layers.common.errors import RarError
from layers.samples import VGG_MEAN
from tools.model.gradient_check import layer_net


def samples(source: Path | str, **parameters: Any) -> Any:
    """A net of one LiveSampleLayer."""
    layer = caffe_pb2.LayerParameter(name="layer", type="Python", top=["data", "shape"])
    layer.python_param.module, layer.python_param.layer = "data_prep.live.layer", "LiveSampleLayer"
    layer.python_param.param_str = json.dumps({"source": str(source), "batch_size": 2, "workers": 1, **parameters})
    return layer_net(layer, {})


@pytest.fixture
def train(prepared_live: Path) -> Iterator[Path]:
    yield prepared_live / "train"
    end_workers()


def drawn(faces: LiveFaces, near: range) -> dict[int, Crop]:
    return {sample: faces.draw(sample) for sample in near}


def read(net: Any, near: dict[int, Crop]) -> list[int]:
    """The samples of the next forward pass, told by their shapes; each image must be that of its shape."""
    net.forward()
    found = []
    for image, shape in zip(net.blobs["data"].data, net.blobs["shape"].data, strict=True):
        (sample,) = (sample for sample, crop in near.items() if (crop.shape == shape).all())
        expected = near[sample].image.transpose(2, 0, 1) - np.reshape(VGG_MEAN, (3, 1, 1))
        np.testing.assert_allclose(image, expected, atol=1e-4)
        found.append(sample)
    return found


def place(net: Any) -> list[int]:
    return [int(number) for number in net.params["layer"][0].data]


def test_samples_in_order_and_over_the_end_of_an_epoch(train: Path) -> None:
    faces = LiveFaces(train, seed=1, first_visit=3)
    n, batch = len(faces), len(faces) // 2 + 1
    net = samples(train, seed=1, first_visit=3, batch_size=batch)
    assert place(net) == [0, 0]
    near = drawn(faces, range(2 * batch))
    assert read(net, near) == list(range(batch))
    assert read(net, near) == list(range(batch, 2 * batch))
    assert place(net) == [1, 2 * batch - n]


def test_the_place_is_saved_with_the_weights(train: Path, tmp_path: Path) -> None:
    faces = LiveFaces(train, seed=1)
    net = samples(train, seed=1)
    for _ in range(len(faces)):  # two epochs
        net.forward()
    net.save(str(tmp_path / "w.caffemodel"))
    resumed = samples(train, seed=1, workers=2)
    resumed.copy_from(str(tmp_path / "w.caffemodel"))
    assert place(resumed) == [2, 0]
    first = 2 * len(faces)
    near = drawn(faces, range(first, first + 6))
    assert read(resumed, near) == read(net, near) == [first, first + 1]
    assert read(resumed, near) == read(net, near) == [first + 2, first + 3]


def test_numbers_that_a_float_cannot_count(train: Path) -> None:
    """After thirty million samples it still goes on by one face at a time."""
    faces = LiveFaces(train, seed=1)
    net = samples(train, seed=1, batch_size=1)
    net.params["layer"][0].data[...] = (600_000, 5)
    first = 600_000 * len(faces) + 5
    assert first > 2**24
    near = drawn(faces, range(first, first + 4))
    assert [read(net, near) for _ in range(3)] == [[first], [first + 1], [first + 2]]
    assert place(net) == [600_000, 8]


def test_several_solvers_share_every_epoch(train: Path) -> None:
    faces = LiveFaces(train, seed=1)
    count, rank = caffe.solver_count(), caffe.solver_rank()
    try:
        caffe.set_solver_count(2)
        caffe.set_multiprocess(True)  # a process each, or Caffe refuses Python layers
        nets = [samples(train, seed=1), samples(train, seed=1)]
        near = drawn(faces, range(14))
        taken: list[list[int]] = [[], []]
        for _ in range(3):
            for number, net in enumerate(nets):
                caffe.set_solver_rank(number)
                taken[number] += read(net, near)
    finally:
        caffe.set_multiprocess(False)
        caffe.set_solver_count(count)
        caffe.set_solver_rank(rank)
    assert taken == [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]
    assert place(nets[0]) == place(nets[1]) == [0, 12]


def test_what_is_wrong_is_said(train: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RarError, match="holds crops, not patches: prepare with AUGMENT=live"):
        samples(prepared / "train")
    monkeypatch.delenv("TEST_SET", raising=False)
    with pytest.raises(RarError, match=r"\$TEST_SET: the variable is not set"):
        samples("$TEST_SET")
