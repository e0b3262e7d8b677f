"""A face of a results file as a picture: its crop from the prepared data, enlarged, and how image px map to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.patches import open_set
from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from layers.common.shapes import FloatArray, affine_apply, affine_compose, affine_invert
from tools.evaluate.results import FaceResult


@dataclass(frozen=True)
class FacePicture:
    """image (side, side, 3) BGR u1; to_picture (2, 3) takes px of the original image to px of `image`."""

    image: NDArray[np.uint8]
    to_picture: FloatArray

    def place(self, shape: FloatArray) -> FloatArray:
        """Points (..., 2) of the original image on this picture."""
        return affine_apply(self.to_picture, shape)


FacePictures = Callable[[FaceResult], FacePicture]


class PreparedPictures:
    """Finds faces of a results file in prepared data: call it with a face for its crop, side x side px."""

    def __init__(self, data: Path, side: int = 512) -> None:
        if not data.is_dir():
            raise RarError(f"no prepared data at {data}: give the folder that make data-300w or make demo wrote")
        self.data, self.side = data, side
        self._sets: dict[str, tuple[PreparedSet, dict[str, int]]] = {}

    def __call__(self, face: FaceResult) -> FacePicture:
        """The face's crop; RarError when the data do not hold it."""
        prepared, rows = self._set(face.subset)
        row = rows.get(face.name)
        if row is None:
            raise RarError(f"{prepared.folder} has no face {face.name}: give the data that the results were made on")
        zoom = self.side / prepared.crop_size
        image = cv2.resize(prepared.image(row), (self.side, self.side), interpolation=cv2.INTER_CUBIC)
        # px centres are integers, so enlarging takes x to (x + 0.5) zoom - 0.5
        enlarge = np.array([[zoom, 0, (zoom - 1) / 2], [0, zoom, (zoom - 1) / 2]])
        return FacePicture(image, affine_compose(enlarge, affine_invert(prepared.crop_to_image[row])))

    def _set(self, subset: str) -> tuple[PreparedSet, dict[str, int]]:
        if subset not in self._sets:
            prepared = open_set(self.data / subset)
            plain = np.flatnonzero((prepared.mirrored == 0) & (prepared.copy == 0))
            self._sets[subset] = prepared, {str(prepared.name[row]): int(row) for row in plain}
        return self._sets[subset]
