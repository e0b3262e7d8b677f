"""Drawing on the picture: soft polygons, filled with flat, lit or noisy colour. Pictures are float32 BGR 0..255."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.synthetic_faces.appearance import Light
from data_prep.synthetic_faces.model import Array

_SHIFT = 4

Picture = NDArray[np.float32]


def fixed(polygon: Array) -> NDArray[np.int32]:
    """OpenCV's fixed-point coordinates of px."""
    return np.asarray(np.rint(polygon * 2**_SHIFT), np.int32)


def hull(points: Array) -> Array:
    """Convex outline (n, 2) of points (m, 2)."""
    return np.asarray(cv2.convexHull(points.astype(np.float32))[:, 0], float)


def smooth_polygon(points: Array, samples: int = 8) -> Array:
    """A closed smooth curve (n * samples, 2) through points (n, 2) (Catmull-Rom)."""
    t = np.linspace(0, 1, samples, endpoint=False)[:, None, None]
    before, here, after, later = (np.roll(points, k, 0)[None] for k in (1, 0, -1, -2))
    curve = 0.5 * (
        2 * here
        + (after - before) * t
        + (2 * before - 5 * here + 4 * after - later) * t**2
        + (3 * here - before - 3 * after + later) * t**3
    )
    return np.asarray(curve.transpose(1, 0, 2).reshape(-1, 2))


class Region:
    """A polygon's coverage within its bounding box on a picture."""

    def __init__(self, picture: Picture, polygons: list[Array], soft: float = 0.0) -> None:
        height, width = picture.shape[:2]
        every = np.concatenate(polygons)
        pad = 2 + int(3 * soft)
        self.left, self.top = np.clip(np.floor(every.min(0)).astype(int) - pad, 0, (width, height)).tolist()
        right, bottom = np.clip(np.ceil(every.max(0)).astype(int) + pad + 1, 0, (width, height)).tolist()
        self.view = picture[self.top : bottom, self.left : right]
        mask = np.zeros(self.view.shape[:2], np.uint8)
        if mask.size:
            shifted = [fixed(p - (self.left, self.top)) for p in polygons]
            for polygon in shifted:
                cv2.fillPoly(mask, [polygon], 255, cv2.LINE_AA, _SHIFT)
            if soft > 0:
                mask = cv2.GaussianBlur(mask, (0, 0), soft)
        self.mask = mask.astype(np.float32)[..., None] / 255
        self.centre, self.radius = (every.min(0) + every.max(0)) / 2, np.maximum(np.ptp(every, axis=0) / 2, 1)

    @property
    def empty(self) -> bool:
        """Nothing of it is on the picture."""
        return self.mask.size == 0

    def paint(self, colour: Array | Picture, strength: float = 1.0) -> None:
        """Blend a colour (3,) or picture (h, w, 3) in."""
        alpha = self.mask * np.float32(strength)
        self.view += alpha * (np.asarray(colour, np.float32) - self.view)

    def darken(self, factor: float) -> None:
        """Multiply by `factor` where covered."""
        self.view *= 1 - self.mask * np.float32(1 - factor)

    def round_light(self, light: Light, bulge: float = 0.9) -> Picture:
        """Light (h, w, 1) on a body as round as the polygon's bounding ellipse."""
        height, width = self.mask.shape[:2]
        nx = ((np.arange(width) + self.left - self.centre[0]) / self.radius[0] * bulge).astype(np.float32)[None, :]
        ny = ((np.arange(height) + self.top - self.centre[1]) / self.radius[1] * bulge).astype(np.float32)[:, None]
        nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0.04, 1))
        facing = nx * light.direction[0] + ny * light.direction[1] + nz * light.direction[2]
        shade = light.ambient * (0.88 - 0.12 * ny) + light.key * np.clip((facing + 0.25) / 1.25, 0, 1)
        return np.asarray(shade[..., None], np.float32)
