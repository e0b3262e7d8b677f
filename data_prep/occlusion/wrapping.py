"""Wrapping a mask's fabric round the lower face: from the nose bridge to the jaw line and under the chin."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from data_prep.occlusion.cutouts import Cutout
from data_prep.occlusion.face_frame import FaceFrame
from layers.common.schemes import Scheme

Points = NDArray[np.float64]
_STRIPS = 40  # of the fabric, each way; its coordinates are filled in strip by strip
_FINER = 2
NOSE_CM = 4.0  # from the line of the eyes to the tip of the nose, where no landmark says it


def wrap_mask(
    cutout: Cutout, frame: FaceFrame, shape: NDArray[np.floating], scheme: Scheme, size: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The mask as it lies on the face, with its ear loops: (size, size, 4) premultiplied BGRA."""
    upper, lower, ears = _edges(frame, shape, scheme, rng)
    layer = _fabric(cutout, upper, lower, size)
    loops = _ear_loops(upper, lower, ears, frame, size)
    over = layer[..., 3:].astype(np.float32) / 255
    return np.asarray((layer + loops * (1 - over)).round(), np.uint8)


def _edges(
    frame: FaceFrame, shape: NDArray[np.floating], scheme: Scheme, rng: np.random.Generator
) -> tuple[Points, Points, Points]:
    """Upper edge and lower edge of the fabric, each left to right (n, 2), and the two ears (2, 2)."""
    jaw = _jaw(frame, shape, scheme)
    below = (jaw - frame.origin) @ frame.down / frame.pixels_per_cm
    corner = rng.uniform(2.6, 4.2)  # cm under the eyes where the upper edge leaves the cheeks
    covered = np.flatnonzero(below > corner)
    first, last = (int(covered[0]), int(covered[-1])) if len(covered) > 4 else (8, len(jaw) - 9)
    middle = (jaw[first] + jaw[last]) / 2
    centre = frame.origin + frame.down * (middle - frame.origin) @ frame.down
    outwards = jaw - centre
    edge = jaw + outwards * rng.uniform(0.03, 0.07)
    chin = np.sin(np.pi / 2 * np.clip((below - 6) / 6, 0, 1))[:, None] ** 2
    edge += chin * rng.uniform(0.4, 1.0) * frame.pixels_per_cm * frame.down
    nose = _nose_bridge(frame, shape, scheme, rng.uniform(0.9, 2.2))
    upper = np.concatenate([_arc(edge[first], nose), _arc(nose, edge[last])[1:]])
    return upper, edge[first + 2 : last - 1], jaw[[0, -1]]


def _jaw(frame: FaceFrame, shape: NDArray[np.floating], scheme: Scheme) -> Points:
    """The jaw line from ear to ear, finely; a typical one where the scheme does not trace it."""
    contour = np.asarray(shape[list(scheme.groups.get("contour", ()))], np.float64).reshape(-1, 2)
    if len(contour) < 5:
        turn = np.linspace(np.pi, 0, 17)
        contour = np.array([frame.point(7.2 * np.cos(t), 0.3 + 11.4 * np.sin(t) ** 0.9) for t in turn])
    places = np.linspace(0, len(contour) - 1, 4 * len(contour) - 3)
    return np.asarray(make_interp_spline(np.arange(len(contour)), contour, 3)(places))


def _nose_bridge(frame: FaceFrame, shape: NDArray[np.floating], scheme: Scheme, below: float) -> Points:
    """The place on the ridge of the nose `below` cm under the eyes."""
    named = scheme.groups.get("nose")
    nose = np.asarray(shape[list(named)], np.float64).mean(axis=0) if named else frame.point(0, NOSE_CM)
    depth = max((nose - frame.origin) @ frame.down / frame.pixels_per_cm, 0.5)
    part = min(below / depth, 1.0)
    return np.asarray(frame.origin + part * (nose - frame.origin))


def _arc(start: Points, end: Points, sag: float = 0.06) -> Points:
    """From start to end, sagging a little."""
    part = np.linspace(0, 1, 12)[:, None]
    along = end - start
    square = np.array([-along[1], along[0]])
    square = square if square[1] > 0 else -square
    return start + part * along + sag * 4 * part * (1 - part) * square


def _resample(points: Points, count: int) -> Points:
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    places = np.linspace(0, length[-1], count)
    return np.stack([np.interp(places, length, points[:, axis]) for axis in (0, 1)], axis=1)


def _fabric(cutout: Cutout, upper: Points, lower: Points, size: int) -> NDArray[np.float32]:
    top, bottom = _resample(upper, _STRIPS + 1), _resample(lower, _STRIPS + 1)
    rows = np.linspace(0, 1, _STRIPS + 1)[:, None, None]
    grid = (1 - rows) * top + rows * bottom  # (rows, columns, 2)
    across, along = _coordinates(grid.swapaxes(0, 1), size), _coordinates(grid, size)
    height, width = cutout.bgra.shape[:2]
    fabric = cv2.remap(cutout.bgra, across * (width - 1), along * (height - 1), cv2.INTER_LINEAR, None,
                       cv2.BORDER_REPLICATE)  # fmt: skip
    outline = np.concatenate([top, grid[1:, -1], bottom[::-1], grid[::-1, 0]])
    mask = np.zeros(fabric.shape[:2], np.uint8)
    cv2.fillPoly(mask, [_fixed_point(outline)], 255, cv2.LINE_AA, shift=4)
    layer = fabric.astype(np.float32) * (mask[..., None].astype(np.float32) / 255)
    return np.asarray(cv2.resize(layer, (size, size), interpolation=cv2.INTER_AREA), np.float32)


def _coordinates(strips: Points, size: int) -> NDArray[np.float32]:
    """A field that rises from 0 to 1 over the strips between successive lines (n + 1, m, 2)."""
    field = np.zeros((size * _FINER, size * _FINER), np.float32)
    count = len(strips) - 1
    for number in range(count):
        outline = np.concatenate([strips[number], strips[number + 1][::-1]])
        cv2.fillPoly(field, [_fixed_point(outline)], (number + 0.5) / count, shift=4)
    width = size * _FINER // 56 | 1  # a little more than a strip, to smooth its steps away
    covered = cv2.blur((field > 0).astype(np.float32), (width, width))
    return np.asarray(cv2.blur(field, (width, width)) / np.maximum(covered, 1e-3), np.float32)


def _fixed_point(points: Points) -> NDArray[np.int32]:
    finer = points * _FINER + (_FINER - 1) / 2
    return np.asarray(np.clip(np.round(finer * 16), -(2**20), 2**20), np.int32)


def _ear_loops(upper: Points, lower: Points, ears: Points, frame: FaceFrame, size: int) -> NDArray[np.float32]:
    loops = np.zeros((size * _FINER, size * _FINER), np.uint8)
    thick = max(1, round(0.17 * frame.pixels_per_cm * _FINER))
    for end, ear in ((0, ears[0]), (-1, ears[1])):
        for corner in (upper[end], lower[end]):
            cv2.polylines(loops, [_fixed_point(_arc(corner, ear, 0.1))], False, 255, thick, cv2.LINE_AA, shift=4)
    alpha = cv2.resize(loops, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.dstack([alpha * 0.8] * 3 + [alpha])
