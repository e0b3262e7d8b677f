"""Sunglasses: two dark lenses in a frame, of several cuts and colours."""

from __future__ import annotations

import numpy as np

from data_prep.occlusion.canvas import Canvas, Colour, Field, box_distance, ellipse_distance
from data_prep.occlusion.cutouts import Cutout

_HALF = 3.4  # cm from the bridge to the centre of a lens
_FRAMES: tuple[Colour, ...] = (
    (18, 18, 20), (24, 36, 62), (70, 150, 190), (180, 180, 185), (40, 30, 140), (215, 215, 215), (90, 60, 30),
)  # fmt: skip
_LENSES: tuple[Colour, ...] = ((14, 14, 16), (30, 26, 22), (20, 34, 52), (28, 40, 26), (70, 40, 20), (45, 20, 50))


def draw_sunglasses(rng: np.random.Generator) -> Cutout:
    """A pair of sunglasses about 14 cm wide, its axis from the centre of the left lens to that of the right."""
    canvas = Canvas(17.0, 9.0, (8.5, 4.0))
    cut = rng.choice(["aviator", "wayfarer", "round", "rectangle", "oversized"])
    wire = cut in ("aviator", "round")
    rim = rng.uniform(0.10, 0.16) if wire else rng.uniform(0.25, 0.5)
    frame = _FRAMES[rng.integers(len(_FRAMES))]
    lens = _LENSES[rng.integers(len(_LENSES))]
    size = rng.uniform(0.93, 1.08)
    distance = np.minimum(_lens(canvas, str(cut), -1, size), _lens(canvas, str(cut), 1, size))
    _temples(canvas, frame, rim, rng)
    _bridge(canvas, frame, rim, wire)
    canvas.lay(canvas.inside(distance - rim), _metal(canvas, frame, distance, rim))
    _glass(canvas, distance, lens, rng)
    return canvas.cutout("sunglasses", (-_HALF, 0), (_HALF, 0))


def _lens(canvas: Canvas, cut: str, side: int, size: float) -> Field:
    """Signed distance from one lens; side -1 left, 1 right."""
    x = (canvas.x - side * _HALF) * side / size  # positive towards the temple
    y = canvas.y / size
    if cut == "round":
        return np.asarray((np.hypot(x, y - 0.1) - 2.4) * size, np.float32)
    if cut == "aviator":  # a drop: wide at the outer top, hanging down and out
        slant = y + 0.12 * x
        width = 2.95 - 0.13 * np.maximum(slant, 0) ** 1.6
        radius = (np.abs((x - 0.12 * slant) / width) ** 2.5 + np.abs((slant - 0.35) / 2.45) ** 2.5) ** 0.4
        return np.asarray((radius - 1) * 2.4 * size, np.float32)
    half, corner, taper = {
        "wayfarer": ((2.85, 2.05), 0.9, 0.16),
        "rectangle": ((2.95, 1.6), 0.6, 0.05),
        "oversized": ((3.05, 2.65), 1.5, 0.08),
    }[cut]
    squeezed = x * (1 + taper * (y + 1) / 3) - 0.06 * (1 - y)
    lifted = y + 0.09 * x - (0.1 if cut == "rectangle" else 0.25)
    dx = np.abs(squeezed) - (half[0] - corner)
    dy = np.abs(lifted) - (half[1] - corner)
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return np.asarray((outside + np.minimum(np.maximum(dx, dy), 0) - corner) * size, np.float32)


def _temples(canvas: Canvas, frame: Colour, rim: float, rng: np.random.Generator) -> None:
    thickness = max(rim * 0.9, 0.16)
    for side in (-1, 1):
        arm = box_distance(canvas, (side * 6.9, -1.05 + rng.uniform(-0.1, 0.1)), (0.95, thickness), thickness * 0.8)
        shadow = 0.95 - 0.25 * np.clip((np.abs(canvas.x) - 6.2) / 1.5, 0, 1)
        canvas.lay(canvas.inside(arm), np.asarray(frame, np.float32) * shadow[..., None])


def _bridge(canvas: Canvas, frame: Colour, rim: float, wire: bool) -> None:
    bow = np.abs(canvas.y + 0.75 - 0.35 * np.clip(canvas.x / 1.0, -1, 1) ** 2)
    bridge = np.maximum(bow - max(rim * 0.75, 0.09), np.abs(canvas.x) - 1.1)
    if wire:
        second = np.maximum(np.abs(canvas.y + 1.75) - 0.09, np.abs(canvas.x) - 1.6)
        bridge = np.minimum(bridge, second)
    canvas.lay(canvas.inside(bridge.astype(np.float32)), frame)


def _metal(canvas: Canvas, frame: Colour, distance: Field, rim: float) -> Field:
    """The frame's colour, rounded: brightest in the middle of the rim, brighter above."""
    round_ = np.clip(1 - np.abs(distance - rim / 2) / (rim / 2 + 1e-6), 0, 1)
    brightness = 0.75 + 0.45 * round_ * np.clip(0.6 - canvas.y * 0.15, 0.2, 1)
    return np.asarray(np.asarray(frame, np.float32) * brightness[..., None] + 28 * (round_**4)[..., None], np.float32)


def _glass(canvas: Canvas, distance: Field, lens: Colour, rng: np.random.Generator) -> None:
    gradient = rng.uniform(0.0, 0.9)  # how much paler the lens is at its bottom
    depth = np.clip((canvas.y + 2) / 4, 0, 1)
    colour = np.asarray(lens, np.float32) * (1 + gradient * 1.6 * depth)[..., None]
    colour += _reflection(canvas, rng)[..., None] * rng.uniform(0.5, 1.0)
    edge = np.clip(1 + distance / 0.25, 0, 1)
    colour *= (1 - 0.35 * edge)[..., None]
    opacity = rng.uniform(0.86, 1.0) - 0.18 * gradient * depth
    hole = canvas.inside(distance)
    clear = np.maximum(canvas.alpha - hole, 0)  # the skin shows through, so cut the frame's backing away first
    canvas.alpha = np.maximum(clear, hole * opacity.astype(np.float32))
    canvas.colour = canvas.colour * (1 - hole[..., None]) + colour * hole[..., None]


def _reflection(canvas: Canvas, rng: np.random.Generator) -> Field:
    """Sky above, a slanting streak, and the blurred lights of a room, the same in both lenses."""
    x = np.abs(canvas.x) * np.sign(canvas.x) - np.sign(canvas.x) * _HALF
    sky = 55 * np.clip(-canvas.y / 2.5 - 0.1 + 0.05 * x, 0, 1)
    position = rng.uniform(-1.5, 1.5)
    streak = 60 * np.exp(-(((x + 0.7 * canvas.y - position) / rng.uniform(0.25, 0.6)) ** 2))
    lamp = ellipse_distance(canvas, (0, 0), (1, 1)) * 0
    for _ in range(rng.integers(0, 3)):
        cx, cy = rng.uniform(-1.5, 1.5), rng.uniform(-1.2, 0.6)
        lamp = lamp + 90 * np.exp(-((x - cx) ** 2 + (canvas.y - cy) ** 2) / rng.uniform(0.02, 0.2))
    return np.asarray(sky * rng.uniform(0.2, 1.2) + streak * rng.integers(0, 2) + lamp, np.float32)
