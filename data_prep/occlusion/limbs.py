"""Limbs: tapering round bars, joined into one relief and shaded as skin or cloth."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from data_prep.occlusion.canvas import PIXELS_PER_CM, Canvas, Field, Place, blur, ellipse_distance

# Neutral skin in B, G, R; pasting shifts it to the colour of the face it is put before.
SKIN = (133.0, 165.0, 210.0)
_LIGHT = (-0.35, -0.55, 0.76)  # from the upper left, before the thing


@dataclass(frozen=True)
class Nail:
    """Tip of a finger, its direction in radians, the radius of the finger there."""

    tip: Place
    angle: float
    radius: float


@dataclass
class Relief:
    """A union of limbs: coverage, and height towards the viewer in cm; with its joints (place, radius) and nails."""

    canvas: Canvas
    joints: list[tuple[Place, float]] = field(default_factory=list)
    nails: list[Nail] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.coverage = np.zeros_like(self.canvas.alpha)
        self.height = np.zeros_like(self.canvas.alpha)

    def limb(self, start: Place, end: Place, radii: tuple[float, float]) -> None:
        """Add a bar from start to end, of radius radii[0] to radii[1]."""
        reach = max(radii) + 0.2
        low = (min(start[0], end[0]) - reach, min(start[1], end[1]) - reach)
        high = (max(start[0], end[0]) + reach, max(start[1], end[1]) + reach)
        area = self.canvas.area(low, high)
        x, y = self.canvas.x[area] - start[0], self.canvas.y[area] - start[1]
        dx, dy = end[0] - start[0], end[1] - start[1]
        part = np.clip((x * dx + y * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
        radius = radii[0] + (radii[1] - radii[0]) * part
        across = np.hypot(x - part * dx, y - part * dy)
        np.maximum(self.coverage[area], self.canvas.inside(across - radius), out=self.coverage[area])
        height = np.sqrt(np.maximum(radius**2 - across**2, 0)).astype(np.float32)
        np.maximum(self.height[area], height, out=self.height[area])

    def finger(self, points: list[Place], radius: float, nail: bool = True) -> None:
        """Add a finger through its joints, thinning towards the tip, which is the last point."""
        radii = np.linspace(radius, radius * 0.78, len(points)).tolist()
        for i in range(len(points) - 1):
            self.limb(points[i], points[i + 1], (radii[i], radii[i + 1]))
        self.joints += [(point, radius) for point in points[1:-1]]
        if nail:
            (x0, y0), (x1, y1) = points[-2:]
            self.nails.append(Nail(points[-1], math.atan2(y1 - y0, x1 - x0), radius * 0.78))

    def smooth(self, radius: float) -> None:
        """Melt the limbs added so far into one another, as the bones of a palm under its skin."""
        self.height = np.where(self.coverage > 0, blur(self.height, radius), np.float32(0))

    def paint_skin(self, rng: np.random.Generator) -> None:
        """Lay it on the canvas as skin: shaded, mottled, redder and wrinkled at the joints, with nails."""
        canvas = self.canvas
        brightness = shade(self.height, 0.75, 0.45)
        brightness *= 1 + 0.02 * canvas.noise(rng, 1.2) + 0.015 * canvas.noise(rng, 0.25)
        redness = np.zeros_like(brightness)
        for place, radius in self.joints:
            _joint(canvas, place, radius, brightness, redness)
        colour = np.asarray(SKIN, np.float32) * brightness[..., None]
        colour *= 1 - np.minimum(redness, 1)[..., None] * np.asarray((0.13, 0.10, 0.03), np.float32)
        canvas.lay(self.coverage, colour, skin=True)
        _paint_nails(canvas, self.nails, rng)


def shade(height: Field, relief: float, ambient: float = 0.55) -> Field:
    """Lambert brightness (1 where the surface faces the viewer) of a height map in cm."""
    dy, dx = np.gradient(blur(height * relief, 0.06), 1 / PIXELS_PER_CM)
    lambert = np.maximum((_LIGHT[2] - dx * _LIGHT[0] - dy * _LIGHT[1]) / np.sqrt(dx**2 + dy**2 + 1), 0)
    return np.asarray(ambient + (1 - ambient) / _LIGHT[2] * lambert, np.float32)


def _joint(canvas: Canvas, place: Place, radius: float, brightness: Field, redness: Field) -> None:
    """Redden a joint and draw three fine dark lines across it."""
    reach = 2.2 * radius
    area = canvas.area((place[0] - reach, place[1] - reach), (place[0] + reach, place[1] + reach))
    x, y = (canvas.x[area] - place[0]) / radius, (canvas.y[area] - place[1]) / radius
    redness[area] += np.exp(-(x**2 + y**2))
    near = np.exp(-((x / 0.75) ** 4) - (y / 0.45) ** 2)
    brightness[area] *= 1 - 0.10 * near * np.cos(y * 13) ** 8


def _paint_nails(canvas: Canvas, nails: list[Nail], rng: np.random.Generator) -> None:
    polish = rng.random() < 0.25
    bare = np.asarray(SKIN, np.float32) * np.asarray((1.13, 1.05, 1.04), np.float32)
    base = np.asarray(rng.uniform(30, 220, 3), np.float32) if polish else bare
    for nail in nails:
        x, y, radius = nail.tip[0], nail.tip[1], nail.radius
        part = canvas.window((x - 2 * radius, y - 2 * radius), (x + 2 * radius, y + 2 * radius))
        x, y = x + 0.1 * radius * math.cos(nail.angle), y + 0.1 * radius * math.sin(nail.angle)
        distance = ellipse_distance(part, (x, y), (0.78 * radius, 0.58 * radius), nail.angle)
        gloss = part.inside(ellipse_distance(part, (x - 0.15, y - 0.1), (0.32, 0.12), nail.angle), 6)
        rim = np.clip(-distance / 0.12, 0, 1)
        colour = base * (0.82 + 0.18 * rim)[..., None] + 50 * gloss[..., None]
        part.lay(part.inside(distance) * (0.95 if polish else 0.8), colour, skin=not polish)
