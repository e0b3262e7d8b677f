"""The unrolled face: skin, eyes, brows, nose and lips painted on the texture of the surface, not yet lit."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from data_prep.synthetic_faces import noise
from data_prep.synthetic_faces.appearance import Appearance
from data_prep.synthetic_faces.landmarks import Features
from data_prep.synthetic_faces.model import Array
from data_prep.synthetic_faces.surface import COLUMNS, ROWS, Surface

WIDTH, HEIGHT = 384, 480  # of the texture, px; its columns are dense in the middle, its rows are not
_SHIFT = 4  # fractional bits of OpenCV's drawing functions
_GRID_X, _GRID_Y = np.meshgrid(
    np.linspace(0, COLUMNS - 1, WIDTH, dtype=np.float32), np.linspace(0, ROWS - 1, HEIGHT, dtype=np.float32)
)
_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 28)), np.sin(np.linspace(0, 2 * np.pi, 28))], -1)

Picture = NDArray[np.uint8]


class Painter:
    """Draws polygons given on the unrotated face (x, y) into the texture or into a piece of it at `origin`."""

    def __init__(self, surface: Surface, canvas: Picture, origin: tuple[int, int] = (0, 0)) -> None:
        self.surface, self.canvas, self.origin = surface, canvas, origin

    def pixels(self, xy: Array) -> NDArray[np.int32]:
        """Pixels of the canvas in OpenCV's fixed point."""
        uv = self.surface.texture(xy) * (WIDTH - 1, HEIGHT - 1) - self.origin
        return np.asarray(np.rint(uv * 2**_SHIFT), np.int32)

    def fill(self, xy: Array, colour: Array) -> None:
        """A filled polygon with smooth edges."""
        cv2.fillPoly(self.canvas, [self.pixels(xy)], colour.tolist(), cv2.LINE_AA, _SHIFT)

    def line(self, xy: Array, colour: Array, width: float) -> None:
        """An open line; width in px of the texture."""
        thickness = max(1, round(width))
        cv2.polylines(self.canvas, [self.pixels(xy)], False, colour.tolist(), thickness, cv2.LINE_AA, _SHIFT)

    def inside(self, xy: Array) -> tuple[Painter, NDArray[np.float32]]:
        """A painter on a copy of the polygon's bounding box, and the polygon's coverage there, 0..1 (h, w, 1)."""
        box = self.pixels(xy) / 2**_SHIFT
        left, top = np.maximum(np.floor(box.min(0)).astype(int) - 1, 0)
        right, bottom = np.minimum(np.ceil(box.max(0)).astype(int) + 2, (WIDTH, HEIGHT))
        piece = Painter(self.surface, self.canvas[top:bottom, left:right].copy(), (int(left), int(top)))
        mask = Painter(self.surface, np.zeros(piece.canvas.shape[:2], np.uint8), piece.origin)
        mask.fill(xy, np.array([255.0]))
        return piece, mask.canvas[..., None].astype(np.float32) / 255

    def paste(self, piece: Painter, coverage: NDArray[np.float32]) -> None:
        """Put a piece back where it is covered."""
        left, top = piece.origin
        height, width = piece.canvas.shape[:2]
        target = self.canvas[top : top + height, left : left + width]
        target[:] = np.rint(piece.canvas * coverage + target * (1 - coverage))


def _skin(grid: Array, features: Features, look: Appearance, rng: Generator) -> Picture:
    """Bare skin with redder cheeks and nose, darker sockets and folds, and mottling."""
    x, y = grid[..., 0].astype(np.float32), grid[..., 1].astype(np.float32)
    ax = np.abs(x)

    def blob(cx: float, cy: float, rx: float, ry: float) -> Array:
        return np.asarray(np.exp(-(((ax - cx) / rx) ** 2) - ((y - cy) / ry) ** 2))

    eye_x, tip, mouth_y = features.eye_x, features.nose[3, 1], features.mouth[14, 1]
    red = 0.5 * blob(0.62, 0.5, 0.35, 0.28) + 0.4 * blob(0, tip, 0.2, 0.18) + 0.3 * blob(0, 1.6, 0.3, 0.2)
    dark = 0.20 * blob(eye_x - 0.06, -0.04, 0.27, 0.15) + 0.10 * blob(eye_x, 0.16, 0.22, 0.07)
    dark += 0.16 * blob(0, features.mouth[9, 1] + 0.07, 0.22, 0.05) + 0.08 * blob(0, (tip + mouth_y) / 2, 0.05, 0.1)
    dark += 0.15 * blob(0.26, tip, 0.07, 0.13) + 0.12 * blob(0.2, 0.1, 0.06, 0.2)
    fold = ax - (0.30 + 0.42 * np.clip(y - tip, 0, 0.5))
    dark += (0.06 + 0.10 * look.wrinkles) * np.exp(-((fold / 0.045) ** 2)) * ((y > tip) & (y < mouth_y + 0.1))
    mottle = noise.piece(rng, "mottle", ROWS, COLUMNS) * 0.02
    shade = (1 - dark + mottle)[..., None] * (1 - red[..., None] * np.array([0.14, 0.10, -0.02]))
    small = np.clip(look.skin * shade, 0, 255).astype(np.uint8)
    return np.asarray(cv2.remap(small, _GRID_X, _GRID_Y, cv2.INTER_LINEAR))


