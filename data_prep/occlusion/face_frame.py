"""A face as something to measure on: where it is in the crop, how it is turned, how many pixels a centimetre is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layers.common.schemes import Scheme
from layers.common.shapes import eye_centres

PUPILS_CM = 6.3  # distance of the pupils of an adult
EYES_TO_MOUTH_CM = 6.6  # from between the pupils to the middle of the mouth

Point = NDArray[np.float64]


@dataclass(frozen=True)
class FaceFrame:
    """Axes of a face in crop px.

    origin: between the eyes. right, down: unit vectors along the eyes (to the image's right) and from eyes to mouth.
    pixels_per_cm: of the face seen from the front; turned to the side it is not foreshortened.
    narrowing: apparent over frontal distance of the eyes, in 0.3..1.1: how far the face is turned to the side.
    """

    origin: Point
    right: Point
    down: Point
    pixels_per_cm: float
    narrowing: float

    def point(self, across: float, below: float) -> Point:
        """The crop px of a place in cm, across to the image's right and below the line of the eyes."""
        return self.origin + self.pixels_per_cm * (across * self.narrowing * self.right + below * self.down)


def face_frame(shape: NDArray[np.floating], scheme: Scheme) -> FaceFrame:
    """The frame of a shape (L, 2); the mouth is at its usual place where the scheme has no group `mouth`."""
    left, right = (np.asarray(eye, np.float64) for eye in eye_centres(shape, scheme))
    origin = (left + right) / 2
    eyes = float(np.linalg.norm(right - left))
    level = (right - left) / max(eyes, 1e-6)
    typical = origin + eyes / PUPILS_CM * EYES_TO_MOUTH_CM * np.array([-level[1], level[0]])
    lips = scheme.groups.get("mouth")
    mouth = np.asarray(shape[list(lips)].mean(axis=0), np.float64) if lips else typical
    height = float(np.linalg.norm(mouth - origin))
    per_cm = max(eyes / PUPILS_CM, height / EYES_TO_MOUTH_CM, 1e-3)
    down = (mouth - origin) / max(height, 1e-6)
    across = np.array([down[1], -down[0]])  # square to `down`: steadier than the eyes in profile
    if eyes > 0.6 * PUPILS_CM * per_cm:
        across = (right - left) / eyes
    return FaceFrame(origin, across, down, per_cm, float(np.clip(eyes / (PUPILS_CM * per_cm), 0.3, 1.1)))
