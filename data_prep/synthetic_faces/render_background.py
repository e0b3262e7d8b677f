"""What is behind the head: blurred clutter, plain walls, textures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from data_prep.synthetic_faces import noise
from data_prep.synthetic_faces.appearance import muted
from data_prep.synthetic_faces.canvas import Map, Picture


def _gradient(rng: Generator, height: int, width: int) -> Picture:
    """A bilinear gradient between four related colours."""
    corners = muted(rng) + rng.normal(0, 22, (2, 2, 1)) + rng.normal(0, 8, (2, 2, 3))
    planes = cv2.split(corners.astype(np.float32))
    return np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in planes])


def _shapes(rng: Generator, picture: NDArray[np.uint8], count: int) -> None:
    """Random ellipses, boxes and bars."""
    height, width = picture.shape[:2]
    for _ in range(count):
        colour = muted(rng, chroma=0.25).tolist()
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


def _stripes(rng: Generator, height: int, width: int) -> Map:
    """Periodic stripes, as of a wall or a blind, to be added (height, width)."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(8, 50)
    x, y = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
    wave = np.sin((x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))) * np.float32(2 * np.pi / period))
    return np.asarray(np.float32(rng.uniform(6, 20)) * np.tanh(4 * wave), np.float32)


def background(rng: Generator, height: int, width: int) -> Picture:
    """A random background, three planes (3, height, width)."""
    smooth = _gradient(rng, height, width)
    if rng.random() < 0.6:
        cloud = noise.piece(rng, "cloud", height, width)
        for plane, strength in zip(smooth, rng.normal(0, 14) + rng.normal(0, 5, 3), strict=True):
            plane += cloud * np.float32(strength)
    if rng.random() < 0.2:
        smooth += _stripes(rng, height, width)
    np.clip(smooth, 0, 255, out=smooth)
    picture = cv2.merge(list(smooth.astype(np.uint8)))
    if rng.random() < 0.7:
        _shapes(rng, picture, int(rng.integers(2, 16)))
    if rng.random() < 0.8:
        size = int(rng.integers(2, 14))
        picture = cv2.blur(cv2.blur(picture, (size, size)), (size, size))
    return np.stack(cv2.split(picture)).astype(np.float32)
