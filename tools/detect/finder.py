"""Where the faces are: libfacedetection (PyPI's yuface, BSD), its boxes moved to where 300-W's detector has its."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from data_prep.images import Image
from layers.common.errors import RarError
from layers.common.shapes import FloatArray
from tools.caffe_build.cache import root

PACKAGE = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages", "yuface")
LONGEST = (640, 1920)  # px; faces of the middle distance first, and only where there is none, small ones
CONFIDENT = 70  # of 100. Of 210 training faces none was under 84, and second boxes on a face are nearly all under it
# From the finder's box to 300-W's detector box: medians over 729 training faces of HELEN, LFPW and AFW.
DOWN, SIDE = 0.145, 0.870  # geometric means of its sides


class FaceFinder:
    """Faces of a picture, turned ones too, but upright. RarError when the finder is not installed."""

    def __init__(self, environment: Path | None = None) -> None:
        self._detect = _library((environment or root() / "venv" / "finder") / PACKAGE)

    def find(self, image: Image) -> FloatArray:
        """Boxes (n, 4), x0 y0 x1 y1 in px of an image (H, W, 3) BGR, the largest face first."""
        longer = max(image.shape[:2])
        boxes = np.empty((0, 4))
        for longest in LONGEST:
            scale = min(1.0, longest / longer)
            boxes = _as_detector_boxes(self._at_scale(image, scale))
            if len(boxes) or scale == 1:
                break
        return boxes

    def _at_scale(self, image: Image, scale: float) -> FloatArray:
        """Boxes (n, 4), x y width height, of the image looked at in another size."""
        size = tuple(max(1, round(scale * length)) for length in (image.shape[1], image.shape[0]))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
        rows = np.asarray(self._detect(np.ascontiguousarray(small)), np.float64).reshape(-1, 16)
        return rows[rows[:, 0] >= CONFIDENT, 1:5] / scale


def _as_detector_boxes(found: FloatArray) -> FloatArray:
    side = np.sqrt(found[:, 2] * found[:, 3])[:, None]
    order = np.argsort(-side[:, 0], kind="stable")
    centre = found[:, :2] + found[:, 2:] / 2 + side * (0, DOWN)
    return np.concatenate([centre - SIDE / 2 * side, centre + SIDE / 2 * side], axis=1)[order]


def _library(package: Path) -> Callable[[Image], Any]:
    """yuface's function: image -> (n, 16), confidence, x, y, width, height, five points.

    Its module alone is loaded, by its path: the environment is not on the path of this process.
    """
    module = next(package.glob("yuface.*.so"), None)
    spec = spec_from_file_location("yuface", module) if module else None
    if spec is None or spec.loader is None:
        raise RarError(f"no face finder at {package}: run make finder, or give the boxes of the faces")
    library = module_from_spec(spec)
    spec.loader.exec_module(library)
    return cast(Callable[[Image], Any], library.detect)
