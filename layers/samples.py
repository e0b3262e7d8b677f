"""Images and true shapes, row by row, from a prepared set."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from layers.base import RarLayer
from layers.common.ahead import Ahead
from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from layers.common.shapes import FloatArray
from layers.quiet import caffe

VGG_MEAN = (103.939, 116.779, 123.68)  # BGR, of the images VGG-19 was trained on


def source_folder(source: str) -> str:
    """The folder that `source` names, environment variables expanded; RarError when one is not set."""
    folder = os.path.expandvars(source)
    if "$" in folder:
        raise RarError(f"{source}: the variable is not set; e.g. export DATA=data/300w")
    return folder


def net_input(images: PreparedSet, rows: tuple[int, ...]) -> FloatArray:
    """The images of these rows as a net takes them, (N, 3, S, S): BGR minus the VGG mean."""
    data = np.empty((len(rows), 3, images.crop_size, images.crop_size), np.float32)
    mean = np.reshape(np.array(VGG_MEAN, np.float32), (3, 1, 1))
    for row, out in zip(rows, data, strict=True):
        np.subtract(images.image(row).transpose(2, 0, 1), mean, out=out)
    return data


class SampleLayer(RarLayer):
    """The next `batch_size` samples of a prepared set (LMDB images, HDF5 landmarks), over and over in their order.

    tops: data (N, 3, S, S), BGR 0-255 minus the VGG mean; shape S* (N, L, 2), px of the crop.
    source: folder of the set; environment variables are expanded.

    Its one blob is the row to read next. It is saved with the weights like any blob, so a training resumed from a
    snapshot reads on where the snapshot was taken, which Caffe's own Data and HDF5Data layers do not do. In the
    TEST phase a net starts at row 0. Of several solvers (GPUs) each trains on its own share of the rows; only the first
    tests, on all of them.
    A thread reads and decodes the images of the next mini-batch while the net works on this one. It changes nothing
    else: a mini-batch is what the blob says, and an error in it appears when it is due.
    RarError when the set is missing or damaged.
    """

    bottoms = ()

    @dataclass(frozen=True)
    class Parameters:
        source: str
        batch_size: int

    def prepare(self, bottom: Any, top: Any) -> None:
        self.set = PreparedSet(source_folder(self.parameters.source))
        self.images = Ahead(partial(net_input, self.set))
        self.blobs.add_blob(1)
        self.blobs[0].data[...] = 0

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        n, size = self.parameters.batch_size, self.set.crop_size
        return [(n, 3, size, size), (n, self.set.scheme.landmarks, 2)]

    def forward(self, bottom: Any, top: Any) -> None:
        n, total = self.parameters.batch_size, len(self.set)
        solvers, rank = (caffe.solver_count(), caffe.solver_rank()) if self.phase == caffe.TRAIN else (1, 0)
        first = int(self.blobs[0].data[0])
        following = (first + n * solvers) % total

        def rows(begin: int) -> tuple[int, ...]:
            return tuple((begin + i * solvers + rank) % total for i in range(n))

        top[0].data[...] = self.images.take(rows(first), rows(following))
        top[1].data[...] = self.set.shape[list(rows(first))]
        self.blobs[0].data[0] = following
