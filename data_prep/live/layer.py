"""Training samples drawn anew at every visit, from a set of patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from data_prep.live.faces import LiveFaces
from data_prep.live.workers import Workers, usual_number
from layers.base import RarLayer
from layers.quiet import caffe
from layers.samples import VGG_MEAN, source_folder

_MEAN = np.array(VGG_MEAN, np.float32)[:, None, None]


class LiveSampleLayer(RarLayer):
    """The next `batch_size` samples of a set of patches: rotated, scaled, shifted, mirrored and occluded as they come.

    tops: data (N, 3, S, S), BGR 0-255 minus the VGG mean; shape S* (N, L, 2), px of the crop.
    source: folder of the set; environment variables are expanded.
    seed, first_visit: as LiveFaces takes them. workers: processes that draw ahead (null: by the cores there are).

    Its one blob (2,) is the sample to read next, as epoch and place in it: a float holds integers to 2^24 only. It is
    saved with the weights, so a training resumed from a snapshot reads the crops that it would have read. Of several
    solvers each trains on its own share of every epoch.
    RarError when the set is missing or damaged, or holds no patches.
    """

    bottoms = ()

    @dataclass(frozen=True)
    class Parameters:
        source: str
        batch_size: int
        seed: int | None = None
        first_visit: int = 0
        workers: int | None = None

    def prepare(self, bottom: Any, top: Any) -> None:
        wanted = self.parameters
        self.faces = LiveFaces(source_folder(wanted.source), wanted.seed, wanted.first_visit)
        self.workers = Workers(self.faces, wanted.workers or usual_number(caffe.solver_count()), 2 * wanted.batch_size)
        self.blobs.add_blob(2)
        self.blobs[0].data[...] = 0

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        n, size = self.parameters.batch_size, self.faces.set.crop_size
        return [(n, 3, size, size), (n, self.faces.set.scheme.landmarks, 2)]

    def forward(self, bottom: Any, top: Any) -> None:
        solvers, n = caffe.solver_count(), self.parameters.batch_size
        epoch, place = (int(number) for number in self.blobs[0].data)
        first = epoch * len(self.faces) + place
        images, shapes = top[0].data, top[1].data
        for i, (image, shape) in enumerate(self.workers.take(first + caffe.solver_rank(), solvers, n)):
            np.subtract(image, _MEAN, out=images[i])
            shapes[i] = shape
        self.blobs[0].data[...] = divmod(first + n * solvers, len(self.faces))
