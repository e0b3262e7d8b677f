"""Hands drawn from tapering limbs, seen from the back, with nails, creases, forearm and sometimes a sleeve."""

from __future__ import annotations

import math

import numpy as np

from data_prep.occlusion.canvas import Canvas, Field, Limb, ellipse_distance, shade
from data_prep.occlusion.cutouts import Cutout

# Neutral skin in B, G, R; pasting shifts it to the colour of the face it is put before.
SKIN = (133.0, 165.0, 210.0)
Point = tuple[float, float]

# Knuckle x, knuckle y, length, radius at the knuckle; wrist at (0, 0), fingers up, thumb to the left. All cm.
_FINGERS = ((-2.9, -8.6, 7.2, 0.86), (-0.95, -9.2, 8.0, 0.90), (1.05, -8.9, 7.4, 0.84), (2.85, -8.0, 5.9, 0.74))


def draw_hand(rng: np.random.Generator) -> Cutout:
    """A hand 17-18 cm long from wrist to the tip of the middle finger, on a forearm."""
    canvas = Canvas(20.0, 40.0, (10.0, 19.5))
    limbs = [*_forearm(canvas), *_palm(canvas)]
    nails: list[tuple[Point, float, float]] = []
    creases: list[tuple[Point, float]] = []
    spread = rng.uniform(0.2, 1.5)
    bend = rng.uniform(0.82, 1.0)
    for number, (x, y, length, radius) in enumerate(_FINGERS):
        lean = math.radians(spread * (number - 1.4) * 5 + rng.normal(0, 1.5))
        _finger(canvas, (x, y), lean, length * bend * rng.uniform(0.96, 1.03), radius, limbs, nails, creases)
    lean = math.radians(-rng.uniform(18, 48))
    _finger(canvas, (-3.5, -4.6), lean, 5.6, 1.05, limbs, nails, creases, joints=(0.55, 0.45))
    _paint_skin(canvas, limbs, creases, rng)
    _paint_nails(canvas, nails, rng)
    if rng.random() < 0.6:
        _sleeve(canvas, rng)
    return canvas.cutout("hand", (0, 0), (0, -16.5))


def finger_limbs(canvas: Canvas, points: list[Point], radius: float) -> list[Limb]:
    """A bent finger through the points, thinning towards its tip."""
    radii = np.linspace(radius, radius * 0.78, len(points))
    return [
        Limb(canvas, start, end, (float(radii[i]), float(radii[i + 1])))
        for i, (start, end) in enumerate(zip(points[:-1], points[1:], strict=True))
    ]


def paint_fingers(
    canvas: Canvas, fingers: list[list[Point]], radius: float, rng: np.random.Generator, nails: bool = True
) -> None:
    """Fingers that hold something, each through its points, the last of which is the tip."""
    limbs, tips, creases = [], [], []
    for points in fingers:
        limbs += finger_limbs(canvas, points, radius)
        creases += [(point, radius) for point in points[1:-1]]
        (x0, y0), (x1, y1) = points[-2:]
        tips.append(((x1, y1), math.atan2(y1 - y0, x1 - x0), radius * 0.8))
    _paint_skin(canvas, limbs, creases, rng)
    if nails:
        _paint_nails(canvas, tips, rng)


def _forearm(canvas: Canvas) -> list[Limb]:
    return [Limb(canvas, (0, 0.5), (0.3, 24), (2.75, 4.2))]


def _palm(canvas: Canvas) -> list[Limb]:
    ends = ((-2.75, -8.0), (-0.95, -8.4), (1.0, -8.1), (2.6, -7.3))
    palm = [Limb(canvas, (end[0] * 0.55, -0.6), end, (2.2, 1.25)) for end in ends]
    return [*palm, Limb(canvas, (-1.4, -1.2), (-3.3, -4.9), (1.7, 1.2))]


