"""Robust initialisation (Sect. 3.2, eqs. 9-11) and the other starts of Table 5."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from layers.base import RarLayer, read_parameters
from layers.common.choices import STARTS
from layers.common.errors import RarError
from layers.common.face_fit import FaceSpace, FitSettings
from layers.common.shape_pool import check_pool, read_shape_pool
from layers.common.shapes import FloatArray, affine_apply, similarity_fit


class InitialisationLayer(RarLayer):
    """s_hat_0, the shape the recurrence starts from.

    bottom: s_d (N, L, 2), px of the crop.  top: s_hat_0 (N, L, 2), px of the crop.
    mode: "robust" fits s_d in the space of the basis shapes, eq. (11); "mean" is the mean training shape; "random" a
    random basis shape laid on the mean shape (a function of s_d and the seed, so that runs repeat); "direct" is s_d.
    pool: file of the basis shapes, made by data_prep.shape_pool; environment variables are expanded. Basis and mean
    shape become blobs of the layer, so that a caffemodel carries its own and a deploy net needs no file (pool = "").
    No gradient, as the search has none; with "direct" s_d has none either.
    """

    bottoms = ("s_d",)
    small = True

    @dataclass(frozen=True)
    class Parameters:
        landmarks: int
        basis_size: int
        crop_size: int
        mode: str = "robust"
        pool: str = ""
        seed: int = 0
        fit: dict[str, Any] = field(default_factory=dict)

    def prepare(self, bottom: Any, top: Any) -> None:
        p = self.parameters
        if p.mode not in STARTS:
            raise RarError(f"InitialisationLayer: mode is one of {', '.join(STARTS)}, not {p.mode!r}")
        self.settings = fit_settings(p)
        self.blobs.add_blob(p.basis_size, p.landmarks, 2)
        self.blobs.add_blob(p.landmarks, 2)
        if p.pool:
            pool = read_shape_pool(Path(os.path.expandvars(p.pool)))
            check_pool(p.pool, pool, p.basis_size, p.landmarks)
            self.blobs[0].data[...] = pool.centres
            self.blobs[1].data[...] = pool.mean_shape
        self.basis = np.zeros(0)

    def native_pass(self, twins: Any) -> Any:
        p, s = self.parameters, self.settings
        if p.mode != "robust":
            return None
        space = FaceSpace(np.zeros((p.basis_size, p.landmarks, 2)), s)  # for what does not depend on the basis
        limits = (s.pose_threshold, s.threshold, s.penalty, s.ridge, s.rounds, space.enough)
        return twins.robust_initialisation(self.blobs[0], space.subsets.tolist(), *limits, space.supports)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [tuple(bottom[0].shape)]

    def forward(self, bottom: Any, top: Any) -> None:
        s_d, mode = bottom[0].data, self.parameters.mode
        if mode == "direct":
            top[0].data[...] = s_d
        elif mode == "robust":
            space = self._space()
            for i, detection in enumerate(s_d):
                top[0].data[i] = space.fit(detection).shape
        else:
            basis, mean = self._basis(), self.blobs[1].data * self.parameters.crop_size
            if mode == "mean":
                top[0].data[...] = mean
            else:
                top[0].data[...] = [self._random_shape(basis, mean, detection) for detection in s_d]

    def _basis(self) -> FloatArray:
        basis: FloatArray = self.blobs[0].data
        if not basis.any():
            raise RarError("the net has no basis shapes: load trained weights, or name the pool in the prototxt")
        return basis

    def _space(self) -> FaceSpace:
        basis = self._basis()
        if not np.array_equal(basis, self.basis):  # weights are loaded after setup
            self.basis = basis.copy()
            self.space = FaceSpace(self.basis, self.settings)
        return self.space

    def _random_shape(self, basis: FloatArray, mean: FloatArray, s_d: FloatArray) -> FloatArray:
        seed = [self.parameters.seed, zlib.crc32(s_d.tobytes())]
        chosen = basis[np.random.default_rng(seed).integers(len(basis))]
        return affine_apply(similarity_fit(chosen, mean), chosen)


def fit_settings(parameters: InitialisationLayer.Parameters) -> FitSettings:
    """The parameter `fit` with its defaults; RarError for an unknown key."""
    settings: FitSettings = read_parameters(FitSettings, json.dumps(parameters.fit), "the fit of InitialisationLayer")
    return settings
