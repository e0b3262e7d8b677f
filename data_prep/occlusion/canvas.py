"""A drawing surface in centimetres: soft-edged parts are laid one over the other."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.occlusion.cutouts import Cutout, premultiply

Field = NDArray[np.float32]
Colour = tuple[float, float, float]  # B, G, R in 0..255
Place = tuple[float, float]  # x, y in cm

PIXELS_PER_CM = 16.0


class Canvas:
    """Width x height centimetres; x to the right, y down, (0, 0) at the point `origin` from the upper left corner.

    x, y: (rows, columns) f4, the place of each pixel in cm. colour: (rows, columns, 3) in 0..255; alpha, skin: 0..1.
    """

    def __init__(self, width: float, height: float, origin: Place) -> None:
        rows, columns = int(height * PIXELS_PER_CM), int(width * PIXELS_PER_CM)
        self.origin = origin
        self.x = np.tile((np.arange(columns, dtype=np.float32) / PIXELS_PER_CM - origin[0])[None], (rows, 1))
        self.y = np.tile((np.arange(rows, dtype=np.float32) / PIXELS_PER_CM - origin[1])[:, None], (1, columns))
        self.colour = np.zeros((rows, columns, 3), np.float32)
        self.alpha = np.zeros((rows, columns), np.float32)
        self.skin = np.zeros((rows, columns), np.float32)

    def window(self, low: Place, high: Place) -> Canvas:
        """The part between two places, sharing this canvas's pixels, for drawing small things quickly."""
        part = object.__new__(Canvas)
        part.origin = (self.origin[0] + self.x[0, 0], self.origin[1] + self.y[0, 0])
        area = self.area(low, high)
        for name in ("x", "y", "colour", "alpha", "skin"):
            setattr(part, name, getattr(self, name)[area])
        return part

    def area(self, low: Place, high: Place) -> tuple[slice, slice]:
        """Rows and columns between two places, at least one of each."""
        bounds = []
        for first, last, start, count in (
            (low[1], high[1], self.y[0, 0], self.alpha.shape[0]),
            (low[0], high[0], self.x[0, 0], self.alpha.shape[1]),
        ):
            begin = int(np.clip((first - start) * PIXELS_PER_CM, 0, count - 1))
            bounds.append(slice(begin, int(np.clip((last - start) * PIXELS_PER_CM + 2, begin + 1, count))))
        return bounds[0], bounds[1]

    def lay(self, coverage: Field, colour: Field | Colour, skin: bool = False) -> None:
        """Paint over what is there; coverage (rows, columns) in 0..1."""
        rest = self.alpha * (1 - coverage)
        total = np.maximum(rest + coverage, 1e-6)
        self.colour *= (rest / total)[..., None]
        self.colour += np.asarray(colour, np.float32) * (coverage / total)[..., None]
        self.alpha[:] = rest + coverage
        self.skin *= 1 - coverage
        if skin:
            self.skin += coverage

    def tint(self, factor: Field) -> None:
        """Brighten (over 1) or darken what is painted."""
        self.colour *= factor[..., None]

    def inside(self, distance: Field, softness: float = 1.0) -> Field:
        """Coverage from a signed distance in cm, negative inside; softness: width of the edge in canvas px."""
        return np.clip(0.5 - distance * (PIXELS_PER_CM / softness), 0, 1).astype(np.float32)

    def noise(self, rng: np.random.Generator, grain: float) -> Field:
        """Smooth random field of about unit deviation whose features measure `grain` cm."""
        rows, columns = self.alpha.shape
        size = (max(2, int(columns / PIXELS_PER_CM / grain)), max(2, int(rows / PIXELS_PER_CM / grain)))
        coarse = rng.standard_normal((size[1], size[0]), np.float32)
        return np.asarray(cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC))

    def cutout(self, kind: str, start: Place, end: Place) -> Cutout:
        """What has been painted, with its axis from `start` to `end` in cm."""
        bgra = np.dstack([self.colour, self.alpha * 255])
        axis = (np.array([start, end]) + self.origin) * PIXELS_PER_CM
        skin = (self.skin * 255).astype(np.uint8) if self.skin.any() else None
        straight = np.clip(bgra, 0, 255).round().astype(np.uint8)
        return Cutout(kind, premultiply(straight), axis, PIXELS_PER_CM, skin)


def blur(field: Field, radius: float) -> Field:
    """Gaussian blur of a canvas's field, radius in cm."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), radius * PIXELS_PER_CM))


def ellipse_distance(canvas: Canvas, centre: Place, radii: tuple[float, float], angle: float = 0) -> Field:
    """Signed distance (good near the edge) from an ellipse; angle in radians."""
    x, y = canvas.x - centre[0], canvas.y - centre[1]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2)
    return np.asarray((radius - 1) * min(radii), np.float32)


def box_distance(canvas: Canvas, centre: Place, half: tuple[float, float], corner: float) -> Field:
    """Signed distance from a rectangle with rounded corners."""
    x = np.abs(canvas.x - centre[0]) - (half[0] - corner)
    y = np.abs(canvas.y - centre[1]) - (half[1] - corner)
    outside = np.hypot(np.maximum(x, 0), np.maximum(y, 0))
    return np.asarray(outside + np.minimum(np.maximum(x, y), 0) - corner, np.float32)
