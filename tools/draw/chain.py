"""The chain of attention centres c_1 ... c_T as something to draw: colours by time, labels, and places for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from layers.common.shapes import FloatArray
from tools.draw import style

SHADES = (0.12, 0.98)  # of the colour map: its dark end does not show on hair


def time_colour(step: int, steps: int) -> tuple[float, float, float, float]:
    """Colour of step t = 1 ... T: red, green, blue, alpha in 0 ... 1."""
    low, high = SHADES
    return tuple(colormaps[style.TIME](low + (high - low) * (step - 1) / max(1, steps - 1)))


def bright(colour: Sequence[float]) -> bool:
    """Whether dark letters are the ones to read on this colour."""
    return sum(colour[:3]) >= 1.9


def spots(centres: Sequence[int]) -> dict[int, list[int]]:
    """Landmark -> the steps (from 1) that had it as their centre, in order of its first."""
    found: dict[int, list[int]] = {}
    for step, landmark in enumerate(centres, start=1):
        found.setdefault(int(landmark), []).append(step)
    return found


def ranges(steps: Sequence[int]) -> str:
    """1, 2, 3, 7 -> "1-3, 7"."""
    pieces: list[list[int]] = []
    for step in steps:
        if pieces and step == pieces[-1][-1] + 1:
            pieces[-1].append(step)
        else:
            pieces.append([step])
    return ", ".join(f"{p[0]}" if len(p) == 1 else f"{p[0]}–{p[-1]}" for p in pieces)


def label_places(points: FloatArray, centre: FloatArray, side: float, size: tuple[float, float]) -> FloatArray:
    """Places (n, 2) for labels of points: outwards from the face's middle, then apart from each other and the points.

    side: of the face's crop; size: width and height of the picture, which the labels do not leave.
    """
    outward = points - centre
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
    places = points + 0.075 * side * outward
    margin = 0.04 * side
    others = ~np.eye(len(points), dtype=bool)
    for _ in range(60):
        apart = _push(places, places, 0.085 * side, others) + _push(places, points, 0.055 * side, others)
        places = np.clip(places + 0.5 * apart, margin, np.maximum(np.array(size) - margin, margin))
    return np.asarray(places)


def _push(places: FloatArray, from_these: FloatArray, reach: float, pairs: NDArray[np.bool_]) -> FloatArray:
    """How far (n, 2) each place is to go, away from all that are nearer than `reach`; pairs (n, n): which count."""
    delta = places[:, None] - from_these[None]
    distance = np.linalg.norm(delta, axis=-1)
    strength = np.where(pairs, np.clip(reach - distance, 0, None), 0) / np.maximum(distance, 1e-6)
    return np.asarray((strength[..., None] * delta).sum(1))
