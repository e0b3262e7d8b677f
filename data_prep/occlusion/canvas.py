"""A drawing surface in centimetres: soft-edged parts are laid one over the other, rounded ones shaded as solids."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.occlusion.cutouts import Cutout, premultiply

Field = NDArray[np.float32]
Colour = tuple[float, float, float]  # B, G, R in 0..255

PIXELS_PER_CM = 16.0
_LIGHT = np.array([-0.35, -0.55, 0.76], np.float32)  # from the upper left, before the thing


class Canvas:
    """Width x height centimetres; x to the right, y down, (0, 0) at the point `origin` from the upper left corner."""

    def __init__(self, width: float, height: float, origin: tuple[float, float]) -> None:
        rows, columns = int(height * PIXELS_PER_CM), int(width * PIXELS_PER_CM)
        self.origin = origin
        self.x = np.tile((np.arange(columns, dtype=np.float32) / PIXELS_PER_CM - origin[0])[None], (rows, 1))
        self.y = np.tile((np.arange(rows, dtype=np.float32) / PIXELS_PER_CM - origin[1])[:, None], (1, columns))
        self.colour = np.zeros((rows, columns, 3), np.float32)
        self.alpha = np.zeros((rows, columns), np.float32)
        self.skin = np.zeros((rows, columns), np.float32)

    def lay(self, coverage: Field, colour: Field | Colour, skin: bool = False) -> None:
        """Paint over what is there; coverage (rows, columns) in 0..1."""
        paint = np.asarray(colour, np.float32)
        rest = self.alpha * (1 - coverage)
        total = np.maximum(rest + coverage, 1e-6)
        self.colour = (self.colour * rest[..., None] + paint * coverage[..., None]) / total[..., None]
        self.alpha = rest + coverage
        self.skin = self.skin * (1 - coverage) + (coverage if skin else 0)

    def tint(self, factor: Field) -> None:
        """Brighten (over 1) or darken what is painted."""
        self.colour *= factor[..., None]

    def inside(self, distance: Field, softness: float = 1.0) -> Field:
        """Coverage from a signed distance in cm, negative inside; softness: width of the edge in canvas px."""
        return np.clip(0.5 - distance * (PIXELS_PER_CM / softness), 0, 1).astype(np.float32)

    def polygon(self, points: NDArray[np.floating], rounding: float = 0.0) -> Field:
        """Coverage of a polygon in cm, its corners rounded by a radius in cm."""
        pixels = (np.asarray(points) + self.origin) * PIXELS_PER_CM
        mask = np.zeros(self.alpha.shape, np.uint8)
        cv2.fillPoly(mask, [np.round(pixels * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
        if rounding > 0:
            blurred = cv2.GaussianBlur(mask, (0, 0), rounding * PIXELS_PER_CM)
            mask = np.clip((blurred.astype(np.float32) - 127.5) * rounding * PIXELS_PER_CM + 127.5, 0, 255)
        return mask.astype(np.float32) / 255

    def noise(self, rng: np.random.Generator, grain: float) -> Field:
        """Smooth random field of about unit deviation whose features measure `grain` cm."""
        rows, columns = self.alpha.shape
        size = (max(2, int(columns / PIXELS_PER_CM / grain)), max(2, int(rows / PIXELS_PER_CM / grain)))
        coarse = rng.normal(size=(size[1], size[0])).astype(np.float32)
        return np.asarray(cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC))

    def blur(self, field: Field, radius: float) -> Field:
        """Gaussian blur, radius in cm."""
        return np.asarray(cv2.GaussianBlur(field, (0, 0), radius * PIXELS_PER_CM))

    def cutout(self, kind: str, start: tuple[float, float], end: tuple[float, float]) -> Cutout:
        """What has been painted, with its axis from `start` to `end` in cm."""
        bgra = np.dstack([self.colour, self.alpha * 255])
        axis = (np.array([start, end]) + self.origin) * PIXELS_PER_CM
        skin = (self.skin * 255).astype(np.uint8) if self.skin.any() else None
        straight = np.clip(bgra, 0, 255).round().astype(np.uint8)
        return Cutout(kind, premultiply(straight), axis, PIXELS_PER_CM, skin)


def ellipse_distance(canvas: Canvas, centre: tuple[float, float], radii: tuple[float, float], angle: float = 0) -> Field:
    """Signed distance (good near the edge) from an ellipse; angle in radians."""
    x, y = canvas.x - centre[0], canvas.y - centre[1]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2)
    return np.asarray((radius - 1) * min(radii), np.float32)


def box_distance(canvas: Canvas, centre: tuple[float, float], half: tuple[float, float], corner: float) -> Field:
    """Signed distance from a rectangle with rounded corners."""
    x = np.abs(canvas.x - centre[0]) - (half[0] - corner)
    y = np.abs(canvas.y - centre[1]) - (half[1] - corner)
    outside = np.hypot(np.maximum(x, 0), np.maximum(y, 0))
    return np.asarray(outside + np.minimum(np.maximum(x, y), 0) - corner, np.float32)




class Limb:
    """A tapering round bar: its coverage, and its height towards the viewer for shading."""

    def __init__(
        self, canvas: Canvas, start: tuple[float, float], end: tuple[float, float], radii: tuple[float, float]
    ) -> None:
        along = np.subtract(end, start)
        length = max(float(np.hypot(*along)), 1e-6)
        x, y = canvas.x - start[0], canvas.y - start[1]
        self.along = (x * along[0] + y * along[1]) / length  # cm from the start
        part = np.clip(self.along / length, 0, 1)
        self.radius = radii[0] + (radii[1] - radii[0]) * part
        self.across = np.hypot(x - part * along[0], y - part * along[1])
        self.coverage = canvas.inside((self.across - self.radius).astype(np.float32))
        self.height = np.sqrt(np.maximum(self.radius**2 - self.across**2, 0)).astype(np.float32)


def shade(canvas: Canvas, height: Field, relief: float, ambient: float = 0.55) -> Field:
    """Lambert brightness (about 1 where the surface faces the viewer) of a height map in cm."""
    smooth = canvas.blur(height * relief, 0.06)
    dy, dx = np.gradient(smooth, 1 / PIXELS_PER_CM)
    normal = 1 / np.sqrt(dx**2 + dy**2 + 1)
    lambert = np.maximum((-dx * _LIGHT[0] - dy * _LIGHT[1] + _LIGHT[2]) * normal, 0)
    return np.asarray(ambient + (1 - ambient) * lambert / _LIGHT[2], np.float32)
