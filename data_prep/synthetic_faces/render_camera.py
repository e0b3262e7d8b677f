"""What a camera adds: exposure, colour cast, blur, noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from data_prep.synthetic_faces import noise
from data_prep.synthetic_faces.canvas import Picture


def develop(picture: Picture, rng: Generator, hard: bool) -> NDArray[np.uint8]:
    """The finished picture (h, w, 3) u1."""
    height, width = picture.shape[:2]
    if rng.random() < (0.35 if hard else 0.2):
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.6, 1.7 if hard else 1.2)))
    # a camera exposes for what is in the middle, though never fully
    middle = picture[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]
    exposure = np.clip((105 / max(float(middle.mean()), 1.0)) ** 0.5, 0.8, 1.9)
    gain = exposure * rng.uniform(0.82, 1.12) * (1 + rng.normal(0, 0.025, 3))
    picture = picture * gain.astype(np.float32)
    deviation = rng.uniform(1, 9 if hard else 5)
    if rng.random() < 0.08:
        picture = np.repeat(picture.mean(-1, keepdims=True), 3, -1)
    coloured = rng.random() < 0.5
    for channel in range(3):
        if channel == 0 or coloured:
            grain = noise.piece(rng, "grain", height, width) * np.float32(deviation)
        picture[..., channel] += grain
    return np.asarray(np.clip(picture, 0, 255), np.uint8)
