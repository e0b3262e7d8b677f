"""The Python interface: faces of an image with their landmarks, in px of that image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_prep.crops import crop_transform, cut_crop
from data_prep.images import Image
from layers.common.errors import RarError
from layers.common.shapes import FloatArray, affine_apply, affine_invert
from tools.detect.finder import FaceFinder
from tools.detector import CropDetector
from tools.presets import preset

MARGIN = 1.4  # of the crops that the presets are trained on


class Face(NamedTuple):
    """One face, px of the image, 0-based.

    box (4,): x0 y0 x1 y1; points (L, 2): the final shape; confidence (L,) in (0, 1]: of conv8's peak, near 1 for one
    sharp peak; s_d (L, 2): conv8's landmarks; stages (T+1, L, 2): s_hat_0 ... s_hat_T; centres (T,): the attention
    centre of every step.
    """

    box: FloatArray
    points: FloatArray
    confidence: FloatArray
    s_d: FloatArray
    stages: FloatArray
    centres: NDArray[np.int64]


class Detector:
    """RAR with the weights of a preset. Threads may share one: a thread of its own runs the net for them in turn.

    batch: faces at a time. RarError when the weights are missing or for another net.
    """

    def __init__(self, name: str, weights: str | Path, batch: int = 8) -> None:
        self.preset = preset(name)
        self.batch = batch
        self._finder: FaceFinder | None = None
        # oneDNN's engines belong to threads: a net runs only in the thread that made it.
        self._thread = ThreadPoolExecutor(1, "rar")
        self._net = self._thread.submit(CropDetector, self.preset, Path(weights)).result()

    def detect(self, image: Image, boxes: ArrayLike | None = None) -> list[Face]:
        """The faces of an image (H, W, 3), BGR, 8 bits.

        boxes: (n, 4) x0 y0 x1 y1, px, as a face detector draws them; None: found here, the largest first.
        RarError for an image or boxes of another kind, and for a box without area or off the image.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise RarError(f"an image is (height, width, 3) of 8 bits, BGR, not {image.shape} of {image.dtype}")
        return self._thread.submit(self._all, image, boxes).result()

    def _all(self, image: Image, boxes: ArrayLike | None) -> list[Face]:
        given = self._found(image) if boxes is None else checked_boxes(boxes, image)
        firsts = range(0, len(given), self.batch)
        return [face for first in firsts for face in self._detect(image, given[first : first + self.batch])]

    def _found(self, image: Image) -> FloatArray:
        self._finder = self._finder or FaceFinder()
        return self._finder.find(image)

    def _detect(self, image: Image, boxes: FloatArray) -> list[Face]:
        size = self.preset.crop_size
        to_crop = [crop_transform(box, MARGIN, size) for box in boxes]
        found = self._net.detect(np.stack([cut_crop(image, matrix, size) for matrix in to_crop]))
        faces = []
        for i, (box, matrix) in enumerate(zip(boxes, to_crop, strict=True)):
            to_image = affine_invert(matrix)
            stages = affine_apply(to_image, found.stages[i].astype(np.float64))
            s_d = affine_apply(to_image, found.s_d[i].astype(np.float64))
            faces.append(Face(box, stages[-1], found.peak[i], s_d, stages, found.centres[i]))
        return faces


def checked_boxes(boxes: ArrayLike, image: Image) -> FloatArray:
    """Boxes as (n, 4) float64; RarError unless each has an area and touches the image."""
    given = np.asarray(boxes, np.float64)
    if given.size == 0:
        return np.empty((0, 4))
    if given.ndim != 2 or given.shape[1] != 4:
        raise RarError(f"boxes are (n, 4), x0 y0 x1 y1, not {given.shape}")
    height, width = image.shape[:2]
    x0, y0, x1, y1 = given.T
    bad = ~((x1 > x0) & (y1 > y0) & (x0 < width) & (y0 < height) & (x1 > 0) & (y1 > 0))  # NaN is bad too
    if bad.any():
        box = " ".join(f"{value:g}" for value in given[bad.argmax()])
        raise RarError(f"the box {box} has no area or lies off the image of {width} x {height} px")
    return given
