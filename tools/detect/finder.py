"""Where the faces are: libfacedetection (PyPI's yuface, BSD), its boxes moved to where 300-W's detector has its."""

from __future__ import annotations

import ctypes
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.images import Image
from layers.common.errors import RarError
from layers.common.shapes import FloatArray
from tools.build import venv

LIBRARY = Path("yuface", "libfacedetection.so")
FUNCTION = "_Z14facedetect_cnnPhS_iii"  # int* facedetect_cnn(buffer, BGR image, width, height, step)
BUFFER = 0x9000  # bytes, as the library's header wants: the number of faces, 32 bits, then COLUMNS of 16 bits for each
COLUMNS = 16
LONGEST = (640, 1920)  # px; faces of the middle distance first, and only where there is none, small ones
CONFIDENT = 70  # of 100. Of 210 training faces none was under 84, and second boxes on a face are nearly all under it
# From the finder's box to 300-W's detector box: medians over 729 training faces of HELEN, LFPW and AFW.
DOWN, SIDE = 0.145, 0.870  # geometric means of its sides


class FaceFinder:
    """Faces of a picture, turned ones too. RarError when the finder is not installed."""

    def __init__(self, site_packages: Path | None = None) -> None:
        self._library = _Library((site_packages or venv.site_packages("finder")) / LIBRARY)

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
        rows = self._library.detect(np.asarray(small, np.uint8)).astype(np.float64)
        return rows[rows[:, 0] >= CONFIDENT, 1:5] / scale


def _as_detector_boxes(found: FloatArray) -> FloatArray:
    side = np.sqrt(found[:, 2] * found[:, 3])[:, None]
    order = np.argsort(-side[:, 0], kind="stable")
    centre = found[:, :2] + found[:, 2:] / 2 + side * (0, DOWN)
    return np.concatenate([centre - SIDE / 2 * side, centre + SIDE / 2 * side], axis=1)[order]


class _Library:
    """libfacedetection's one function, called without yuface's Python module: that leaks its buffer, 36 KB a call."""

    def __init__(self, path: Path) -> None:
        try:
            self._call = ctypes.CDLL(str(path))[FUNCTION]
        except (OSError, AttributeError) as error:
            missing = not path.exists()
            why = f"no face finder at {path}" if missing else f"{path} cannot be used ({error})"
            raise RarError(f"{why}: run make finder, or give the boxes of the faces") from None
        self._call.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_int)
        self._call.restype = ctypes.c_void_p
        self._buffer = np.zeros(BUFFER // 2, np.int16)

    def detect(self, image: Image) -> NDArray[np.int16]:
        """Faces (n, 16) of an image (H, W, 3) BGR: confidence of 100, x, y, width, height, five points, one unused."""
        image = np.ascontiguousarray(image)
        height, width = image.shape[:2]
        self._call(self._buffer.ctypes.data, image.ctypes.data, width, height, image.strides[0])
        count = int(self._buffer[:2].view(np.int32)[0])
        return self._buffer[2 : 2 + COLUMNS * count].reshape(count, COLUMNS).copy()
