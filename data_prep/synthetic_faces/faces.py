"""One drawn face: everything random about it comes from (seed, split, index)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_prep.synthetic_faces import (
    appearance,
    landmarks,
    pose,
    render_background,
    render_body,
    render_camera,
    render_head,
    render_occluders,
)
from data_prep.synthetic_faces.model import Array, Expression, Identity
from data_prep.synthetic_faces.pose import Pose
from data_prep.synthetic_faces.surface import Surface


@dataclass(frozen=True)
class DrawnFace:
    """image (h, w, 3) BGR u1; points (68, 2) px, 0-based; occluder: what is in front of it, "" for nothing."""

    image: NDArray[np.uint8]
    points: Array
    occluder: str


def _place(
    surface: Surface,
    drawn: landmarks.Features,
    angles: tuple[float, float, float],
    rng: np.random.Generator,
    size: tuple[int, int],
) -> tuple[Pose, Array]:
    """A pose whose landmark box has 50-60 % of the image's shorter side and lies near its middle; the landmarks."""
    perspective = float(rng.uniform(0.0, 0.06))
    trial = Pose(*angles, scale=1.0, shift=(0.0, 0.0), perspective=perspective)
    points = landmarks.image_points(surface, drawn, trial)
    low, high = points.min(0), points.max(0)
    scale = float(rng.uniform(0.50, 0.60) * min(size) / (high - low).max())
    middle = np.array(size) / 2 + rng.uniform(-0.05, 0.05, 2) * size + (0, 0.02 * size[1])
    shift = middle - scale * (low + high) / 2
    placed = Pose(*angles, scale=scale, shift=(float(shift[0]), float(shift[1])), perspective=perspective)
    return placed, points * scale + shift


def draw_face(seed: int, split: str, index: int, hard: bool = False) -> DrawnFace:
    """Face number `index` of a split; `hard` gives larger poses, stronger expressions and more occlusion."""
    rng = np.random.default_rng([seed, zlib.crc32(split.encode()), index])
    identity, expression = Identity.sample(rng), Expression.sample(rng, 1.5 if hard else 1.0)
    look, angles = appearance.sample(rng, hard), pose.sample_angles(rng, hard)
    surface, drawn = Surface(identity, expression), landmarks.features(identity, expression)
    width, height = int(rng.integers(256, 321)), int(rng.integers(256, 321))
    placed, points = _place(surface, drawn, angles, rng, (width, height))

    picture = render_background.background(rng, height, width)
    render_body.behind(picture, placed, look, rng)
    render_body.neck(picture, placed, look, rng)
    render_body.ears(picture, surface, placed, look, in_front=False)
    render_head.draw(picture, surface, drawn, placed, look, rng)
    render_body.ears(picture, surface, placed, look, in_front=True)
    render_body.locks(picture, placed, look, rng)
    render_body.glasses(picture, surface, drawn, placed, look, rng)
    occluder = render_occluders.draw(picture, points, look, rng, hard)
    return DrawnFace(render_camera.develop(picture, rng, hard), points, occluder)
