"""Robust face-shape initialisation, eqs. (9)-(11): the basis shapes' best account of the noisy detection S_d.

Shapes are complex vectors here (x + iy), because a similarity is then one complex product and one sum.
Residuals are measured in inter-pupil distances of the fitted face, so every threshold is relative to the face.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from layers.common.arrays import AnyArray
from layers.common.errors import RarError
from layers.common.shapes import FloatArray

ComplexArray = NDArray[Any]  # complex, which numpy's own annotations lose on the way

# What keeps a degenerate shape from dividing by zero.
SMALLEST_SPREAD = 1e-12
SMALLEST_SCALE = 1e-12
SMALLEST_SEARCHED_SCALE = 1e-6  # in float32


@dataclass(frozen=True)
class FitSettings:
    """All ours: the paper names RANSAC and the l0 terms, and no numbers.

    samples x sample_size: random landmark subsets from which poses are hypothesised (RANSAC).
    pose_threshold: residual above which a landmark is an outlier for one basis shape alone; a single basis shape is
        coarse, so it is the wider of the two.
    threshold: residual above which a landmark counts in |S - S_d|_0.
    penalty: lambda of eq. (11), the price of one more basis shape, in landmarks.
    supports: numbers of basis shapes tried in the combination (the nearest first).
    ridge: pull of the coefficients towards the best single basis shape.
    rounds: refits of coefficients, pose and inliers.
    RarError for a threshold or a support that is not positive.
    """

    samples: int = 48
    sample_size: int = 6
    pose_threshold: float = 0.20
    threshold: float = 0.10
    penalty: float = 0.005
    supports: tuple[int, ...] = (40, 100)
    ridge: float = 0.02
    rounds: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.threshold > 0:
            raise RarError(f"the robust start needs a threshold above 0, not {self.threshold}")
        if not all(size > 0 for size in self.supports):
            raise RarError(f"the robust start combines one basis shape at least, not {min(self.supports)}")


class Fit(NamedTuple):
    """A fitted shape (L, 2), the landmarks it agrees with (L,), its basis size and its value of eq. (11)."""

    shape: FloatArray
    inliers: AnyArray
    support: int
    objective: float


def to_complex(shape: FloatArray) -> ComplexArray:
    """(..., L, 2) -> (..., L)."""
    return np.asarray(shape[..., 0] + 1j * shape[..., 1])


def to_real(shape: ComplexArray) -> FloatArray:
    """(..., L) -> (..., L, 2)."""
    return np.stack([shape.real, shape.imag], axis=-1)


def _similarity(source: ComplexArray, target: ComplexArray) -> tuple[complex, complex]:
    """Least-squares (a, b) with target ~ a source + b."""
    source_mean, target_mean = source.mean(), target.mean()
    centred = source - source_mean
    a = np.vdot(centred, target - target_mean) / max(np.vdot(centred, centred).real, SMALLEST_SPREAD)
    a = a if abs(a) > SMALLEST_SCALE else SMALLEST_SCALE
    return a, target_mean - a * source_mean


class FaceSpace:
    """The space F of face shapes spanned by K basis shapes; fits S_d inside it.

    basis: (K, L, 2) K-means centres of the training shapes, similarity-normalised so that the inter-pupil distance
    is 1 (data_prep/shape_pool.py).
    """

    def __init__(self, basis: FloatArray, settings: FitSettings) -> None:
        self.settings = settings
        self.basis = to_complex(basis.astype(np.float64))
        generator = np.random.default_rng(settings.seed)
        landmarks = self.basis.shape[1]
        size = min(
            settings.sample_size, (landmarks + 1) // 2
        )  # of five points, three: else no subset is free of outliers
        self.subsets = np.stack([generator.permutation(landmarks)[:size] for _ in range(settings.samples)])
        self.supports = sorted({min(size, len(self.basis)) for size in settings.supports})
        self.enough = max(3, landmarks // 4)  # landmarks that agree; with fewer, whom to believe stays as it was
        self.coarse = self.basis.astype(np.complex64)  # the search over poses needs no more precision
        sampled = self.coarse[:, self.subsets]  # (K, samples, size)
        self.sample_mean = sampled.mean(-1)
        centred = sampled - self.sample_mean[..., None]
        spread = np.maximum((np.abs(centred) ** 2).sum(-1), SMALLEST_SPREAD)
        self.sample_inverse = centred.conj() / spread[..., None]

    def fit(self, s_d: FloatArray) -> Fit:
        """The shape of F that minimises eq. (11) for a detection s_d (L, 2), px; the result is in px too."""
        target = to_complex(s_d.astype(np.float64))
        nearest, inliers = self._filter_outliers(target)
        best: Fit | None = None
        for support in self.supports:
            candidate = self._combine(target, nearest, inliers, support)
            if best is None or candidate.objective < best.objective:
                best = candidate
        assert best is not None
        return best

    def _filter_outliers(self, target: ComplexArray) -> tuple[int, AnyArray]:
        """RANSAC over landmark subsets and single basis shapes: the best basis shape, and who agrees with it."""
        places = (target - target.mean()).astype(np.complex64)
        sampled = places[self.subsets]
        sampled_mean = sampled.mean(-1)
        a = np.einsum("ksm,sm->ks", self.sample_inverse, sampled - sampled_mean[:, None])
        a = np.where(np.abs(a) > SMALLEST_SEARCHED_SCALE, a, SMALLEST_SEARCHED_SCALE)
        relative = self._squared_residuals(1 / a, sampled_mean / a - self.sample_mean, places)
        relative /= self.settings.pose_threshold**2
        np.minimum(relative, 1, out=relative)
        one = np.ones(len(places), np.float32)  # sums as products: BLAS adds up faster than numpy does
        truncated = relative @ one
        outliers = np.trunc(relative, out=relative)
        # The l0 count decides; the truncated mean, below 1, only breaks ties.
        score = (outliers @ one).astype(np.float64) + truncated / len(places)
        nearest, subset = np.unravel_index(score.argmin(), score.shape)
        return int(nearest), outliers[nearest, subset] < 1

    def _squared_residuals(self, v: ComplexArray, u: ComplexArray, places: ComplexArray) -> FloatArray:
        """|S + u - v p|^2 of every basis shape S, pose (v, u) and landmark: (K, samples, L).

        v, u: (K, samples), the inverse of a pose, so that residuals are in the basis shapes' unit; places p: (L,).
        Multiplied out it is, for each basis shape, one product of two small matrices.
        """
        cross, w = self.coarse * places.conj(), u * v.conj()
        ones = np.ones(self.coarse.shape, np.float32)
        by_landmark = [np.abs(self.coarse) ** 2, self.coarse.real, self.coarse.imag, cross.real, cross.imag]
        by_landmark += [part * ones for part in (np.abs(places) ** 2, places.real, places.imag, 1)]
        by_pose = [np.ones_like(u.real), 2 * u.real, 2 * u.imag, -2 * v.real, -2 * v.imag]
        by_pose += [np.abs(v) ** 2, -2 * w.real, -2 * w.imag, np.abs(u) ** 2]
        return np.asarray(np.stack(by_pose, -1) @ np.stack(by_landmark, 1))

    def _combine(self, target: ComplexArray, nearest: int, inliers: AnyArray, support: int) -> Fit:
        """Eq. (10) on the inliers: coefficients of the `support` nearest basis shapes and the pose, in turns."""
        settings, start = self.settings, self.basis[nearest]
        keep = inliers if inliers.sum() >= self.enough else np.ones_like(inliers)
        shape, directions = start, None
        for _ in range(settings.rounds):
            a, b = _similarity(shape[keep], target[keep])
            wanted = (target - b) / a
            if directions is None:
                distance = (np.abs(self.basis[:, keep] - wanted[keep]) ** 2).sum(-1)
                distance[nearest] = -1
                directions = (self.basis[np.argsort(distance)[1:support]] - start).T
            shape = start + directions @ self._coefficients(directions[keep], (wanted - start)[keep])
            a, b = _similarity(shape[keep], target[keep])
            residual = np.abs(a * shape + b - target) / abs(a)
            agree = residual < settings.threshold
            keep = agree if agree.sum() >= self.enough else keep
        relative = np.minimum(residual / settings.threshold, 1)
        objective = (relative >= 1).sum() + settings.penalty * support + relative.mean()
        a, b = _similarity(shape[keep], target[keep])
        return Fit(to_real(a * shape + b), keep, support, float(objective))

    def _coefficients(self, directions: ComplexArray, offset: ComplexArray) -> FloatArray:
        """Real ridge solution c of directions c ~ offset."""
        matrix = np.concatenate([directions.real, directions.imag])
        normal = matrix.T @ matrix + self.settings.ridge * np.eye(matrix.shape[1])
        return np.asarray(np.linalg.solve(normal, matrix.T @ np.concatenate([offset.real, offset.imag])))
