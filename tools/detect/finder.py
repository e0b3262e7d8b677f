"""Where the faces are: OpenCV's cascade of Debian's opencv-data, its boxes moved to where 300-W's detector has its."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from data_prep.images import Image
from layers.common.errors import RarError
from layers.common.shapes import FloatArray

CASCADE = Path("/usr/share/opencv4/haarcascades/haarcascade_frontalface_alt2.xml")
LONGEST = 960  # px; the cascade is slow on large pictures and needs no more
SMALLEST = 40  # px of the picture as the cascade sees it
# From the cascade's square to 300-W's detector box: medians over 136 HELEN training faces on which both agree.
DOWN, SIDE = 0.148, 0.878  # sides of the cascade's square


class FaceFinder:
    """Frontal faces of a picture. RarError when Debian's opencv-data is not installed."""

    def __init__(self, cascade: Path = CASCADE) -> None:
        if not cascade.is_file():
            raise RarError(f"no {cascade}: run sudo apt-get install opencv-data, or give the boxes of the faces")
        self._cascade = cv2.CascadeClassifier(str(cascade))

    def find(self, image: Image) -> FloatArray:
        """Boxes (n, 4), x0 y0 x1 y1 in px of an image (H, W, 3) BGR, the largest face first."""
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        scale = min(1.0, LONGEST / max(grey.shape))
        if scale * min(grey.shape) < SMALLEST:  # no face fits, and a thread of a picture has no smaller one
            return np.empty((0, 4))
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
        found = self._cascade.detectMultiScale(cv2.equalizeHist(small), 1.1, 3, minSize=(SMALLEST, SMALLEST))
        squares = np.asarray(found, np.float64).reshape(-1, 4) / scale
        squares = squares[np.argsort(-squares[:, 2], kind="stable")]
        side = squares[:, 2:3]
        centre = squares[:, :2] + side / 2 + side * (0, DOWN)
        return np.concatenate([centre - SIDE / 2 * side, centre + SIDE / 2 * side], axis=1)
