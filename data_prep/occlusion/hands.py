"""Hands, seen from the back, on a bare or sleeved forearm."""

from __future__ import annotations

import math

import numpy as np

from data_prep.occlusion.canvas import Canvas, Place, blur
from data_prep.occlusion.cutouts import Cutout
from data_prep.occlusion.limbs import Relief, shade

# Knuckle x, knuckle y, length, radius at the knuckle; wrist at (0, 0), fingers up, thumb to the left. All cm.
_FINGERS = ((-2.9, -8.3, 7.4, 0.88), (-0.95, -8.9, 8.2, 0.92), (1.05, -8.6, 7.6, 0.87), (2.85, -7.6, 6.1, 0.76))
_JOINTS = (0.46, 0.29, 0.25)  # shares of a finger's length between its joints
_FABRICS = ((120, 70, 40), (60, 60, 62), (30, 30, 32), (200, 200, 198), (70, 50, 120), (90, 110, 130), (50, 80, 60))


def draw_hand(rng: np.random.Generator) -> Cutout:
    """A hand about 17 cm long from wrist to finger tips, its axis; the forearm goes on below the wrist."""
    canvas = Canvas(20.0, 40.0, (10.0, 19.5))
    hand = Relief(canvas)
    hand.limb((0, 0.5), (0.3, 24), (2.75, 4.2))
    for x, y in ((-2.75, -8.0), (-0.95, -8.4), (1.0, -8.1), (2.6, -7.3)):
        hand.limb((x * 0.55, -0.6), (x, y), (2.2, 1.25))
    hand.limb((-1.4, -1.2), (-3.3, -4.9), (1.7, 1.2))
    hand.smooth(0.45)
    spread, bend = rng.uniform(0.1, 1.5), rng.uniform(0.8, 1.0)
    for number, (x, y, length, radius) in enumerate(_FINGERS):
        lean = math.radians(spread * (number - 1.4) * 5 + rng.normal(0, 1.5))
        length *= bend * rng.uniform(0.95, 1.03)
        hand.finger(_pointing((x, y), lean, length, _JOINTS), radius)
        hand.joints.append(((x, y), radius))
    thumb = math.radians(-rng.uniform(12, 48))
    hand.finger(_pointing((-3.5, -4.6), thumb, 5.6, (0.55, 0.45)), 1.05)
    hand.paint_skin(rng)
    if rng.random() < 0.6:
        _sleeve(canvas, rng.uniform(1.0, 6.0), rng)
    return canvas.cutout("hand", (0, 0), (0, -16.5))


def paint_palm(canvas: Canvas, side: int, edge: float, top: float, rng: np.random.Generator) -> None:
    """The hand behind a thing it holds at the edge x = side * edge: palm, thumb side and forearm, fingers not yet."""
    hand = Relief(canvas)
    x = side * (edge - 0.6)
    for knuckle in np.arange(4) * 1.75 + top:
        hand.limb((x + side * 1.6, float(knuckle) + 2.2), (x + side * 1.2, float(knuckle) + 0.7), (1.7, 1.25))
    wrist = (x + side * 2.6, top + 9.8)
    elbow = (wrist[0] + side * rng.uniform(3, 8), wrist[1] + 20)
    hand.limb((x + side * 0.6, top + 4.0), wrist, (3.2, 2.7))
    hand.limb(wrist, elbow, (2.7, 4.0))
    hand.smooth(0.5)
    hand.paint_skin(rng)


def paint_grip(canvas: Canvas, side: int, edge: float, top: float, reach: float, rng: np.random.Generator) -> None:
    """Four fingers from the palm of `paint_palm` across the thing, `reach` cm far."""
    grip = Relief(canvas)
    for number in range(4):
        y = top + 1.75 * number
        length = reach + (0.0, 0.6, 0.45, -0.45)[number] + rng.normal(0, 0.15)
        x = edge + 0.35
        points = [(x + 1.5, y + 1.1), (x, y + 0.15), (x - 0.55 * length, y - 0.1), (x - length, y + 0.2)]
        grip.finger([(side * x, y) for x, y in points], 0.86)
    grip.paint_skin(rng)


def _pointing(knuckle: Place, lean: float, length: float, shares: tuple[float, ...]) -> list[Place]:
    points, (x, y) = [knuckle], knuckle
    for share in shares:
        x, y = x + math.sin(lean) * length * share, y - math.cos(lean) * length * share
        points.append((x, y))
    return points


def _sleeve(canvas: Canvas, start: float, rng: np.random.Generator) -> None:
    arm = Relief(canvas)
    arm.limb((0.1, start), (0.3, 26), (3.7, 5.2))
    mouth = canvas.inside(start - canvas.y + 0.15 * (canvas.x / 3) ** 2)
    colour = np.asarray(_FABRICS[rng.integers(len(_FABRICS))], np.float32) * rng.uniform(0.7, 1.2)
    weave = 1 + 0.06 * canvas.noise(rng, 2.2) + 0.03 * canvas.noise(rng, 0.2)
    cuff = 1 - 0.18 * np.exp(-(((canvas.y - start - 1.6) / 0.12) ** 2))
    brightness = shade(blur(arm.height, 0.2), 0.6) * weave * cuff
    canvas.lay(arm.coverage * mouth, np.asarray(colour * brightness[..., None], np.float32))
