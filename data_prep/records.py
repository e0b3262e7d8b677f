"""What a reader of a raw data set hands on: one record per face."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_prep.images import Source
from layers.common.errors import RarError

_REACH = 4  # longer sides of the face box, from its middle, within which all landmarks lie


@dataclass(frozen=True)
class FaceRecord:
    """One annotated face.

    name: unique, e.g. "helen/testset/123_1". image: its file, or its place in one. subset: the part of the raw data
    set, e.g. "helen/testset".
    shape: (L, 2) f8 landmarks; box: (4,) f8 face box x0 y0 x1 y1; both in 0-based image px.
    occluded: (L,) u1, 1 where the annotation calls the landmark hidden; None where it does not tell.
    taken_from: the photograph, where its name does not tell.
    """

    name: str
    image: Source
    subset: str
    shape: NDArray[np.float64]
    box: NDArray[np.float64]
    occluded: NDArray[np.uint8] | None = None
    taken_from: str = ""

    @property
    def photograph(self) -> str:
        """Faces of one photograph share it: AFW and HELEN name them <photograph>_<face>, all digits."""
        stem = self.name.rpartition("/")[2]
        several = re.fullmatch(r"(\d+)_\d+", stem)
        return self.taken_from or (several[1] if several else self.name)


def check_face(record: FaceRecord, width: int, height: int) -> None:
    """RarError unless the landmarks have an extent and the box is a box, on the image and on the face."""
    x0, y0, x1, y1 = record.box
    place = f"{record.image}: the face box ({x0:.0f} {y0:.0f} {x1:.0f} {y1:.0f})"
    if not np.isfinite(record.box).all() or x1 - x0 < 4 or y1 - y0 < 4:
        raise RarError(f"{place} is degenerate: correct the box or leave the face out")
    if x1 <= 0 or y1 <= 0 or x0 >= width - 1 or y0 >= height - 1:
        raise RarError(f"{place} is off the image: correct the box or leave the face out")
    low, high = record.shape.min(axis=0), record.shape.max(axis=0)
    if (high - low < 4).any():
        raise RarError(f"{record.image}: its landmarks lie in a heap: mend its annotation or leave the face out")
    if x1 <= low[0] or y1 <= low[1] or x0 >= high[0] or y0 >= high[1]:
        raise RarError(f"{place} is beside the annotated face: correct the box or leave the face out")
    far = np.abs(record.shape - (record.box[:2] + record.box[2:]) / 2).max(axis=1) > _REACH * max(x1 - x0, y1 - y0)
    if far.any():
        x, y = record.shape[far.argmax()]
        raise RarError(f"{place} is far from its landmark ({x:.0f} {y:.0f}): mend the annotation or leave the face out")
