"""What is behind the head: blurred clutter, plain walls, textures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from data_prep.synthetic_faces import noise
from data_prep.synthetic_faces.canvas import Picture


def _gradient(rng: Generator, height: int, width: int) -> Picture:
    """A bilinear gradient between four colours."""
    base = rng.uniform(10, 240, 3)
    corners = np.clip(base + rng.normal(0, 45, (2, 2, 3)), 0, 255).astype(np.float32)
    return np.asarray(cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR))


def _shapes(rng: Generator, picture: Picture, count: int) -> None:
    """Random ellipses, boxes and bars."""
    height, width = picture.shape[:2]
    for _ in range(count):
        colour = rng.uniform(0, 255, 3).tolist()
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        kind = rng.integers(3)
        if kind == 0:
            axes = (int(rng.integers(6, 70)), int(rng.integers(6, 70)))
            cv2.ellipse(picture, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
        elif kind == 1:
            box = cv2.boxPoints(((x, y), rng.uniform(10, 130, 2).tolist(), float(rng.uniform(0, 90))))
            cv2.fillConvexPoly(picture, box.astype(np.int32), colour, cv2.LINE_AA)
        else:
            end = (int(rng.integers(0, width)), int(rng.integers(0, height)))
            cv2.line(picture, (x, y), end, colour, int(rng.integers(2, 22)), cv2.LINE_AA)


def _stripes(rng: Generator, picture: Picture) -> None:
    """Periodic stripes, as of a wall or a blind."""
    height, width = picture.shape[:2]
    angle, period = rng.uniform(0, np.pi), rng.uniform(8, 50)
    x, y = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
    wave = np.sin((x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))) * np.float32(2 * np.pi / period))
    picture += (np.float32(rng.uniform(8, 30)) * np.sign(wave))[..., None]


def background(rng: Generator, height: int, width: int) -> Picture:
    """A random background (height, width, 3)."""
    picture = _gradient(rng, height, width)
    if rng.random() < 0.6:
        cloud = noise.piece(rng, "cloud", height, width)[..., None]
        picture += cloud * rng.normal(0, 18, 3).astype(np.float32)
    if rng.random() < 0.2:
        _stripes(rng, picture)
    if rng.random() < 0.7:
        _shapes(rng, picture, int(rng.integers(2, 16)))
    picture = cv2.blur(picture, (k := int(rng.integers(1, 12)), k)) if rng.random() < 0.75 else picture
    return np.asarray(np.clip(picture, 0, 255), np.float32)