def _finger(
    canvas: Canvas, knuckle: Point, lean: float, length: float, radius: float, limbs: list[Limb],
    nails: list[tuple[Point, float, float]], creases: list[tuple[Point, float]],
    joints: tuple[float, ...] = (0.46, 0.29, 0.25),
) -> None:  # fmt: skip
    points, (x, y) = [knuckle], knuckle
    for share in joints:
        x, y = x + math.sin(lean) * length * share, y - math.cos(lean) * length * share
        points.append((x, y))
    limbs += finger_limbs(canvas, points, radius)
    creases += [(point, radius) for point in points[:-1]]
    nails.append((points[-1], math.atan2(-math.cos(lean), math.sin(lean)), radius * 0.78))


def _paint_skin(
    canvas: Canvas, limbs: list[Limb], creases: list[tuple[Point, float]], rng: np.random.Generator
) -> None:
    coverage = np.max([part.coverage for part in limbs], axis=0)
    height = np.max([part.height for part in limbs], axis=0)
    brightness = shade(canvas, height, 0.75, 0.45)
    colour = np.broadcast_to(np.asarray(SKIN, np.float32), (*coverage.shape, 3)).copy()
    colour *= (1 + 0.035 * canvas.noise(rng, 1.2) + 0.02 * canvas.noise(rng, 0.25))[..., None]
    redness = np.zeros_like(coverage)
    for centre, radius in creases:
        near = np.exp(-(((canvas.x - centre[0]) ** 2 + (canvas.y - centre[1]) ** 2) / radius**2))
        redness += near
        brightness *= _wrinkles(canvas, centre, radius)
    redness = np.minimum(redness, 1)[..., None]
    colour *= 1 - redness * np.asarray((0.13, 0.10, 0.03), np.float32)
    canvas.lay(coverage, colour * brightness[..., None], skin=True)


def _wrinkles(canvas: Canvas, centre: Point, radius: float) -> Field:
    """Three fine dark lines across a joint."""
    y = canvas.y - centre[1]
    near = np.exp(-(((canvas.x - centre[0]) / (0.75 * radius)) ** 4) - (y / (0.45 * radius)) ** 2)
    return np.asarray(1 - 0.10 * near * np.cos(y / radius * 13) ** 8, np.float32)


def _paint_nails(canvas: Canvas, tips: list[tuple[Point, float, float]], rng: np.random.Generator) -> None:
    polish = rng.random() < 0.25
    lacquer = np.asarray(rng.uniform(30, 220, 3), np.float32)
    for (x, y), angle, radius in tips:
        centre = (x + 0.1 * radius * math.cos(angle), y + 0.1 * radius * math.sin(angle))
        distance = ellipse_distance(canvas, centre, (0.78 * radius, 0.58 * radius), angle)
        nail = canvas.inside(distance)
        gloss = canvas.inside(ellipse_distance(canvas, (centre[0] - 0.15, centre[1] - 0.1), (0.32, 0.12), angle), 6)
        base = lacquer if polish else np.asarray(SKIN, np.float32) * np.asarray((1.13, 1.05, 1.04), np.float32)
        rim = np.clip(-distance / 0.12, 0, 1)
        colour = base * (0.82 + 0.18 * rim)[..., None] + 50 * gloss[..., None]
        canvas.lay(nail * (0.95 if polish else 0.8), colour, skin=not polish)


def _sleeve(canvas: Canvas, rng: np.random.Generator) -> None:
    start = rng.uniform(1.0, 6.0)
    arm = Limb(canvas, (0.1, start), (0.3, 26), (3.7, 5.2))
    edge = canvas.inside((start - canvas.y + 0.15 * (canvas.x / 3) ** 2).astype(np.float32))
    coverage = arm.coverage * edge
    colour = np.asarray(rng.uniform(15, 235, 3), np.float32) * rng.uniform(0.4, 1.0)
    folds = 1 + 0.10 * canvas.noise(rng, 1.8) + 0.04 * canvas.noise(rng, 0.2)
    cuff = 1 - 0.18 * np.exp(-(((canvas.y - start - 1.6) / 0.12) ** 2))
    canvas.lay(coverage, colour * (shade(canvas, arm.height, 0.6) * folds * cuff)[..., None])
