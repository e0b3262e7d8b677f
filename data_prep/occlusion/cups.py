"""Cups: paper cups with and without a lid, and mugs, in the fingers that hold them."""

from __future__ import annotations

import numpy as np

from data_prep.occlusion.canvas import Canvas, Field, box_distance, ellipse_distance
from data_prep.occlusion.cutouts import Cutout
from data_prep.occlusion.hands import paint_grip, paint_palm


def draw_cup(rng: np.random.Generator) -> Cutout:
    """A cup 9 to 12 cm high, its axis from the middle of the rim to that of the bottom."""
    canvas = Canvas(32.0, 30.0, (16.0, 3.5))
    paper = rng.random() < 0.6
    height = rng.uniform(10, 12) if paper else rng.uniform(9, 10.5)
    top = rng.uniform(4.0, 4.6)
    bottom = top * (rng.uniform(0.68, 0.78) if paper else rng.uniform(0.86, 1.0))
    side = int(rng.choice([-1, 1]))
    start = height * rng.uniform(0.12, 0.3)
    paint_palm(canvas, -side, top, start, rng)
    front = canvas.window((-top - 3.5, -2), (top + 3.5, height + 1.5))
    if not paper:
        _handle(front, top, height, side, colour := _glaze(rng))
    else:
        colour = np.asarray(rng.uniform(0.85, 1.0) * np.asarray((235, 240, 243)), np.float32)
    body = _body(front, top, bottom, height)
    half = bottom + (top - bottom) * np.clip(1 - front.y / height, 0, 1)
    front.lay(front.inside(body), _print(front, colour, height, paper, rng) * _cylinder(front.x / half)[..., None])
    _rim(front, top, paper, rng)
    paint_grip(canvas, -side, top, start, top * rng.uniform(0.9, 1.3), rng)
    return canvas.cutout("cup", (0, 0), (0, height))


def _body(canvas: Canvas, top: float, bottom: float, height: float) -> Field:
    half = bottom + (top - bottom) * (1 - canvas.y / height)
    sides = np.abs(canvas.x) - half
    bow = 0.55 * np.sqrt(np.maximum(1 - (canvas.x / top) ** 2, 0))
    return np.asarray(np.maximum.reduce([sides, -canvas.y - bow * 0.2, canvas.y - height - bow]), np.float32)


def _cylinder(x: Field) -> Field:
    """Brightness across a cylinder: lit from the left, darker to both edges."""
    x = np.clip(x, -1, 1)
    lit = 0.5 * np.sqrt(np.maximum(1 - (x + 0.25) ** 2 / 1.6, 0))
    return np.asarray(0.55 + lit - 0.18 * np.maximum(x, 0) ** 2, np.float32)


def _glaze(rng: np.random.Generator) -> Field:
    return np.asarray(rng.uniform(0.3, 1.0) * rng.uniform(60, 240, 3) + 15, np.float32)


def _print(canvas: Canvas, colour: Field, height: float, paper: bool, rng: np.random.Generator) -> Field:
    """The cup's colour, with a cardboard sleeve, a band or a roundel."""
    out = np.broadcast_to(colour, (*canvas.alpha.shape, 3)).copy()
    curve = canvas.y - 0.5 * np.sqrt(np.maximum(1 - (canvas.x / 5) ** 2, 0))
    decoration = rng.choice(["sleeve", "band", "roundel"] if paper else ["plain", "band", "roundel"])
    ink = np.asarray(rng.uniform(20, 200, 3), np.float32)
    if decoration == "sleeve":
        ink = np.asarray((95, 135, 170), np.float32) * rng.uniform(0.6, 1.05)
        inside = canvas.inside(np.maximum(0.28 * height - curve, curve - 0.78 * height).astype(np.float32))
        ink = ink * (1 + 0.03 * np.sin(canvas.x * 14))[..., None]
    elif decoration == "band":
        middle, half = height * rng.uniform(0.3, 0.6), rng.uniform(0.4, 1.6)
        inside = canvas.inside((np.abs(curve - middle) - half).astype(np.float32))
    elif decoration == "roundel":
        ring = ellipse_distance(canvas, (rng.uniform(-0.8, 0.8), height * 0.5), (1.7, 1.8))
        inside = canvas.inside(ring) - 0.8 * canvas.inside(ring + 0.5) + 0.8 * canvas.inside(ring + 0.9)
    else:
        return out
    return np.asarray(out * (1 - inside[..., None]) + ink * inside[..., None], np.float32)


def _handle(canvas: Canvas, top: float, height: float, side: int, colour: Field) -> None:
    outer = ellipse_distance(canvas, (side * (top + 0.4), height * 0.48), (2.5, 3.0))
    ring = np.abs(outer + 0.5) - 0.5
    canvas.lay(canvas.inside(ring), colour * (0.95 - 0.5 * np.clip(np.abs(outer + 0.5) / 0.5, 0, 1) ** 3)[..., None])


def _rim(canvas: Canvas, top: float, paper: bool, rng: np.random.Generator) -> None:
    if paper and rng.random() < 0.6:  # a plastic lid
        colour = np.asarray((238, 238, 238) if rng.random() < 0.6 else (35, 38, 45), np.float32)
        shade = _cylinder(canvas.x / (top + 0.2))[..., None]
        canvas.lay(canvas.inside(box_distance(canvas, (0, -0.15), (top + 0.22, 0.45), 0.3)), colour * shade)
        canvas.lay(canvas.inside(box_distance(canvas, (0, -0.95), (top - 0.35, 0.5), 0.35)), colour * shade * 0.96)
        canvas.lay(canvas.inside(box_distance(canvas, (0, -0.55), (top - 0.2, 0.05), 0.04)), colour * shade * 0.7)
        return
    inner = ellipse_distance(canvas, (0, -0.05), (top, 0.75))
    canvas.lay(canvas.inside(inner), np.asarray((228, 232, 234), np.float32))
    coffee = np.asarray((60, 80, 105), np.float32) * (0.8 + 0.25 * (canvas.x / top))[..., None]
    canvas.lay(canvas.inside(inner + 0.16), coffee)
