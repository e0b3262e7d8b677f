"""Geometry of shapes. A shape is an array (..., L, 2) of x, y; every function works on stacks of shapes.

Pixel convention of the whole project: 0-based, pixel centres at integer coordinates.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layers.common.errors import RarError
from layers.common.schemes import Indices, Scheme

FloatArray = NDArray[np.floating[Any]]


def eye_centres(shape: FloatArray, scheme: Scheme) -> tuple[FloatArray, FloatArray]:
    """Left and right eye centre, each (..., 2): the mean of the scheme's points of that eye."""
    left, right = scheme.pupils
    return shape[..., list(left), :].mean(axis=-2), shape[..., list(right), :].mean(axis=-2)


@cache
def _left_to_right(pupils: tuple[Indices, Indices], landmarks: int, dtype: np.dtype[Any]) -> FloatArray:
    """Weights (L,) of the landmarks whose sum is the way from the left eye centre to the right one."""
    weights = np.zeros(landmarks, dtype)
    for eye, sign in zip(pupils, (-1, 1), strict=True):
        weights[list(eye)] += dtype.type(sign / len(eye))
    return weights


def pupil_distance(shape: FloatArray, scheme: Scheme) -> FloatArray:
    """Inter-pupil distance (...,), the normaliser RAR and its Table 1 call "inter-ocular"; or a scheme's own."""
    way = _left_to_right(scheme.pupils, scheme.landmarks, shape.dtype) @ shape
    return np.asarray(np.hypot(way[..., 0], way[..., 1]))


def corner_distance(shape: FloatArray, scheme: Scheme) -> FloatArray:
    """Distance of the outer eye corners (...,), called "inter-ocular" since 2018; RarError without corners."""
    if scheme.corners is None:
        raise RarError(f"scheme {scheme.name} has no outer eye corners: use the inter-pupil distance")
    left, right = scheme.corners
    return np.asarray(np.linalg.norm(shape[..., right, :] - shape[..., left, :], axis=-1))


def point_errors(predicted: FloatArray, truth: FloatArray) -> FloatArray:
    """Euclidean distance of each landmark from its true place (..., L), in the unit of the shapes."""
    return np.asarray(np.linalg.norm(predicted - truth, axis=-1))


def normalised_mean_error(predicted: FloatArray, truth: FloatArray, normaliser: FloatArray) -> FloatArray:
    """NME = mean_l |predicted_l - truth_l| / normaliser, as a fraction (multiply by 100 for per cent)."""
    return np.asarray(point_errors(predicted, truth).mean(axis=-1) / normaliser)


def affine_apply(matrix: FloatArray, shape: FloatArray) -> FloatArray:
    """Map a shape (..., L, 2) by a matrix (..., 2, 3): x' = A x + b."""
    return shape @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]


def affine_invert(matrix: FloatArray) -> FloatArray:
    """The inverse of (..., 2, 3) matrices."""
    inverse = np.linalg.inv(matrix[..., :2])
    return np.concatenate([inverse, -inverse @ matrix[..., 2:]], axis=-1)


def affine_compose(second: FloatArray, first: FloatArray) -> FloatArray:
    """The matrix that applies `first`, then `second`."""
    linear = second[..., :2] @ first[..., :2]
    return np.concatenate([linear, second[..., :2] @ first[..., 2:] + second[..., 2:]], axis=-1)


def similarity_fit(source: FloatArray, target: FloatArray) -> FloatArray:
    """Least-squares similarity (scale, rotation, shift) from source (..., L, 2) to target: matrices (..., 2, 3)."""
    source_mean, target_mean = source.mean(axis=-2), target.mean(axis=-2)
    a, b = source - source_mean[..., None, :], target - target_mean[..., None, :]
    scale = np.maximum((a * a).sum((-1, -2)), np.finfo(a.dtype).tiny)
    real = (a * b).sum((-1, -2)) / scale
    imaginary = (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(-1) / scale
    linear = np.stack([np.stack([real, -imaginary], -1), np.stack([imaginary, real], -1)], -2)
    shift = target_mean - (linear @ source_mean[..., None])[..., 0]
    return np.concatenate([linear, shift[..., None]], axis=-1)


def mirror_shape(shape: FloatArray, scheme: Scheme, width: float) -> FloatArray:
    """The shape (..., L, 2) of the image mirrored left to right, for an image `width` pixels wide."""
    mirrored = shape[..., list(scheme.mirror), :].copy()
    mirrored[..., 0] = width - 1 - mirrored[..., 0]
    return mirrored
