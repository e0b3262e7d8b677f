"""Who the face is and what it does: proportions, expression, and the 68 points on the unrotated face.

Frame of the head: x to the right of the image, y down, z towards the viewer; the unit is the average inter-pupil
distance and the eyes lie on y = 0. Proportions are those of a drawing manual, not measurements of any data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Array = NDArray[np.float64]

CURVE_SAMPLES = 24
# Right half of the head's outline seen from the front, crown to chin: x, y and the depth z of its edge.
OUTLINE = np.array(
    [
        (0.00, -1.72, -0.85),
        (0.55, -1.58, -0.90),
        (0.93, -1.15, -1.00),
        (1.10, -0.55, -1.10),
        (1.12, 0.00, -1.15),
        (1.09, 0.45, -1.08),
        (1.02, 0.84, -0.95),
        (0.88, 1.18, -0.78),
        (0.63, 1.50, -0.45),
        (0.30, 1.71, -0.12),
        (0.00, 1.77, 0.00),
    ]
)
EAR = 4  # row of OUTLINE where the jaw landmarks begin; they end at the chin, the last row
# Midline profile without the nose: y, z.
PROFILE = np.array(
    [
        (-1.72, -0.85),
        (-1.50, -0.38),
        (-1.10, -0.05),
        (-0.70, 0.09),
        (-0.35, 0.12),
        (0.00, 0.04),
        (0.45, 0.08),
        (0.80, 0.15),
        (1.08, 0.19),
        (1.32, 0.09),
        (1.55, 0.15),
        (1.77, 0.00),
    ]
)
MOUTH_Y = 1.06


@dataclass(frozen=True)
class Identity:
    """Proportions of one person: factors (1 = average) and offsets (0 = average, in units of the head's frame)."""

    jaw_width: float = 1.0
    chin_width: float = 1.0
    cheek_width: float = 1.0
    forehead_width: float = 1.0
    lower_face: float = 1.0
    nose_length: float = 1.0
    nose_width: float = 1.0
    nose_height: float = 1.0
    eye_distance: float = 1.0
    eye_width: float = 1.0
    eye_opening: float = 1.0
    eye_tilt: float = 0.0
    brow_height: float = 0.0
    brow_thickness: float = 0.1
    brow_slope: float = 0.0
    brow_arch: float = 1.0
    mouth_width: float = 1.0
    mouth_y: float = 0.0
    upper_lip: float = 1.0
    lower_lip: float = 1.0

    @staticmethod
    def sample(rng: Generator) -> Identity:
        """A random person."""

        def factor(spread: float) -> float:
            return float(1 + spread * np.clip(rng.normal(), -2.2, 2.2))

        return Identity(
            jaw_width=factor(0.06),
            chin_width=factor(0.12),
            cheek_width=factor(0.04),
            forehead_width=factor(0.03),
            lower_face=factor(0.06),
            nose_length=factor(0.08),
            nose_width=factor(0.12),
            nose_height=factor(0.14),
            eye_distance=factor(0.04),
            eye_width=factor(0.06),
            eye_opening=factor(0.16),
            eye_tilt=float(rng.normal(0, 0.018)),
            brow_height=float(rng.normal(0, 0.035)),
            brow_thickness=float(rng.uniform(0.06, 0.15)),
            brow_slope=float(rng.normal(0, 0.03)),
            brow_arch=factor(0.3),
            mouth_width=factor(0.09),
            mouth_y=float(rng.normal(0, 0.03)),
            upper_lip=factor(0.25),
            lower_lip=factor(0.22),
        )


@dataclass(frozen=True)
class Expression:
    """What the face does; all zero is neutral. `closing` holds the left and right eye of the image."""

    jaw: float = 0.0
    smile: float = 0.0
    pucker: float = 0.0
    brow_raise: float = 0.0
    frown: float = 0.0
    closing: tuple[float, float] = (0.0, 0.0)

    @staticmethod
    def sample(rng: Generator, strength: float) -> Expression:
        """A random expression; `strength` 1 is everyday, 1.5 lively."""
        opening = rng.choice([0.0, 0.15, 0.6], p=[0.45, 0.3, 0.25]) * rng.uniform(0.6, 1.4)
        closed = float(rng.choice([0.0, 0.3, 1.0], p=[0.72, 0.2, 0.08]) * rng.uniform(0.7, 1.0))
        wink = float(rng.uniform(0.6, 1.0)) if rng.random() < 0.03 * strength else closed
        closing = (closed, wink) if rng.random() < 0.5 else (wink, closed)
        return Expression(
            jaw=float(np.clip(opening * strength, 0, 1.1)),
            smile=float(np.clip(rng.normal(0.35, 0.45) * strength, -0.6, 1.2)),
            pucker=float(rng.uniform(0.3, 1.0)) if rng.random() < 0.06 * strength else 0.0,
            brow_raise=float(np.clip(rng.normal(0, 0.5) * strength, -0.7, 1.3)),
            frown=float(max(0.0, rng.normal(0, 0.4) * strength)),
            closing=closing,
        )


@lru_cache(maxsize=16)
def _spline_weights(count: int, samples: int) -> Array:
    """Weights (m, count) of `count` points in m points of the cubic spline through them."""
    pieces = count - 1
    places = np.linspace(0, pieces, max(2, samples // pieces) * pieces + 1)
    return np.asarray(CubicSpline(np.arange(count, dtype=float), np.eye(count))(places))


def smooth_curve(points: Array, samples: int = CURVE_SAMPLES) -> Array:
    """About `samples` points (m, d) of the cubic spline through `points` (n, d), which are among them."""
    return np.asarray(_spline_weights(len(points), samples) @ points)


def outline(identity: Identity, expression: Expression) -> Array:
    """The right half of this head's outline (11, 3), after widths, face length and the opening of the jaw."""
    points = OUTLINE.copy()
    y = points[:, 1]
    points[:3, 0] *= identity.forehead_width
    points[4:6, 0] *= identity.cheek_width
    points[6:8, 0] *= identity.jaw_width
    points[8, 0] *= identity.jaw_width * (0.5 + 0.5 * identity.chin_width)
    points[9, 0] *= identity.chin_width
    points[:, 1] = lower_face_y(y, identity, expression)
    return points


def lower_face_y(y: Array, identity: Identity, expression: Expression) -> Array:
    """Where heights y of the average closed face go: the lower face stretches, the jaw drops below the mouth."""
    dropped = np.clip((y - 0.75) / (1.77 - 0.75), 0, 1) * 0.40 * expression.jaw
    return np.where(y > 0, y * identity.lower_face, y) + dropped


def eyes(identity: Identity, expression: Expression) -> tuple[Array, Array]:
    """The six points of each eye (6, 2) in 300-W order: left corner, then clockwise."""
    half = 0.195 * identity.eye_width
    opening = identity.eye_opening * (1 + 0.18 * max(0.0, expression.brow_raise))
    squint = 1 - 0.22 * max(0.0, expression.smile)
    left_eye: list[tuple[float, float]] = []
    right_eye: list[tuple[float, float]] = []
    for closing, eye in zip(expression.closing, (left_eye, right_eye), strict=True):
        lower = 0.058 * opening * squint
        upper = -0.088 * opening * squint * (1 - closing) + (lower - 0.008) * closing
        tilt = identity.eye_tilt
        # outer corner, upper lid outer and inner, inner corner, lower lid inner and outer; x grows towards the nose
        eye.extend(
            [
                (-half, -0.005 - tilt),
                (-0.36 * half, upper - 0.4 * tilt),
                (0.34 * half, upper + 0.4 * tilt),
                (half, 0.02 + tilt),
                (0.32 * half, lower + 0.3 * tilt),
                (-0.38 * half, lower - 0.3 * tilt),
            ]
        )
    centre = 0.497 * identity.eye_distance
    left = np.array(left_eye) + (-centre, 0)
    mirrored = np.array(right_eye) * (-1, 1) + (centre, 0)
    return left, mirrored[[3, 2, 1, 0, 5, 4]]


def brows(identity: Identity, expression: Expression) -> tuple[Array, Array]:
    """The five points of each brow (5, 2), left to right, on its upper edge as 300-W marks them."""
    x = np.array([0.90, 0.76, 0.58, 0.38, 0.19])
    arch = np.array([0.0, 0.085, 0.11, 0.095, 0.03]) * identity.brow_arch
    y = -0.235 - arch - 0.09 * expression.brow_raise - identity.brow_height
    y = y + identity.brow_slope * (x - 0.5) + expression.frown * np.array([-0.01, 0.0, 0.02, 0.05, 0.085])
    x = x * identity.eye_distance - 0.03 * expression.frown * np.array([0, 0, 0.3, 0.7, 1])
    left = np.stack([-x, y], -1)
    return left, (left * (-1, 1))[::-1]


def nose(identity: Identity, expression: Expression) -> Array:
    """Nine points of the nose (9, 2): ridge top to tip, then the lower edge of the nostrils left to right."""
    length, width = identity.nose_length, identity.nose_width * (1 + 0.1 * max(0.0, expression.smile))
    ridge = np.stack([np.zeros(4), 0.0 - 0.03 + np.array([0, 0.2, 0.4, 0.6]) * length], -1)
    tip = ridge[3, 1]
    base_x = np.array([-0.215, -0.115, 0, 0.115, 0.215]) * width
    base_y = tip + np.array([0.10, 0.135, 0.165, 0.135, 0.10])
    return np.concatenate([ridge, np.stack([base_x, base_y], -1)])


def mouth(identity: Identity, expression: Expression) -> Array:
    """Twenty points of the mouth (20, 2): outer edge 12 clockwise from the left corner, inner edge 8."""
    smile, jaw = expression.smile, expression.jaw
    nose_base = nose(identity, expression)[6, 1]
    line = max(MOUTH_Y * identity.lower_face + identity.mouth_y, nose_base + 0.25)
    half = 0.43 * identity.mouth_width * (1 + 0.22 * max(smile, 0) - 0.10 * jaw - 0.30 * expression.pucker)
    upper = 0.095 * identity.upper_lip * (1 - 0.25 * max(smile, 0) + 0.35 * expression.pucker)
    lower = 0.135 * identity.lower_lip * (1 - 0.20 * max(smile, 0) + 0.35 * expression.pucker)
    gap = 0.012 + 0.36 * jaw + 0.02 * max(smile, 0)
    lift = 0.03 * jaw + 0.05 * max(smile, 0)
    corner = -0.02 - 0.085 * smile + 0.42 * gap
    # a fraction 0 at the corner and 1 at the middle bends each edge towards the corners' height
    bend = np.array([0.0, 0.62, 0.95, 1.0, 0.95, 0.62, 0.0])
    x = half * np.array([-1, -0.64, -0.27, 0, 0.27, 0.64, 1])
    shape = np.array([0.0, 0.78, 1.12, 0.9, 1.12, 0.78, 0.0])
    top = corner * (1 - bend) + bend * -lift - upper * shape
    low_shape = np.array([0.0, 0.62, 0.96, 1.0, 0.96, 0.62, 0.0])
    bottom = corner * (1 - bend) + bend * (gap - 0.2 * lift) + lower * low_shape
    inner_x = half * np.array([-0.86, -0.30, 0, 0.30, 0.86])
    inner_bend = np.array([0.0, 0.93, 1.0, 0.93, 0.0])
    inner_corner = corner * np.array([1, 0, 0, 0, 1]) + np.array([1, 0, 0, 0, 1]) * 0.004
    inner_top = inner_corner + inner_bend * (-lift + np.array([0, -0.006, 0.004, -0.006, 0]))
    inner_bottom = inner_corner + inner_bend * (gap - 0.2 * lift)
    outer = np.concatenate([np.stack([x, top], -1), np.stack([x, bottom], -1)[5:0:-1]])
    inner = np.concatenate([np.stack([inner_x, inner_top], -1), np.stack([inner_x, inner_bottom], -1)[3:0:-1]])
    return np.concatenate([outer, inner]) + (0, line)
