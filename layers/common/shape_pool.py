"""The shape pool on disk: the basis shapes of eq. (11) and the mean shape."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from layers.common.errors import RarError
from layers.common.shapes import FloatArray


class ShapePool(NamedTuple):
    """centres (K, L, 2), similarity-normalised to inter-pupil distance 1; mean_shape (L, 2), fraction of the crop."""

    centres: FloatArray
    mean_shape: FloatArray


def read_shape_pool(path: Path) -> ShapePool:
    """Read `shape_pool.h5`; RarError when it is absent, damaged or not finite."""
    try:
        with h5py.File(path, "r") as file:
            pool = ShapePool(file["centres"][...], file["mean_shape"][...])
    except (OSError, KeyError) as error:
        raise RarError(f"{path} is no shape pool ({error}): prepare the data again, e.g. make data-300w") from error
    if not (np.isfinite(pool.centres).all() and np.isfinite(pool.mean_shape).all()):
        raise RarError(f"{path} holds shapes that are not finite: prepare the data again")
    return pool
