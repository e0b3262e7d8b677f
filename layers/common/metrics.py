"""How well shapes fit: error per face, failure rate, cumulative error distribution, error by stage.

All errors are fractions (0.05 = 5 %). For a face with L landmarks and normaliser d

    NME = 1/(L d) sum_l |predicted_l - truth_l|

with d = "pupil", the distance between the eye centres of the truth (what RAR's Table 1 uses and calls inter-ocular), or
d = "corner", the distance between its outer eye corners (what is called inter-ocular since 2018).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layers.common.errors import RarError
from layers.common.paper import FAILURE_THRESHOLD
from layers.common.schemes import Scheme
from layers.common.shapes import FloatArray, corner_distance, normalised_mean_error, point_errors, pupil_distance

NORMALISERS = {"pupil": pupil_distance, "corner": corner_distance}


def normaliser(truth: FloatArray, scheme: Scheme, name: str) -> FloatArray:
    """The distance d (...,) of true shapes (..., L, 2), in their unit; RarError for a d of zero or an unknown name."""
    if name not in NORMALISERS:
        raise RarError(f"no normaliser {name!r}: use one of {', '.join(NORMALISERS)}")
    distance = NORMALISERS[name](truth, scheme)
    if not (distance > 0).all():
        raise RarError(f"a true shape has no {name} distance to divide by: mend its annotation")
    return distance


def face_errors(predicted: FloatArray, truth: FloatArray, scheme: Scheme, name: str) -> FloatArray:
    """NME (n,) of predicted (n, L, 2) against truth (n, L, 2)."""
    return normalised_mean_error(predicted, truth, normaliser(truth, scheme, name))


def visible_errors(
    predicted: FloatArray, truth: FloatArray, visible: NDArray[np.bool_], scheme: Scheme, name: str
) -> FloatArray:
    """NME (n,) over the landmarks where visible (n, L) holds; NaN for a face that has none."""
    counts = visible.sum(axis=-1)
    sums = np.where(visible, point_errors(predicted, truth), 0.0).sum(axis=-1)
    means = np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=counts > 0)
    return np.asarray(means / normaliser(truth, scheme, name))


def stage_errors(stages: FloatArray, truth: FloatArray, scheme: Scheme, name: str) -> FloatArray:
    """NME (n, S) of every face at every stage: stages (n, S, L, 2) against truth (n, L, 2)."""
    return normalised_mean_error(stages, truth[:, None], normaliser(truth, scheme, name)[:, None])


def failure_rate(errors: FloatArray, threshold: float = FAILURE_THRESHOLD) -> float:
    """Fraction of faces whose error exceeds the threshold."""
    return float((errors > threshold).mean())


def cumulative_distribution(errors: FloatArray, limits: FloatArray) -> FloatArray:
    """CED: for each limit the fraction of faces whose error is at most that."""
    return np.asarray(np.searchsorted(np.sort(errors), limits, side="right") / len(errors))


def area_under_curve(errors: FloatArray, limit: float = FAILURE_THRESHOLD) -> float:
    """1/limit * integral of the CED from 0 to limit, exactly: the mean over faces of max(0, 1 - error/limit)."""
    return float(np.maximum(0.0, 1.0 - errors / limit).mean())
