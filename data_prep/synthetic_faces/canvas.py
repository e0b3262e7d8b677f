"""Drawing on the picture: soft polygons and strokes in flat, lit or noisy colour.

A picture in the making is three float32 planes, blue, green, red, 0..255: (3, h, w). Maps are one plane (h, w).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from data_prep.synthetic_faces import noise
from data_prep.synthetic_faces.appearance import Light
from data_prep.synthetic_faces.model import Array

_SHIFT = 4  # fractional bits of OpenCV's drawing functions

Picture = NDArray[np.float32]
Map = NDArray[np.float32]


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


def _blur(mask: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Gaussian blur; two box blurs, which cost less, where it is wide."""
    if sigma < 3:
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.uint8)
    size = int(sigma * 2.45) | 1
    return np.asarray(cv2.blur(cv2.blur(mask, (size, size)), (size, size)), np.uint8)


class Region:
    """What polygons cover of a picture, or with `stroke` (px) lines along them, within their bounding box (h, w)."""

    def __init__(self, picture: Picture, paths: Sequence[Array], soft: float = 0.0, stroke: int = 0) -> None:
        height, width = picture.shape[1:]
        every = np.concatenate(list(paths))
        pad = 2 + int(3 * soft) + stroke
        low, high = every.min(0), every.max(0)
        left, top = max(0, int(low[0]) - pad), max(0, int(low[1]) - pad)
        right, bottom = min(width, int(high[0]) + pad + 2), min(height, int(high[1]) + pad + 2)
        self.left, self.top = left, top
        self.view = picture[:, top : max(top, bottom), left : max(left, right)]
        mask = np.zeros(self.view.shape[1:], np.uint8)
        if mask.size:
            fixed = [np.rint((path - (left, top)) * 2**_SHIFT).astype(np.int32) for path in paths]
            if stroke:
                cv2.polylines(mask, fixed, False, 255, stroke, cv2.LINE_AA, _SHIFT)
            else:
                for polygon in fixed:  # one by one: together, overlaps would cancel out
                    cv2.fillPoly(mask, [polygon], 255, cv2.LINE_AA, _SHIFT)
            if soft > 0:
                mask = _blur(mask, soft)
        self.mask = mask.astype(np.float32) * np.float32(1 / 255)
        self.centre, self.radius = (low + high) / 2, np.maximum((high - low) / 2, 1)

    def paint(self, colour: Array, tone: Map | None = None, strength: float = 1.0) -> None:
        """Blend in a colour (3,), brightened or darkened by `tone` (h, w) and clipped to 0..255."""
        alpha = self.mask if strength == 1 else self.mask * np.float32(strength)
        for plane, value in zip(self.view, colour.astype(np.float32), strict=True):
            shade = np.clip(value * tone, 0, 255) if tone is not None else np.clip(value, 0, 255)
            plane += alpha * (shade - plane)

    def darken(self, factor: float) -> None:
        """Multiply by `factor` where covered."""
        self.view *= 1 - self.mask * np.float32(1 - factor)

    def grain(self, rng: Generator, name: str, strength: float) -> Map:
        """A tone (h, w) round 1 from the noise called `name`."""
        return 1 + np.float32(strength) * noise.piece(rng, name, *self.mask.shape)

    def round_light(self, light: Light, bulge: float = 0.9) -> Map:
        """Light (h, w) on a body as round as the polygon's bounding ellipse."""
        height, width = self.mask.shape
        nx = ((np.arange(width) + self.left - self.centre[0]) / self.radius[0] * bulge).astype(np.float32)[None, :]
        ny = ((np.arange(height) + self.top - self.centre[1]) / self.radius[1] * bulge).astype(np.float32)[:, None]
        nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, np.float32(0.04)))
        x, y, z = light.direction.astype(np.float32)
        facing = np.minimum(np.maximum((nx * x + ny * y + nz * z + np.float32(0.25)) * np.float32(0.8), 0), 1)
        shade = np.float32(light.ambient) * (np.float32(0.88) - np.float32(0.12) * ny) + np.float32(light.key) * facing
        return np.asarray(shade, np.float32)
