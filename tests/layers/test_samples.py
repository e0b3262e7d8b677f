"""The order of the samples: row by row, over the end, after a resume, shared by several solvers."""

from __future__ import annotations

import gc
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import caffe
import lmdb
import numpy as np
import pytest

from layers.common.errors import RarError
from layers.common.prepared import PreparedSet, row_key
from layers.samples import VGG_MEAN
from tests.layers.conftest import python_layer
from tools.model.gradient_check import layer_net


def samples(source: Path | str, batch: int = 2, phase: int = caffe.TRAIN) -> Any:
    """A net of one SampleLayer."""
    layer = python_layer("samples.SampleLayer", [], ["data", "shape"], source=str(source), batch_size=batch)
    return layer_net(layer, {}, phase)


@pytest.fixture
def train(prepared: Path) -> PreparedSet:
    return PreparedSet(prepared / "train")


def rows(net: Any, faces: PreparedSet) -> list[int]:
    """The rows that the next forward pass reads, told by their shapes; each image must be that of its shape."""
    net.forward()
    found = []
    for image, shape in zip(net.blobs["data"].data, net.blobs["shape"].data, strict=True):
        (row,) = np.flatnonzero((faces.shape == shape).all((1, 2)))
        expected = faces.image(int(row)).transpose(2, 0, 1) - np.reshape(VGG_MEAN, (3, 1, 1))
        np.testing.assert_allclose(image, expected, atol=1e-4)
        found.append(int(row))
    return found


def test_rows_in_order_and_over_the_end(train: PreparedSet) -> None:
    batch = len(train) // 2 + 1
    net = samples(train.folder, batch)
    read = rows(net, train) + rows(net, train) + rows(net, train)
    assert read == [row % len(train) for row in range(3 * batch)]


def test_images_are_blue_green_red_minus_the_vgg_mean(train: PreparedSet) -> None:
    net = samples(train.folder, 1)
    net.forward()
    restored = net.blobs["data"].data[0].transpose(1, 2, 0) + VGG_MEAN
    np.testing.assert_allclose(restored, train.image(0), atol=1e-4)


def test_the_position_is_saved_with_the_weights(train: PreparedSet, tmp_path: Path) -> None:
    net = samples(train.folder)
    for _ in range(3):
        net.forward()
    net.save(str(tmp_path / "w.caffemodel"))
    resumed = samples(train.folder)
    resumed.copy_from(str(tmp_path / "w.caffemodel"))
    assert rows(resumed, train) == rows(net, train) == [6, 7]


def test_a_test_net_starts_at_the_first_row(train: PreparedSet) -> None:
    assert rows(samples(train.folder, 1, caffe.TEST), train) == [0]


@pytest.fixture
def two_solvers() -> Iterator[None]:
    """As on two GPUs; put back afterwards, for it holds for the whole process."""
    count, rank = caffe.solver_count(), caffe.solver_rank()
    caffe.set_solver_count(2)
    caffe.set_multiprocess(True)  # a process each, or Caffe refuses Python layers
    yield
    caffe.set_multiprocess(False)
    caffe.set_solver_count(count)
    caffe.set_solver_rank(rank)


def test_several_solvers_share_the_rows(train: PreparedSet, two_solvers: None) -> None:
    nets = [samples(train.folder), samples(train.folder)]
    read: list[list[int]] = [[], []]
    for _ in range(3):
        for rank, net in enumerate(nets):
            caffe.set_solver_rank(rank)
            read[rank] += rows(net, train)
    assert read == [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]


def test_rank_0_tests_on_every_row(train: PreparedSet, two_solvers: None) -> None:
    net = samples(train.folder, phase=caffe.TEST)
    assert rows(net, train) + rows(net, train) == [0, 1, 2, 3]


