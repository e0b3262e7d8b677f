"""How a head is turned: a mean 3-D face laid under the landmarks.

The mean face is that of the drawn faces (data_prep/synthetic_faces/model.py): average proportions, no expression, from
a drawing manual and measured on nobody. Its unit is the inter-pupil distance. The camera is taken to look straight at
the face from DISTANCE units, so the angles are from the line of sight to the face, whatever its place in the picture.
Landmarks of the contour are left out: on a turned head they are where the cheek ends, and no fixed places of it.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from data_prep.synthetic_faces.landmarks import features
from data_prep.synthetic_faces.model import Expression, Identity
from data_prep.synthetic_faces.surface import Surface
from layers.common.schemes import FIVE_OF_68, SCHEME_5, SCHEME_68
from layers.common.shapes import FloatArray

DISTANCE = 20.0  # inter-pupil distances: 1.3 m
CONTOUR = len(SCHEME_68.groups["contour"])
NEAREST = np.diag([1.0, 1.0, -1.0])  # from z towards the viewer to OpenCV's, away from the camera


class HeadPose(NamedTuple):
    """Degrees. yaw: the nose turned to the right of the picture; pitch: down; roll: the head tilted clockwise."""

    yaw: float
    pitch: float
    roll: float


@cache
def mean_face(scheme: str) -> tuple[FloatArray, tuple[int, ...]] | None:
    """Places (n, 3) on the mean face, x right, y down, z to the viewer, and of which landmarks; None: not known."""
    average, neutral = Identity(), Expression()
    inner = Surface(average, neutral).lift(features(average, neutral).points)
    if scheme == SCHEME_68.name:
        return inner, tuple(range(CONTOUR, SCHEME_68.landmarks))
    if scheme == SCHEME_5.name:
        five = [inner[[i - CONTOUR for i in indices]].mean(axis=0) for indices in FIVE_OF_68]
        return np.stack(five), tuple(range(SCHEME_5.landmarks))
    return None


def head_pose(points: FloatArray, scheme: str) -> HeadPose | None:
    """The pose of a face from its landmarks (L, 2), px; None for a scheme whose places on the face are not known."""
    known = mean_face(scheme)
    if known is None:
        return None
    places, landmarks = known
    seen = np.asarray(points, np.float64)[list(landmarks)]
    seen = seen - seen.mean(axis=0)
    across = np.sqrt(((places - places.mean(axis=0))[:, :2] ** 2).sum() / max((seen**2).sum(), 1e-9))
    centred = (places - places.mean(axis=0)) @ NEAREST
    camera = np.array([[DISTANCE, 0, 0], [0, DISTANCE, 0], [0, 0, 1.0]])
    done, turn, _ = cv2.solvePnP(
        centred, seen * across, camera, None, np.zeros((3, 1)), np.array([[0.0], [0.0], [DISTANCE]]), True,
        cv2.SOLVEPNP_ITERATIVE,
    )  # fmt: skip
    return angles(NEAREST @ cv2.Rodrigues(turn)[0] @ NEAREST) if done and np.isfinite(turn).all() else None


def angles(rotation: FloatArray) -> HeadPose:
    """Yaw, pitch and roll of a rotation (3, 3): roll after pitch after yaw (data_prep/synthetic_faces/pose.py)."""
    yaw = np.arctan2(-rotation[2, 0], rotation[2, 2])
    pitch = np.arctan2(-rotation[2, 1], np.hypot(rotation[2, 0], rotation[2, 2]))
    roll = np.arctan2(-rotation[0, 1], rotation[1, 1])
    return HeadPose(*(float(value) for value in np.degrees([yaw, pitch, roll])))
