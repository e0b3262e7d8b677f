"""Eqs. (12) and (15): the attention centre and the weights Gamma around it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from layers.base import RarLayer
from layers.common.errors import RarError
from layers.common.gamma import gamma_for_centre
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray
from layers.quiet import caffe

WEIGHTINGS = ("gaussian", "uniform", "ones")
POLICIES = ("argmax", "sample", "random", "fixed")


def softmax(scores: FloatArray) -> FloatArray:
    """Softmax over the last axis."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def sample_centres(confidence: FloatArray, temperature: float, seed: int) -> np.ndarray:
    """Draw a centre (N,) from softmax(confidence / temperature); all are as likely at an infinite temperature.

    The draw is a function of the seed and of the confidences themselves, so a resumed training repeats it.
    """
    generator = np.random.default_rng([seed, zlib.crc32(confidence.tobytes())])
    p = softmax(confidence.astype(np.float64) / temperature)
    return np.array([generator.choice(p.shape[-1], p=row) for row in p])


class AttentionCentreLayer(RarLayer):
    """c* = argmax_c confidence_c, eq. (12), and Gamma, eq. (15).

    bottoms: confidence (1, N, L), the output h of A-LSTM; s_hat (N, L, 2), px of the crop.
    tops: centre (N, 1), 0-based index; gamma (N, L).
    weighting: "gaussian" is eq. (15); "ones" sets gamma^l = 1 (Sect. 4.4, "attentionless", as printed) and
    "uniform" gamma^l = 1/L (the same with the step size of eq. (15)).
    policy: "argmax"; "sample" draws the centre in the TRAIN phase, for REINFORCE. To compare the learned choice with:
    "random" draws any landmark, in both phases, and "fixed" always takes `fixed_centre`.

    No gradient: the choice has none, and Gamma is a weighting, not something the shape may lower its loss with.
    A-LSTM learns through AttentionRewardLayer.
    """

    bottoms = ("confidence", "s_hat")

    @dataclass(frozen=True)
    class Parameters:
        scheme: str = "68"
        weighting: str = "gaussian"
        policy: str = "argmax"
        temperature: float = 0.1
        seed: int = 0
        fixed_centre: int = 0

    def prepare(self, bottom: Any, top: Any) -> None:
        self.scheme = scheme(self.parameters.scheme)
        if self.parameters.weighting not in WEIGHTINGS or self.parameters.policy not in POLICIES:
            raise RarError(f"AttentionCentreLayer: weighting is one of {WEIGHTINGS}, policy one of {POLICIES}")

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        n, landmarks = bottom[1].shape[0], bottom[1].shape[1]
        return [(n, 1), (n, landmarks)]

    def forward(self, bottom: Any, top: Any) -> None:
        confidence, s_hat = bottom[0].data[0], bottom[1].data
        centre = self._choose(confidence)
        top[0].data[:, 0] = centre
        if self.parameters.weighting == "gaussian":
            top[1].data[...] = gamma_for_centre(s_hat, centre, self.scheme)
        else:
            top[1].data[...] = 1 if self.parameters.weighting == "ones" else 1 / s_hat.shape[1]

    def _choose(self, confidence: FloatArray) -> np.ndarray:
        """The centre (N,) of each face, from its confidences (N, L)."""
        p = self.parameters
        if p.policy == "fixed":
            return np.full(len(confidence), p.fixed_centre)
        if p.policy == "random":
            return sample_centres(confidence, np.inf, p.seed)
        if p.policy == "sample" and self.phase == caffe.TRAIN:
            return sample_centres(confidence, p.temperature, p.seed)
        return np.asarray(confidence.argmax(axis=-1))