def _eye(painter: Painter, outline: Array, lids: tuple[Array, Array], look: Appearance) -> None:
    upper, lower = lids
    layer, opening = painter.inside(outline)
    layer.canvas[:] = (228, 232, 236)
    span = float(np.ptp(outline[:, 0]))
    radius = 0.235 * span
    centre = np.array([outline[:, 0].mean() + look.gaze[0] * span * 0.22, -0.012 + look.gaze[1] * 0.05])
    layer.fill(centre + _CIRCLE * radius, look.iris * 0.45)
    layer.fill(centre + _CIRCLE * radius * 0.86, look.iris)
    layer.fill(centre + _CIRCLE * radius * 0.62 + (0, radius * 0.12), np.clip(look.iris * 1.3, 0, 255))
    layer.fill(centre + _CIRCLE * radius * 0.42, np.array([12.0, 10, 10]))
    layer.fill(np.concatenate([upper, upper[::-1] + (0, 0.028)]), np.array([105.0, 105, 118]))
    layer.fill(centre + _CIRCLE * radius * 0.16 - radius * 0.34, np.array([250.0, 250, 250]))
    painter.paste(layer, opening)
    painter.line(upper, look.skin * 0.28 * (1 - 0.6 * look.makeup), 2 + 2.2 * look.makeup)
    painter.line(lower, look.skin * np.array([0.5, 0.5, 0.6]), 1)


def _brow(painter: Painter, top: Array, look: Appearance, thickness: float, rng: Generator) -> None:
    """A tapered band of hairs whose upper edge is the landmark curve `top`."""
    along = np.linspace(0, 1, len(top))  # 0 at the temple, 1 at the nose
    if top[0, 0] > 0:
        along = along[::-1]
    width = thickness * np.clip(along / 0.45, 0.15, 1) * (1 - 0.25 * along)
    band = np.concatenate([top, (top + np.stack([np.zeros_like(width), width], -1))[::-1]])
    painter.fill(band, look.brow * 0.55 + look.skin * 0.33)
    count = 34
    pick = rng.integers(0, len(top), count)
    start = top[pick] + np.stack([rng.normal(0, 0.01, count), width[pick] * rng.uniform(0.35, 1.0, count)], -1)
    lean = np.sign(-top[pick, 0]) * (0.015 - 0.075 * (1 - 0.8 * along[pick]))
    end = start + np.stack([lean, -width[pick] * rng.uniform(0.25, 0.6, count)], -1)
    end[:, 1] = np.maximum(end[:, 1], top[pick, 1])
    lines = painter.pixels(np.stack([start, end], 1).reshape(-1, 2)).reshape(-1, 2, 2)
    colour = (look.brow * rng.uniform(0.6, 0.9)).tolist()
    cv2.polylines(painter.canvas, list(lines), False, colour, 1, cv2.LINE_AA, _SHIFT)


def _nose(painter: Painter, features: Features, look: Appearance) -> None:
    base = features.nose[4:9]
    for side in (1, 3):
        x, y = base[side]
        slant = np.stack([_CIRCLE[:, 0] * 0.062, 0.03 * _CIRCLE[:, 1] + 0.0105 * _CIRCLE[:, 0] * np.sign(x)], -1)
        painter.fill(slant + (x * 1.04, y - 0.034), look.skin * np.array([0.30, 0.30, 0.40]))
    painter.line(features.nose_base, look.skin * np.array([0.55, 0.55, 0.66]), 2)
    x, y = base[4]
    wing = np.array([(x - 0.02, y + 0.005), (x + 0.025, y - 0.05), (x + 0.02, y - 0.12), (x - 0.02, y - 0.17)])
    for sign in (-1, 1):
        painter.line(wing * np.array([sign, 1.0]), look.skin * np.array([0.62, 0.62, 0.72]), 2)


def _open_mouth(painter: Painter, features: Features, gap: float) -> None:
    """Teeth and tongue inside the inner edge of the lips."""
    layer, inside = painter.inside(features.lip_inner)
    edge, floor = features.lip_inner_top, float(features.mouth[18, 1])
    across = np.linspace(-1, 1, 13)
    reach = float(edge[:, 0].max()) * 0.7
    back = np.stack([across * reach, floor - gap * 0.38 * np.sqrt(np.clip(1 - across**2, 0, 1))], -1)
    layer.fill(np.concatenate([back, [(reach, floor + 0.1), (-reach, floor + 0.1)]]), np.array([82.0, 74, 172]))
    layer.fill(np.concatenate([edge, edge[::-1] + (0, min(0.10, 0.5 * gap))]), np.array([184.0, 202, 208]))
    painter.paste(layer, inside)


def _mouth(painter: Painter, features: Features, look: Appearance) -> None:
    painter.fill(features.lip_outer, look.lips)
    upper = np.concatenate([features.lip_top, features.lip_inner_top[::-1]])
    painter.fill(upper, look.lips * np.array([0.80, 0.80, 0.86]))
    painter.fill(features.lip_inner, np.array([26.0, 16, 52]))
    gap = float(features.mouth[18, 1] - features.mouth[14, 1])
    if gap > 0.05:
        _open_mouth(painter, features, gap)
    else:
        painter.line(features.lip_inner_top, look.lips * 0.35, 2)


def paint(surface: Surface, grid: Array, features: Features, look: Appearance, rng: Generator) -> Picture:
    """The texture (HEIGHT, WIDTH, 3), BGR; `grid` is the surface's grid without hair."""
    canvas = _skin(grid, features, look, rng)
    painter = Painter(surface, canvas)
    _nose(painter, features, look)
    _mouth(painter, features, look)
    for outline, lids, crease in zip(features.eye_outlines, features.eye_lids, features.creases, strict=True):
        painter.line(crease, look.skin * np.array([0.62, 0.62, 0.70]), 2)
        _eye(painter, outline, lids, look)
    for top in features.brow_tops:
        _brow(painter, top, look, surface.identity.brow_thickness, rng)
    return canvas
