"""Putting a layer over a crop so that light, colour, sharpness and grain agree."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.images import Image
from data_prep.occlusion.hands import SKIN

Field = NDArray[np.float32]
_PAPER = 165.0  # brightness of a face for which a cut-out's own colours are right
_GRID = 24
_GREY = (0.114, 0.587, 0.299)
_COLOURFUL = 0.2  # mean saturation from which a photograph leaves a thing all its colour


def paste(
    crop: Image,
    layer: NDArray[np.uint8],
    skin: NDArray[np.uint8] | None,
    outline: NDArray[np.floating],
    blur: float,
    rng: np.random.Generator,
) -> Image:
    """The crop (S, S, 3) with the premultiplied BGRA layer (S, S, 4) over it.

    skin: (S, S) where the layer is skin. outline: (n, 2) px, convex outline of the face, whose light the layer takes.
    blur: deviation in px that gives the layer the sharpness of the crop.
    """
    light, colour = _face_light(crop, outline)
    over = layer.astype(np.float32)
    over[..., :3] *= (light * rng.uniform(0.92, 1.08))[..., None]
    if skin is not None:
        gain = np.clip(colour / (np.asarray(SKIN) * np.median(light)), 0.3, 1.5) * rng.uniform(0.94, 1.06)
        share = skin.astype(np.float32)[..., None] / 255
        over[..., :3] *= 1 + share * (gain.astype(np.float32) - 1)
    grey = over[..., :3] @ np.array(_GREY, np.float32)
    over[..., :3] = grey[..., None] + _colourfulness(crop) * (over[..., :3] - grey[..., None])
    if blur > 0.3:
        over = cv2.GaussianBlur(over, (0, 0), blur)
    alpha = over[..., 3:] / 255
    shadow = _shadow(alpha[..., 0], len(crop), rng)
    grain = rng.normal(0, 2.0, crop.shape).astype(np.float32) * alpha
    mixed = crop * (shadow[..., None] * (1 - alpha)) + np.minimum(over[..., :3], 255 * alpha) + grain
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def _face_light(crop: Image, outline: NDArray[np.floating]) -> tuple[Field, NDArray[np.float64]]:
    """Brightness over the crop relative to `_PAPER` as a slanting plane fitted to the face, and the face's colour."""
    size = len(crop)
    hull = cv2.convexHull(np.asarray(outline * _GRID / size, np.float32))
    mask = np.zeros((_GRID, _GRID), np.uint8)
    cv2.fillConvexPoly(mask, np.round(hull).astype(np.int32), 1)
    small = cv2.resize(crop, (_GRID, _GRID), interpolation=cv2.INTER_AREA).astype(np.float64)
    rows, columns = np.nonzero(mask)
    if len(rows) < 8:
        rows, columns = np.nonzero(np.ones_like(mask))
    inside = small[rows, columns]
    grey = inside @ _GREY
    centred = np.stack([columns - columns.mean(), rows - rows.mean(), np.ones(len(rows))], axis=1)
    slope = np.linalg.lstsq(centred, grey, rcond=None)[0]
    x, y = np.arange(size) * _GRID / size - columns.mean(), np.arange(size) * _GRID / size - rows.mean()
    plane = slope[2] + 0.7 * (slope[0] * x[None] + slope[1] * y[:, None])
    light = np.clip(plane / _PAPER, 0.6 * slope[2] / _PAPER, 1.5 * slope[2] / _PAPER)
    return np.clip(light, 0.12, 1.35).astype(np.float32), np.median(inside, axis=0)


def _colourfulness(crop: Image) -> float:
    """0 for a black-and-white photograph, 1 for most."""
    small = cv2.resize(crop, (_GRID, _GRID), interpolation=cv2.INTER_AREA).astype(np.float64)
    highest = small.max(axis=2)
    return float(np.clip((highest - small.min(axis=2)).sum() / max(highest.sum(), 1) / _COLOURFUL, 0, 1))


def _shadow(alpha: Field, size: int, rng: np.random.Generator) -> Field:
    """What the thing keeps of the light round its edge: 1 far away, down to about 0.7 beside it."""
    reach = size * rng.uniform(0.008, 0.02)
    move = np.array([[1, 0, rng.uniform(-0.6, 0.9) * reach], [0, 1, rng.uniform(0.3, 1.2) * reach]])
    moved = cv2.warpAffine(alpha, move, alpha.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(1 - rng.uniform(0.15, 0.4) * cv2.GaussianBlur(moved, (0, 0), reach), np.float32)
