"""The face boxes of 300-W, `Bounding Boxes/bounding_boxes_<subset>.mat`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.mat import read_mat
from layers.common.errors import RarError, reason
from layers.common.json_types import check

VARIABLE = "bounding_boxes"


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
        faces = read_mat(path, VARIABLE)[VARIABLE]
        return {image_key(face["imgName"]): FaceBoxes(*_both(face)) for face in map(_checked, _listed(faces))}
    except (RarError, ValueError, TypeError) as error:
        raise RarError(f"{path} is no bounding-box file ({reason(error)}): copy it again") from None


def _listed(faces: Any) -> list[Any]:
    """A single face is no list."""
    return faces if isinstance(faces, list) else [faces]


def _checked(face: Any) -> dict[str, Any]:
    check(face, {"imgName": str, "bb_detector": list, "bb_ground_truth": list}, "a face")
    return dict(face)


def _both(face: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    boxes = (np.asarray(face[name], np.float64).reshape(4) - 1 for name in ("bb_detector", "bb_ground_truth"))
    detector, ground_truth = boxes
    return detector, ground_truth
