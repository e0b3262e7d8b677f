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
    height, width = picture.shape[1:]
    # a camera exposes for what is in the middle, though never fully
    middle = picture[:, height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]
    exposure = np.clip((105 / max(float(middle.mean()), 1.0)) ** 0.5, 0.8, 1.9)
    gain = exposure * rng.uniform(0.82, 1.12) * (1 + rng.normal(0, 0.025, 3))
    if rng.random() < 0.08:  # black and white
        picture, gain = np.broadcast_to(picture.mean(0), picture.shape), np.full(3, gain.mean())
    deviation, coloured = rng.uniform(1, 9 if hard else 5), rng.random() < 0.5
    sigma = rng.uniform(0.6, 1.7 if hard else 1.2) if rng.random() < (0.35 if hard else 0.2) else 0.0
    grain = noise.piece(rng, "grain", height, width)
    planes = []
    for plane, factor in zip(picture, gain.tolist(), strict=True):
        blurred = cv2.GaussianBlur(plane, (0, 0), sigma) if sigma else plane
        noisy = blurred * np.float32(factor) + grain * np.float32(deviation)
        planes.append(np.clip(noisy, 0, 255).astype(np.uint8))
        if coloured:
            grain = noise.piece(rng, "grain", height, width)
    return np.asarray(cv2.merge(planes), np.uint8)
