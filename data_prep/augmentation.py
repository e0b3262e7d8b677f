"""Augmentation of training crops. The paper names rotation, scaling and mirroring; every amount here is ours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Augmentation:
    """How many copies of a training face, and how far each but the first may differ from the plain crop.

    copies: crops per face; copy 0 is the plain crop, every odd copy is mirrored.
    rotation: degrees, uniform in [-rotation, rotation].
    scale: the face is enlarged by exp(u), u uniform in [-scale, scale].
    shift: of the box, uniform in [-shift, shift] box sides along x and along y.
    occluded: share of the copies, but the first, that get a synthetic occluder.
    """

    copies: int = 10
    rotation: float = 30.0
    scale: float = 0.15
    shift: float = 0.08
    occluded: float = 0.4


@dataclass(frozen=True)
class Pose:
    """How one crop differs from the plain one; fields as `crops.crop_transform` takes them."""

    angle: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    mirrored: bool = False
    occluded: bool = False


PLAIN = Augmentation(copies=1, occluded=0.0)


def draw_pose(settings: Augmentation, copy: int, rng: np.random.Generator) -> Pose:
    """The pose of one copy of a face."""
    if copy == 0:
        return Pose()
    angle, grow, dx, dy, lot = rng.uniform([-1, -1, -1, -1, 0], [1, 1, 1, 1, 1])
    return Pose(
        angle=float(settings.rotation * angle),
        scale=math.exp(settings.scale * grow),
        shift=(float(settings.shift * dx), float(settings.shift * dy)),
        mirrored=copy % 2 == 1,
        occluded=bool(lot < settings.occluded),
    )
