"""Putting a layer over a crop so that light, colour, sharpness and grain agree."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.images import Image
from data_prep.occlusion.limbs import SKIN

Field = NDArray[np.float32]
_PAPER = 165.0  # brightness of a face for which a cut-out's own colours are right
_GRID = 24
_GREY = np.array((0.114, 0.587, 0.299), np.float32)
_COLOURFUL = 0.2  # mean saturation from which a photograph leaves a thing all its colour
_GRAIN = 2.0  # deviation of the sensor noise added to the thing


@dataclass(frozen=True)
class Layer:
    """What goes over a crop of S x S px: premultiplied BGRA (S, S, 4) u1, and (S, S) u1 where it is skin, or None."""

    bgra: NDArray[np.uint8]
    skin: NDArray[np.uint8] | None = None


def paste(crop: Image, layer: Layer, outline: NDArray[np.floating], blur: float, rng: np.random.Generator) -> Image:
    """The crop (S, S, 3) with the layer over it.

    outline: (n, 2) px whose convex hull is the face, for the thing takes its light and, where it is skin, its colour.
    blur: deviation in px that gives the layer the sharpness of the crop.
    """
    reach = len(crop) * rng.uniform(0.008, 0.02)
    area = _surroundings(layer.bgra[..., 3], int(4 * reach) + 2)
    if area is None:
        return crop
    small = cv2.resize(crop, (_GRID, _GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    light, colour = _face_light(small, len(crop), outline)
    over = layer.bgra[area].astype(np.float32)
    over[..., :3] *= (light[area] * np.float32(rng.uniform(0.92, 1.08)))[..., None]
    if layer.skin is not None:
        gain = np.clip(colour / (np.asarray(SKIN, np.float32) * np.median(light)), 0.3, 1.5) * rng.uniform(0.94, 1.06)
        over[..., :3] *= 1 + layer.skin[area][..., None] * ((gain - 1) / 255).astype(np.float32)
    grey = (over[..., :3] @ _GREY)[..., None]
    over[..., :3] = grey + _colourfulness(small) * (over[..., :3] - grey)
    if blur > 0.3:
        over = cv2.GaussianBlur(over, (0, 0), blur)
    alpha = over[..., 3:] * np.float32(1 / 255)
    grain = rng.standard_normal(alpha.shape, np.float32) * np.float32(_GRAIN)
    kept = _shadow(alpha[..., 0], reach, rng)[..., None] * (1 - alpha)
    mixed = crop.copy()
    mixed[area] = np.clip(crop[area] * kept + np.minimum(over[..., :3], over[..., 3:]) + grain * alpha, 0, 255)
    return mixed


def _surroundings(alpha: NDArray[np.uint8], border: int) -> tuple[slice, slice] | None:
    """Rows and columns the layer reaches, and a border for its shadow; None when it is wholly transparent."""
    x, y, width, height = cv2.boundingRect(alpha)
    if not width:
        return None
    return slice(max(y - border, 0), y + height + border), slice(max(x - border, 0), x + width + border)


def _face_light(small: Field, size: int, outline: NDArray[np.floating]) -> tuple[Field, NDArray[np.float32]]:
    """Brightness over the crop relative to `_PAPER`, a slanting plane fitted to the face; and the face's colour."""
    hull = cv2.convexHull(np.asarray(outline * (_GRID / size), np.float32))
    mask = np.zeros((_GRID, _GRID), np.uint8)
    cv2.fillConvexPoly(mask, np.round(hull).astype(np.int32), 1)
    rows, columns = np.nonzero(mask if mask.sum() >= 8 else np.ones_like(mask))
    inside = small[rows, columns]
    x0, y0 = columns.mean(), rows.mean()
    centred = np.stack([columns - x0, rows - y0, np.ones(len(rows))], axis=1)
    across, down, level = np.linalg.lstsq(centred, inside @ _GREY, rcond=None)[0] / _PAPER
    place = np.arange(size) * (_GRID / size)
    plane = level + 0.7 * (across * (place - x0)[None] + down * (place - y0)[:, None])
    light = np.clip(np.clip(plane, 0.78 * level, 1.25 * level), 0.12, 1.35)
    return light.astype(np.float32), np.median(inside, axis=0)


def _colourfulness(small: Field) -> float:
    """0 for a black-and-white photograph, 1 for most."""
    highest = small.max(axis=2)
    return float(np.clip((highest - small.min(axis=2)).sum() / max(highest.sum(), 1) / _COLOURFUL, 0, 1))


def _shadow(alpha: Field, reach: float, rng: np.random.Generator) -> Field:
    """What is left of the light round the thing's edge, `reach` px wide: 1 far away, down to about 0.7 beside it."""
    move = np.array([[1, 0, rng.uniform(-0.6, 0.9) * reach], [0, 1, rng.uniform(0.3, 1.2) * reach]])
    moved = cv2.warpAffine(alpha, move, alpha.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(1 - rng.uniform(0.15, 0.4) * cv2.GaussianBlur(moved, (0, 0), reach), np.float32)
