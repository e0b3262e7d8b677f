"""The Python interface: faces of images with their landmarks, in px of each image."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_prep.crops import Matrix, crop_transform, cut_crop
from data_prep.images import Image
from layers.common.errors import RarError
from layers.common.shapes import FloatArray, affine_apply, affine_invert
from tools.common.gpu import use_gpu
from tools.common.pose import HeadPose, head_pose
from tools.detect.arguments import as_image, checked_boxes
from tools.detect.calibration import read_calibration
from tools.detect.finder import FaceFinder
from tools.model.about import about, know_scheme
from tools.model.crop_detector import CropDetector, Detections
from tools.model.places import DEFAULT, shipped_weights
from tools.model.presets import Preset, preset

Picture = Image | str | os.PathLike[str] | Any  # the last: PIL.Image.Image, which need not be there


class Face(NamedTuple):
    """One face, px of the image, 0-based.

    box (4,): x0 y0 x1 y1; points (L, 2): the final shape; confidence (L,) in (0, 1]: of conv8's peak, near 1 for one
    sharp peak; s_d (L, 2): conv8's landmarks; stages (T+1, L, 2): s_hat_0 ... s_hat_T; centres (T,): the attention
    centre of every step; expected_error (L,): expected distance from the true places, px of the image, where the
    weights have a calibration (`make calibrate`), else None; pose: yaw, pitch and roll of the head, degrees, for
    schemes of 68 and 5 points, else None (tools/common/pose.py).
    """

    box: FloatArray
    points: FloatArray
    confidence: FloatArray
    s_d: FloatArray
    stages: FloatArray
    centres: NDArray[np.int64]
    expected_error: FloatArray | None = None
    pose: HeadPose | None = None

    @property
    def rank(self) -> NDArray[np.int64]:
        """(L,): the step, from 1, in which a landmark was first the attention centre; T + 1 where it never was."""
        steps = len(self.centres)
        ranks = np.full(len(self.points), steps + 1)
        np.minimum.at(ranks, self.centres, np.arange(1, steps + 1))
        return ranks


class Detector:
    """RAR with the weights of a preset. Threads may share one: they take turns at the net.

    The net lives in a thread of its own: oneDNN runs a convolution only in the thread that prepared it, and Caffe keeps
    its choice of CPU or GPU per thread. That thread ends with `close()`, or at the end of a `with` block. A process
    made by fork has none of its parent's threads, so it needs a Detector of its own.

    name: the preset. weights: a file; None for those that come with the project. batch: faces at a time. gpu: its
    number, None for the CPU. `file` and `sha256` say which weights it has. RarError when the weights are missing,
    damaged or for another net, and when there is no such GPU.
    """

    def __init__(
        self, name: str = DEFAULT, weights: str | Path | None = None, batch: int = 8, gpu: int | None = None
    ) -> None:
        file = Path(weights) if weights else shipped_weights(name)
        know_scheme(file)
        self.preset = preset(name)
        if batch < 1:
            raise RarError(f"batch is {batch}: give a number of faces, 1 or more")
        self.batch = batch
        self.file = file
        self.about = about(self.file, self.preset)
        self.calibration = read_calibration(self.file)
        self._process, self._closed = os.getpid(), False
        self._worker = ThreadPoolExecutor(1, "net")
        self._finding = threading.Lock()
        self._finder: FaceFinder | None = None
        try:
            net = self._worker.submit(_load, self.preset, self.file, gpu).result()
        except BaseException:
            self._worker.shutdown()
            raise
        self._net: CropDetector | None = net
        self.sha256 = net.sha256

    def __enter__(self) -> Detector:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the net and end its thread; a second time does nothing."""
        self._closed, self._net, self._finder = True, None, None
        if self._process == os.getpid():
            self._worker.shutdown()

    def detect(self, image: Picture, boxes: ArrayLike | None = None) -> list[Face]:
        """The faces of an image: an array (H, W, 3), BGR, 8 bits, the path of a file, or a picture of Pillow's.

        boxes: (n, 4) x0 y0 x1 y1, px, as a face detector draws them; None: found here, the largest first.
        RarError for an image or boxes of another kind, for a box without area or off the image, after `close`, and in
        a process forked from the one that made this.
        """
        return self.detect_many([image], [boxes])[0]

    def detect_many(
        self, images: Iterable[Picture], boxes: Iterable[ArrayLike | None] | None = None
    ) -> list[list[Face]]:
        """`detect` for every image; the net sees `batch` faces at a time, whichever images they are from.

        boxes: one entry per image, None to find them.
        """
        self._check_usable()
        if isinstance(images, np.ndarray | str | os.PathLike):
            raise RarError("detect_many takes a list of images; detect takes one")
        pictures = [as_image(image) for image in images]
        wanted = [None] * len(pictures) if boxes is None else list(boxes)
        if len(wanted) != len(pictures):
            raise RarError(f"boxes of {len(wanted)} images for {len(pictures)}: give one entry per image, None to find")
        given = [
            self.find(image) if one is None else checked_boxes(one, image)
            for image, one in zip(pictures, wanted, strict=True)
        ]
        owners = [(number, box) for number, found in enumerate(given) for box in found]
        faces: list[list[Face]] = [[] for _ in pictures]
        for first in range(0, len(owners), self.batch):
            part = owners[first : first + self.batch]
            made = self._detect([pictures[number] for number, _ in part], [box for _, box in part])
            for (number, _), face in zip(part, made, strict=True):
                faces[number].append(face)
        return faces

    def find(self, image: Picture) -> FloatArray:
        """Boxes (n, 4) of the faces of an image, the largest first; as `detect` finds them."""
        self._check_usable()
        pixels = as_image(image)
        with self._finding:
            self._finder = self._finder or FaceFinder()
            return self._finder.find(pixels)

    def _check_usable(self) -> None:
        if self._closed:
            raise RarError("this Detector is closed: make another one")
        if self._process != os.getpid():
            raise RarError("this Detector was made before the process was forked: make one in each process, or spawn")

    def _detect(self, images: Sequence[Image], boxes: Sequence[FloatArray]) -> list[Face]:
        """One face per box, each with its image."""
        size = self.preset.crop_size
        to_crop = [crop_transform(box, self.about.margin, size) for box in boxes]
        crops = [cut_crop(image, matrix, size) for image, matrix in zip(images, to_crop, strict=True)]
        assert self._net
        found = self._worker.submit(self._net.detect, np.stack(crops)).result()
        return [self._face(found, i, *one) for i, one in enumerate(zip(boxes, to_crop, strict=True))]

    def _face(self, found: Detections, i: int, box: FloatArray, to_crop: Matrix) -> Face:
        to_image = affine_invert(to_crop)
        stages = affine_apply(to_image, found.stages[i].astype(np.float64))
        s_d = affine_apply(to_image, found.s_d[i].astype(np.float64))
        peak, points = found.peak[i], stages[-1]
        expected = self.calibration.expected_error(peak, s_d, points) if self.calibration else None
        pose = head_pose(points, self.preset.scheme)
        return Face(box, points, peak, s_d, stages, found.centres[i], expected, pose)


def _load(kind: Preset, weights: Path, gpu: int | None) -> CropDetector:
    if gpu is not None:
        use_gpu(gpu)
    return CropDetector(kind, weights)
