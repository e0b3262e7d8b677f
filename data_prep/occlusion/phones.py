"""Mobile phones, seen from the back, in the fingers that hold them."""

from __future__ import annotations

import numpy as np

from data_prep.occlusion.canvas import Canvas, Colour, box_distance, ellipse_distance
from data_prep.occlusion.cutouts import Cutout
from data_prep.occlusion.hands import paint_grip, paint_palm

_BACKS: tuple[Colour, ...] = (
    (22, 22, 24), (45, 42, 40), (225, 225, 228), (90, 60, 40), (40, 40, 165), (150, 180, 205), (120, 150, 120),
)  # fmt: skip


def draw_phone(rng: np.random.Generator) -> Cutout:
    """A phone about 7.3 x 15 cm, its axis from the middle of the upper edge to that of the lower."""
    canvas = Canvas(30.0, 34.0, (15.0, 2.0))
    half = (rng.uniform(3.4, 3.8), rng.uniform(6.9, 7.8))
    side, top = int(rng.choice([-1, 1])), half[1] * rng.uniform(0.5, 0.95)
    paint_palm(canvas, side, half[0], top, rng)
    front = canvas.window((-half[0] - 0.5, -0.5), (half[0] + 0.5, 2 * half[1] + 0.5))
    _body(front, half, rng)
    _cameras(front, half, rng)
    paint_grip(canvas, side, half[0], top, rng.uniform(2.4, 3.6), rng)
    return canvas.cutout("phone", (0, 0), (0, 2 * half[1]))


def _body(canvas: Canvas, half: tuple[float, float], rng: np.random.Generator) -> None:
    distance = box_distance(canvas, (0, half[1]), half, rng.uniform(0.5, 1.1))
    colour = np.asarray(_BACKS[rng.integers(len(_BACKS))], np.float32)
    sheen = 1 + 0.10 * (canvas.x * 0.12 - (canvas.y - half[1]) * 0.05)
    band = rng.uniform(-6, 6)
    gloss = 26 * np.exp(-(((canvas.x + 0.6 * (canvas.y - half[1]) - band) / 1.6) ** 2))
    rim = np.exp(-(((distance + 0.12) / 0.09) ** 2))
    body = colour * sheen[..., None] + (gloss + 55 * rim)[..., None]
    canvas.lay(canvas.inside(distance), body * (1 - 0.4 * np.clip(1 + distance / 0.08, 0, 1))[..., None])


def _cameras(canvas: Canvas, half: tuple[float, float], rng: np.random.Generator) -> None:
    count = int(rng.integers(1, 4))
    places = [(-half[0] + 1.25, 1.3 + 1.55 * i) for i in range(count)]
    if count > 1:
        island = box_distance(canvas, (places[0][0], 1.3 + 0.775 * (count - 1)), (0.95, 0.8 * count + 0.1), 0.55)
        lip = 1 - 0.35 * np.exp(-((island / 0.07) ** 2))
        canvas.tint((1 + 0.06 * canvas.inside(island)) * lip)
    for place in places:
        part = canvas.window((place[0] - 1, place[1] - 1), (place[0] + 1, place[1] + 1))
        lens = ellipse_distance(part, place, (0.62, 0.62))
        part.lay(part.inside(lens), (70, 70, 72))
        part.lay(part.inside(lens + 0.10), (16, 13, 12))
        glint = ellipse_distance(part, (place[0] - 0.15, place[1] - 0.15), (0.16, 0.12))
        part.lay(part.inside(glint, 4), (150, 120, 90))
