"""Eqs. (12) and (15): the attention centre and the weights Gamma around it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from layers.base import RarLayer
from layers.common.arrays import AnyArray
from layers.common.choices import DRAWING, POLICIES, WEIGHTINGS
from layers.common.errors import RarError
from layers.common.gamma import GammaReading, gamma_for_centre, gamma_for_every_centre
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray, left_to_right
from layers.quiet import caffe


def softmax(scores: FloatArray) -> FloatArray:
    """Softmax over the last axis."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def softmax_gradient(p: FloatArray, to_p: FloatArray) -> FloatArray:
    """d loss / d scores (..., L) from p = softmax(scores) and d loss / d p."""
    return np.asarray(p * (to_p - (p * to_p).sum(-1, keepdims=True)))


def draw(p: FloatArray, keys: list[list[int]]) -> AnyArray:
    """A centre (N,) from the probabilities (N, L) of each row; the row's key alone decides which."""
    at = np.array([np.random.default_rng(key).random() for key in keys])[:, None]
    cumulated = p.astype(np.float64).cumsum(-1)
    return np.asarray(np.minimum((cumulated <= at * cumulated[:, -1:]).sum(-1), p.shape[-1] - 1))


class FaceKeyLayer(RarLayer):
    """A number for each image, by which the same face draws the same centres in any batch.

    bottom: data (N, 3, S, S).  top: face (N, 1), 24 bits of the CRC of the image's pixels.
    """

    bottoms = ("data",)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [(bottom[0].shape[0], 1)]

    def forward(self, bottom: Any, top: Any) -> None:
        top[0].data[:, 0] = [zlib.crc32(image.tobytes()) & 0xFFFFFF for image in bottom[0].data]


class AttentionCentreLayer(RarLayer):
    """c* = argmax_c confidence_c, eq. (12), and Gamma, eq. (15).

    bottoms: confidence (1, N, L), the output h of A-LSTM; s_hat (N, L, 2), px of the crop; for a policy that draws
    face (N, 1) of FaceKeyLayer; with no_repeat the centre (N, 1) of the step before.
    tops: centre (N, 1), 0-based index; gamma (N, L); [policy p (N, L), softmax(confidence / temperature)].
    weighting: "gaussian" is eq. (15), read as kappa and width say (layers/common/gamma.py); "ones" sets gamma^l = 1
    (Sect. 4.4, "attentionless", as printed) and "uniform" gamma^l = 1/L (the same with the step size of a sum of 1).
    policy: "argmax"; "sample" draws the centre from p in the TRAIN phase, "stochastic" in both. To compare the learned
    choice with: "random" draws any landmark, in both phases, and "fixed" always takes `fixed_centre`.
    A draw depends on seed, face and step; in training on the face's confidences too, or a face that is met again
    would draw the same.
    no_repeat: the centre of the step before cannot be chosen, p of it is 0. Not for "fixed".

    Gradient to the confidences alone. The choice has none; straight_through gives it that of the mean weights: the
    forward pass takes one centre, the backward pass goes through sum_c p_c Gamma(c). Gamma's dependence on s_hat
    counts as constant: it is a weighting, not something the shape may lower its loss with. A gradient of p, where it
    is a top, comes on top.
    """

    bottoms: tuple[str, ...] = ("confidence", "s_hat")
    small = True

    @dataclass(frozen=True)
    class Parameters:
        scheme: str | dict[str, Any] = "68"
        weighting: str = "gaussian"
        kappa: str = GammaReading.kappa
        width: float = GammaReading.width
        policy: str = "argmax"
        temperature: float = 0.1
        seed: int = 0
        step: int = 0
        fixed_centre: int = 0
        no_repeat: bool = False
        straight_through: bool = False

    def setup(self, bottom: Any, top: Any) -> None:
        """RarError for unknown words and for bottoms that do not fit them."""
        self.bottoms = ("confidence", "s_hat", "face", "previous")[: len(bottom)]
        super().setup(bottom, top)

    def prepare(self, bottom: Any, top: Any) -> None:
        p = self.parameters
        self.scheme, self.reading = scheme(p.scheme), GammaReading(p.kappa, p.width)
        if p.weighting not in WEIGHTINGS or p.policy not in POLICIES:
            raise RarError(f"AttentionCentreLayer: weighting is one of {WEIGHTINGS}, policy one of {POLICIES}")
        wanted = ["confidence", "s_hat", *["face"] * (p.policy in DRAWING), *["previous"] * p.no_repeat]
        if len(bottom) != len(wanted):
            raise RarError(f"AttentionCentreLayer: policy {p.policy} takes the bottoms {', '.join(wanted)}")

    def native_pass(self, twins: Any) -> Any:
        p = self.parameters
        if (p.weighting, p.policy) != ("gaussian", "argmax") or p.no_repeat:
            return None
        pupils = left_to_right(self.scheme.pupils, self.scheme.landmarks, np.dtype(np.float32)).tolist()
        return twins.centre(pupils, p.width, self.reading.twice, p.temperature, p.straight_through)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        n, landmarks = bottom[1].shape[0], bottom[1].shape[1]
        return [(n, 1), *[(n, landmarks)] * (len(top) - 1)]

    def forward(self, bottom: Any, top: Any) -> None:
        s_hat = bottom[1].data
        centre = self._choose(bottom)
        top[0].data[:, 0] = centre
        if self.parameters.weighting == "gaussian":
            top[1].data[...] = gamma_for_centre(s_hat, centre, self.scheme, self.reading)
        else:
            top[1].data[...] = 1 if self.parameters.weighting == "ones" else 1 / s_hat.shape[1]
        if len(top) > 2:
            top[2].data[...] = self._p(bottom)

    def _scores(self, bottom: Any) -> FloatArray:
        """The confidences (N, L), minus infinity for a centre that cannot be chosen."""
        scores: FloatArray = bottom[0].data[0]
        if self.parameters.no_repeat:
            scores = scores.copy()
            scores[np.arange(len(scores)), bottom[len(bottom) - 1].data[:, 0].astype(int)] = -np.inf
        return scores

    def _p(self, bottom: Any) -> FloatArray:
        return softmax(self._scores(bottom) / self.parameters.temperature)

    def _choose(self, bottom: Any) -> AnyArray:
        """The centre (N,) of each face."""
        p = self.parameters
        if p.policy == "fixed":
            return np.full(bottom[1].shape[0], p.fixed_centre)
        training, scores = self.phase == caffe.TRAIN, self._scores(bottom)
        if p.policy == "argmax" or (p.policy == "sample" and not training):
            return np.asarray(scores.argmax(axis=-1))
        keys = [[p.seed, p.step, int(face)] for face in bottom[2].data[:, 0]]
        if training:
            keys = [[*key, zlib.crc32(row.tobytes())] for key, row in zip(keys, bottom[0].data[0], strict=True)]
        return draw(np.isfinite(scores) if p.policy == "random" else self._p(bottom), keys)

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        super().backward(top, propagate_down, bottom)
        p = self.parameters
        if not propagate_down[0] or p.policy in ("random", "fixed"):
            return
        policy = self._p(bottom)
        to_p = top[2].diff.copy() if len(top) > 2 else np.zeros_like(policy)
        if p.straight_through and p.weighting == "gaussian":
            every = gamma_for_every_centre(bottom[1].data, self.scheme, self.reading)
            to_p += np.einsum("ncl,nl->nc", every, top[1].diff)
        bottom[0].diff[0] = softmax_gradient(policy, to_p) / p.temperature
