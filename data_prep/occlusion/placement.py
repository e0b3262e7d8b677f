"""Where things sit on a face: the transform from a cut-out to the crop, by kind."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from data_prep.occlusion.cutouts import Cutout
from data_prep.occlusion.face_frame import PUPILS_CM, FaceFrame

Matrix = NDArray[np.float64]


def place(cutout: Cutout, frame: FaceFrame, rng: np.random.Generator) -> Matrix:
    """Canvas px -> crop px (2, 3) of any kind but masks, which are wrapped (see wrapping.py)."""
    return _PLACES[cutout.kind](cutout, frame, rng)


def _sunglasses(cutout: Cutout, frame: FaceFrame, rng: np.random.Generator) -> Matrix:
    """Lens centres on the pupils or a little below; narrowed as the face is, but not lower; turned with the eyes."""
    reach = 0.5 * PUPILS_CM * rng.uniform(1.02, 1.12)
    below = rng.uniform(-0.1, 0.5)
    start, end = frame.point(-reach, below), frame.point(reach, below)
    return _transform(cutout, start, end, height=frame.pixels_per_cm * rng.uniform(0.95, 1.08) / cutout.pixels_per_cm)


def _phone(cutout: Cutout, frame: FaceFrame, rng: np.random.Generator) -> Matrix:
    """At an ear, along the cheek towards the mouth; or held before the mouth; or before half the face."""
    manner = rng.random()
    side = int(rng.choice([-1, 1]))
    if manner < 0.5:
        top, angle = (side * rng.uniform(6.2, 7.6), rng.uniform(-3.0, 0.5)), side * rng.uniform(4, 26)
    elif manner < 0.75:
        top, angle = (side * rng.uniform(3, 7), rng.uniform(4.5, 7.5)), side * rng.uniform(60, 90)
    else:
        top, angle = (side * rng.uniform(0.5, 4.0), rng.uniform(-2.5, 4.5)), rng.uniform(-14, 14)
    return _upright(cutout, frame, top, angle, rng, flip=bool(rng.random() < 0.5))


def _hand(cutout: Cutout, frame: FaceFrame, rng: np.random.Generator) -> Matrix:
    """Over the mouth, on a cheek, at the chin or over an eye; the arm comes from below or from the side."""
    side = int(rng.choice([-1, 1]))
    where = rng.choice(["mouth", "cheek", "chin", "eye"], p=[0.35, 0.3, 0.15, 0.2])
    if where == "mouth":  # the middle of the hand on the mouth, fingers across the other cheek
        middle, angle = (rng.uniform(-1.2, 1.2), 6.8 + rng.uniform(-0.8, 1.0)), -side * rng.uniform(50, 85)
    elif where == "cheek":  # fingers up along the cheek
        middle, angle = (side * rng.uniform(4.8, 6.5), rng.uniform(3.5, 7.5)), side * rng.uniform(-12, 25)
    elif where == "chin":
        middle, angle = (side * rng.uniform(0, 3), rng.uniform(12.0, 15.5)), side * rng.uniform(-35, 10)
    else:
        middle, angle = (side * rng.uniform(2.6, 4.6), rng.uniform(0.0, 3.5)), side * rng.uniform(-40, 35)
    return _centred(cutout, frame, middle, angle, rng, flip=side > 0)


def _cup(cutout: Cutout, frame: FaceFrame, rng: np.random.Generator) -> Matrix:
    """The rim at the mouth, upright or tipped for drinking."""
    top = (rng.uniform(-1.3, 1.3), rng.uniform(5.2, 7.6))
    return _upright(cutout, frame, top, rng.uniform(-16, 16), rng, flip=bool(rng.random() < 0.5))


_PLACES: dict[str, Callable[[Cutout, FaceFrame, np.random.Generator], Matrix]] = {
    "sunglasses": _sunglasses, "phone": _phone, "hand": _hand, "cup": _cup,
}  # fmt: skip


def _upright(
    cutout: Cutout, frame: FaceFrame, top: tuple[float, float], angle: float, rng: np.random.Generator, flip: bool
) -> Matrix:
    """The axis starts at `top` (cm on the face) and runs down, turned clockwise by `angle` degrees."""
    start = frame.point(*top)
    return _along(cutout, frame, start, math.radians(angle), rng, flip)


def _centred(
    cutout: Cutout, frame: FaceFrame, middle: tuple[float, float], angle: float, rng: np.random.Generator, flip: bool
) -> Matrix:
    """The axis runs upwards through `middle` (cm on the face), turned clockwise by `angle` degrees."""
    matrix = _along(cutout, frame, frame.point(*middle), math.radians(angle) + math.pi, rng, flip)
    half = matrix[:, :2] @ (cutout.axis[1] - cutout.axis[0]) / 2
    matrix[:, 2] -= half
    return matrix


def _along(
    cutout: Cutout, frame: FaceFrame, start: NDArray[np.float64], turn: float, rng: np.random.Generator, flip: bool
) -> Matrix:
    """Life size and a little more, as a thing before the face is nearer to the camera."""
    scale = frame.pixels_per_cm / cutout.pixels_per_cm * rng.uniform(0.95, 1.2)
    length = scale * float(np.linalg.norm(cutout.axis[1] - cutout.axis[0]))
    square = np.array([-frame.down[1], frame.down[0]])
    direction = math.cos(turn) * frame.down + math.sin(turn) * square
    return _transform(cutout, start, start + length * direction, height=-scale if flip else scale)


def _transform(cutout: Cutout, start: NDArray[np.float64], end: NDArray[np.float64], height: float) -> Matrix:
    """The axis on start -> end; square to it `height` crop px per canvas px, negative to mirror the thing."""
    source = cutout.axis[1] - cutout.axis[0]
    length = np.linalg.norm(source)
    along, square = source / length, np.array([-source[1], source[0]]) / length
    target = (end - start) / length
    normal = np.array([-target[1], target[0]]) / max(np.linalg.norm(target), 1e-9) * height
    linear = np.outer(target, along) + np.outer(normal, square)
    return np.concatenate([linear, (start - linear @ cutout.axis[0])[:, None]], axis=1)
