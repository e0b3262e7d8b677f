"""Medical masks. The cut-out is the flat fabric; pasting wraps it from the nose bridge to the jaw line."""

from __future__ import annotations

import numpy as np

from data_prep.occlusion.canvas import Canvas, Colour, Field, blur, ellipse_distance
from data_prep.occlusion.cutouts import Cutout

_SURGICAL: tuple[Colour, ...] = (
    (222, 196, 158), (236, 226, 206), (238, 236, 234), (196, 190, 150), (40, 38, 38), (206, 178, 232), (178, 200, 150),
)  # fmt: skip
WIDTH, HEIGHT = 17.5, 11.0  # cm of fabric


def draw_mask(rng: np.random.Generator) -> Cutout:
    """The fabric of a mask, 17.5 x 11 cm, its axis from the middle of the left edge to that of the right."""
    canvas = Canvas(WIDTH, HEIGHT, (WIDTH / 2, 0))
    canvas.alpha[:] = 1
    style = rng.choice(["surgical", "surgical", "cloth", "respirator"])
    draw = {"surgical": _surgical, "cloth": _cloth, "respirator": _respirator}[str(style)]
    draw(canvas, rng)
    canvas.tint(_wrapping(canvas, rng))
    return canvas.cutout("mask", (-WIDTH / 2, HEIGHT / 2), (WIDTH / 2, HEIGHT / 2))


def _surgical(canvas: Canvas, rng: np.random.Generator) -> None:
    canvas.colour[:] = _SURGICAL[rng.integers(len(_SURGICAL))]
    canvas.tint(1 + 0.012 * canvas.noise(rng, 0.1))
    for pleat in (0.30, 0.50, 0.70):
        level = HEIGHT * (pleat + rng.normal(0, 0.012)) + 0.25 * np.cos(canvas.x / 4)
        below = canvas.y - level
        canvas.tint(1 - 0.22 * np.exp(-((below / 0.13) ** 2)) - 0.10 * _fade(below, 0.9))
        canvas.tint(1 + 0.06 * np.exp(-(((below + 0.35) / 0.2) ** 2)))
    for level in (0.45, HEIGHT - 0.45):
        canvas.tint(1 - 0.10 * np.exp(-(((canvas.y - level) / 0.06) ** 2)))
    edge = WIDTH / 2 - np.abs(canvas.x)
    canvas.tint(1 - 0.12 * np.exp(-(((edge - 0.8) / 0.07) ** 2)))


def _cloth(canvas: Canvas, rng: np.random.Generator) -> None:
    colour = rng.uniform(25, 225, 3)
    canvas.colour[:] = 0.6 * colour.mean() + 0.4 * colour  # dyes are rarely shrill
    if rng.random() < 0.35:  # a woven check
        period = rng.uniform(0.8, 1.6)
        stripes = (np.sin(canvas.x * 2 * np.pi / period) > 0).astype(np.float32)
        rows = (np.sin(canvas.y * 2 * np.pi / period) > 0).astype(np.float32)
        canvas.tint(0.72 + 0.14 * (blur(stripes, 0.03) + blur(rows, 0.03)))
    canvas.tint(1 + 0.03 * canvas.noise(rng, 0.08))
    canvas.tint(1 - 0.25 * np.exp(-((canvas.x / 0.10) ** 2)) + 0.08 * np.exp(-(((canvas.x + 0.35) / 0.25) ** 2)))


def _respirator(canvas: Canvas, rng: np.random.Generator) -> None:
    canvas.colour[:] = (236, 238, 240) if rng.random() < 0.75 else (48, 46, 46)
    canvas.tint(1 + 0.015 * canvas.noise(rng, 0.1))
    radius = np.hypot(canvas.x / (WIDTH / 2), (canvas.y - HEIGHT / 2) / (HEIGHT / 2))
    canvas.tint(1 - 0.16 * np.exp(-(((radius - 0.86) / 0.025) ** 2)) + 0.05 * np.exp(-((radius / 0.5) ** 2)))
    if rng.random() < 0.5:  # a valve
        valve = ellipse_distance(canvas, (0.6, HEIGHT * 0.55), (1.6, 1.4))
        canvas.tint(1 - 0.25 * np.exp(-(((valve - 0.15) / 0.2) ** 2)))
        slots = 1 - 0.18 * (np.sin(canvas.y * 9) > 0.2)
        canvas.lay(canvas.inside(valve), np.asarray((205, 207, 208), np.float32) * slots[..., None])


def _wrapping(canvas: Canvas, rng: np.random.Generator) -> Field:
    """Darker where the fabric turns away to the ears and under the chin, lighter down the nose, creased."""
    x, y = canvas.x / (WIDTH / 2), canvas.y / HEIGHT
    round_ = 1 - 0.34 * np.abs(x) ** 2.6 - 0.20 * np.clip((y - 0.72) / 0.28, 0, 1) ** 1.5
    nose = 0.07 * np.exp(-((x / 0.16) ** 2) - ((y - 0.28) / 0.3) ** 2)
    side = 0.09 * np.exp(-(((np.abs(x) - 0.3) / 0.12) ** 2) - ((y - 0.2) / 0.25) ** 2)
    creases = 0.028 * canvas.noise(rng, 2.0) + 0.022 * canvas.noise(rng, 0.7)
    return np.asarray(round_ + nose - side + creases * (0.5 + np.abs(x)), np.float32)


def _fade(below: Field, length: float) -> Field:
    return np.asarray(np.exp(-np.maximum(below, 0) / length) * (below > 0), np.float32)
