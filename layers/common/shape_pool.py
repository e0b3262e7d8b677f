"""The shape pool on disk: the basis shapes of eq. (11) and the mean shape."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from layers.common.errors import RarError
from layers.common.shapes import FloatArray

FILE = "shape_pool.h5"


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


def check_pool(name: str, pool: ShapePool, basis_size: int, landmarks: int) -> None:
    """RarError unless the pool called `name` has as many basis shapes as a net has, of its number of landmarks."""
    held, wanted = pool.centres.shape, (basis_size, landmarks, 2)
    if held == wanted:
        return
    remedy = "prepare the data again"
    if held[1:] == wanted[1:]:
        remedy = f"prepare the data with K = {basis_size}, or train the preset with +basis_size={held[0]}"
    raise RarError(f"{name} holds shapes {held}, the net wants {wanted}: {remedy}")
