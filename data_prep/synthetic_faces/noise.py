"""A small bank of noise images, made once per process; faces cut random pieces out of it."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.float32]

SIDE = 768


def _octaves(rng: Generator, first: int, count: int) -> Image:
    """Value noise of `count` octaves, the coarsest `first` cells wide, scaled to mean 0 and deviation 1."""
    total = np.zeros((SIDE, SIDE), np.float32)
    for k in range(count):
        cells = first * 2**k
        layer = rng.standard_normal((cells, cells)).astype(np.float32)
        total += cv2.resize(layer, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) * 0.6**k
    return np.asarray((total - total.mean()) / total.std(), np.float32)


def _strands(rng: Generator) -> Image:
    """Noise drawn out along y, as hair is."""
    grain = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    fine = cv2.GaussianBlur(grain, (0, 0), 0.8, sigmaY=14)
    coarse = cv2.GaussianBlur(grain, (0, 0), 3.5, sigmaY=30)
    mixed = fine / fine.std() + coarse / coarse.std()
    return np.asarray(mixed / mixed.std(), np.float32)


@lru_cache(maxsize=1)
def bank() -> dict[str, Image]:
    """cloud: large soft shapes; mottle: skin-sized; grain: white; strands: hair. All (SIDE, SIDE), deviation 1."""
    rng = np.random.default_rng(1701)
    return {
        "cloud": _octaves(rng, 4, 5),
        "mottle": _octaves(rng, 24, 4),
        "grain": rng.standard_normal((SIDE, SIDE)).astype(np.float32),
        "strands": _strands(rng),
    }


def piece(rng: Generator, name: str, height: int, width: int) -> Image:
    """A random piece (height, width) of the noise called `name`."""
    source = bank()[name]
    top, left = rng.integers(0, SIDE - height + 1), rng.integers(0, SIDE - width + 1)
    return source[top : top + height, left : left + width]
