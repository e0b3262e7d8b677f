"""What a difference between two models is worth: intervals by resampling faces and seeds, and McNemar's test."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from layers.common.shapes import FloatArray

RESAMPLES, CONFIDENCE = 9999, 0.95
BATCH = 500  # resamples at a time: memory


class Interval(NamedTuple):
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


def mean_interval(values: FloatArray, seed: int = 0) -> Interval:
    """The mean of values (seeds, faces) and its bootstrap interval (percentiles, SciPy's).

    Faces are drawn anew and, independently, seeds, so that the interval is for other faces and other trainings alike;
    with one seed it is for other faces alone.
    """
    trainings, faces = (np.arange(count) for count in values.shape)
    mean = float(values.mean())
    if np.ptp(values) == 0:
        return Interval(mean, mean, mean)

    def resampled(rows: NDArray[np.int64], columns: NDArray[np.int64], axis: int) -> FloatArray:
        return np.asarray(values[rows[..., :, None], columns[..., None, :]].mean((-1, -2)))

    def one_training(columns: NDArray[np.int64], axis: int) -> FloatArray:
        return np.asarray(values[0, columns].mean(-1))

    several = len(trainings) > 1
    found = stats.bootstrap(
        (trainings, faces) if several else (faces,),
        resampled if several else one_training,
        n_resamples=RESAMPLES,
        batch=BATCH,
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))


class Failures(NamedTuple):
    """Faces on which one model alone fails, and McNemar's exact two-sided p for as uneven a split as that."""

    first: int
    second: int
    p: float


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Failures:
    """From who fails (faces,), the same faces for both models."""
    alone = int((first & ~second).sum()), int((second & ~first).sum())
    p = stats.binomtest(min(alone), sum(alone)).pvalue if sum(alone) else 1.0
    return Failures(*alone, float(p))
