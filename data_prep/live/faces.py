"""Which crop is sample k of a training, and drawing it."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.augmentation import draw_pose
from data_prep.images import Image
from data_prep.patches import PatchSet
from data_prep.rendering import copy_rng

_ORDER = zlib.crc32(b"order of the faces")


class Crop(NamedTuple):
    """image (S, S, 3) u1 BGR; shape (L, 2) f4, px of the crop; occluded (L,) u1, 1 where a landmark is hidden."""

    image: Image
    shape: NDArray[np.float32]
    occluded: NDArray[np.uint8]


class LiveFaces:
    """The samples of a training on a set of n patches; sample k is the same whenever and wherever it is drawn.

    An epoch is n samples, each face once, in an order of its own. At visit v of a face (v = 0, 1, ...) the crop is that
    copy of it, never the plain one, which fixed augmentation with this seed has as number `copy_number`.
    seed: None takes that of the data. first_visit: v of the first epoch.
    RarError when the set is missing, damaged, or holds no patches.
    """

    def __init__(self, folder: str | Path, seed: int | None = None, first_visit: int = 0) -> None:
        self.set = PatchSet(folder)
        self.seed, self.first_visit = self.set.seed if seed is None else seed, first_visit
        self.set.settings = replace(self.set.settings, seed=self.seed)
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def __len__(self) -> int:
        return len(self.set)

    def visit(self, sample: int) -> tuple[int, int]:
        """Row and visit of a sample."""
        epoch, place = divmod(sample, len(self))
        visit = self.first_visit + epoch
        return int(self._order(visit)[place]), visit

    def draw(self, sample: int) -> Crop:
        """The crop of a sample; RarError when its patch is damaged."""
        row, visit = self.visit(sample)
        name = str(self.set.name[row])
        copy = copy_number(name, visit)
        rng = copy_rng(self.seed, name, copy)
        return Crop(*self.set.draw(row, draw_pose(self.set.settings.augmentation, copy, rng), rng))

    def batch(self, first: int, count: int, step: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Images (count, S, S, 3) and shapes (count, L, 2) of the samples first, first + step, ..."""
        crops = [self.draw(first + step * i) for i in range(count)]
        return np.stack([crop.image for crop in crops]), np.stack([crop.shape for crop in crops])

    def _shuffled(self, visit: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, _ORDER, visit]).permutation(len(self))


def copy_number(name: str, visit: int) -> int:
    """The copy of a face (1, 2, ...) that a visit shows: every one once.

    Odd copies are mirrored. Half of the faces, by their names, show copies 1, 2, 3, 4, and the others 2, 1, 4, 3: so
    about half of the crops of an epoch are mirrored, and half of those of a face.
    """
    return 1 + (visit ^ (zlib.crc32(name.encode()) & 1))