class Readers(dict[int, threading.Thread]):
    """Which thread has read a row, by row."""

    def __init__(self) -> None:
        self.changed = threading.Condition()

    def record(self, row: int) -> None:
        with self.changed:
            self[row] = threading.current_thread()
            self.changed.notify_all()

    def wait_for(self, rows: set[int]) -> None:
        """Until these rows are read, and no others."""
        with self.changed:
            assert self.changed.wait_for(lambda: set(self) == rows, timeout=120), "the thread reads nothing"


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Readers:
    found, image = Readers(), PreparedSet.image

    def recorded(faces: PreparedSet, row: int) -> Any:
        found.record(row)
        return image(faces, row)

    monkeypatch.setattr(PreparedSet, "image", recorded)
    return found


def test_the_next_mini_batch_is_read_by_a_thread(train: PreparedSet, readers: Readers) -> None:
    net = samples(train.folder)
    net.forward()
    readers.wait_for({0, 1, 2, 3})
    assert readers[0] is readers[1] is threading.current_thread()
    assert readers[2] is readers[3] is not threading.current_thread()
    readers.clear()
    net.forward()
    readers.wait_for({4, 5})
    assert threading.current_thread() not in readers.values()


def test_what_was_read_for_another_place_is_not_taken(train: PreparedSet) -> None:
    net = samples(train.folder)
    assert rows(net, train) == [0, 1]
    net.params["layer"][0].data[...] = 7
    assert rows(net, train) + rows(net, train) == [7, 8, 9, 10]


def test_several_nets_read_one_set(train: PreparedSet) -> None:
    nets = [samples(train.folder), samples(train.folder, 3), samples(train.folder, 1, caffe.TEST)]
    read = [[rows(net, train) for net in nets] for _ in range(3)]
    assert read == [[[2 * i, 2 * i + 1], [3 * i, 3 * i + 1, 3 * i + 2], [i]] for i in range(3)]


def test_the_thread_ends_with_the_net(train: PreparedSet) -> None:
    before = set(threading.enumerate())
    net = samples(train.folder)
    net.forward()
    (reader,) = set(threading.enumerate()) - before
    del net
    gc.collect()
    reader.join(timeout=120)
    assert not reader.is_alive()


def test_a_forked_process_reads_on_by_itself(train: PreparedSet, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--gpu", default=False):
        pytest.skip("CUDA does not work in a process that is forked after its parent has used it")
    net = samples(train.folder)
    net.forward()
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if rows(net, train) + rows(net, train) == [2, 3, 4, 5] else 2
        finally:
            os._exit(status)
    end = time.monotonic() + 60
    while not (done := os.waitpid(child, os.WNOHANG))[0]:
        assert time.monotonic() < end, "the child hangs"
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(done[1]) == 0
    assert rows(net, train) == [2, 3]


def test_a_damaged_image_is_named_in_its_own_mini_batch(train: PreparedSet, tmp_path: Path) -> None:
    copy = shutil.copytree(train.folder, tmp_path / "train")
    with lmdb.open(str(copy / "images.lmdb"), map_size=1 << 28) as environment, environment.begin(write=True) as rows_:
        rows_.put(row_key(4), b"\x22\x00")
    net = samples(copy)
    assert rows(net, train) + rows(net, train) == [0, 1, 2, 3]
    with pytest.raises(RarError, match="row 4: no 64 px image in it: prepare the data again"):
        net.forward()
    net.params["layer"][0].data[...] = 6
    assert rows(net, train) == [6, 7]


def test_the_source_may_name_variables(
    train: PreparedSet, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA", str(prepared))
    monkeypatch.setenv("TEST_SET", "train")
    assert rows(samples("$DATA/$TEST_SET"), train) == [0, 1]
    monkeypatch.delenv("TEST_SET")
    with pytest.raises(RarError, match=r"\$DATA/\$TEST_SET: the variable is not set"):
        samples("$DATA/$TEST_SET")


def test_a_missing_set_is_named(prepared: Path) -> None:
    with pytest.raises(RarError, match="no prepared set at .*nowhere.*make data-300w"):
        samples(prepared / "nowhere")


def test_the_batch_size_is_required(prepared: Path) -> None:
    layer = python_layer("samples.SampleLayer", [], ["data", "shape"], source=str(prepared / "train"))
    with pytest.raises(RarError, match="batch_size"):
        layer_net(layer, {})
