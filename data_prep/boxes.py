"""The face boxes of 300-W, `Bounding Boxes/bounding_boxes_<subset>.mat`."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from layers.common.errors import RarError

_UNREADABLE = (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError, EOFError,
               struct.error, zlib.error, MatReadError)  # fmt: skip


@dataclass(frozen=True)
class FaceBoxes:
    """Both boxes of one face, each (4,) f8 x0 y0 x1 y1 in 0-based image px."""

    detector: NDArray[np.float64]
    ground_truth: NDArray[np.float64]


def image_key(file_name: str) -> str:
    """What two spellings of one image's name have in common: "image_092 _01.jpg" and "image_092_01.jpg" are one."""
    return re.sub(r"\s+", "", re.sub(r"\.[A-Za-z]+$", "", file_name.strip())).lower()


def read_boxes(path: Path) -> dict[str, FaceBoxes]:
    """Boxes by `image_key`. RarError when the file is missing or not such a file; boxes are not checked here."""
    if not path.is_file():
        raise RarError(f"{path} is not there: copy the challenge's Bounding Boxes folder beside the images")
    try:
        faces = np.atleast_1d(loadmat(path, squeeze_me=True, struct_as_record=False)["bounding_boxes"])
        return {image_key(str(face.imgName)): FaceBoxes(*_both(face)) for face in faces}
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise RarError(f"{path} is no bounding-box file ({type(error).__name__}: {reason}): copy it again") from None


def _both(face: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    boxes = (np.asarray(box, np.float64).reshape(4) - 1 for box in (face.bb_detector, face.bb_ground_truth))
    detector, ground_truth = boxes
    return detector, ground_truth
