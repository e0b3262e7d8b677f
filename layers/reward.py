"""Eqs. (13), (14) and (18): the reward A-LSTM is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layers.attention import softmax
from layers.base import RarLayer, blobs
from layers.common.errors import RarError
from layers.common.gamma import gamma_for_every_centre
from layers.common.schemes import Scheme, scheme
from layers.common.shapes import FloatArray

ESTIMATORS = ("expected", "reinforce")


def rewards(s_hat: FloatArray, shape: FloatArray, scheme_: Scheme) -> FloatArray:
    """Eq. (14) for every centre c: R_t(c) = |Gamma_t(c) (S* - s_hat_t)|^2 - |Gamma_t(c) (S* - s_hat_{t+1})|^2.

    s_hat: (T+1, N, L, 2); shape: (N, L, 2), px. Returns (T, N, L), px^2.
    """
    gamma = gamma_for_every_centre(s_hat[:-1], scheme_)
    squared = ((shape - s_hat) ** 2).sum(-1)
    return np.einsum("tncl,tnl->tnc", gamma**2, squared[:-1] - squared[1:])


def expected_reward(
    reward: FloatArray, confidence: FloatArray, eta: float, temperature: float
) -> tuple[float, FloatArray]:
    """sum_t eta^t sum_c p_c R_t(c), mean over faces, and its gradient with respect to the confidences (T, N, L)."""
    discount = eta ** np.arange(len(reward), dtype=reward.dtype)[:, None, None] / reward.shape[1]
    p = softmax(confidence / temperature)
    mean = (p * reward).sum(-1, keepdims=True)
    return float((discount * mean).sum()), discount * p * (reward - mean) / temperature


def reinforce(
    reward: FloatArray, confidence: FloatArray, centres: np.ndarray, eta: float, temperature: float
) -> tuple[float, FloatArray]:
    """The discounted reward of the chosen centres, and the REINFORCE estimate of its gradient (T, N, L).

    The baseline is the expected reward of the policy, so the advantage of choice t is
    sum_{k >= t} eta^k (R_k(c_k) - E_p R_k), times d log p(c_t) / d confidence.
    """
    discount = eta ** np.arange(len(reward), dtype=reward.dtype)[:, None] / reward.shape[1]
    p = softmax(confidence / temperature)
    chosen = np.take_along_axis(reward, centres[..., None], axis=-1)[..., 0]
    gain = discount * (chosen - (p * reward).sum(-1))
    advantage = np.cumsum(gain[::-1], axis=0)[::-1]
    one_hot = np.eye(reward.shape[-1], dtype=reward.dtype)[centres]
    return float((discount * chosen).sum()), advantage[..., None] * (one_hot - p) / temperature


class AttentionRewardLayer(RarLayer):
    """-R_a = -sum_t eta^t R(s_hat_t, s_hat_{t+1}), the A-LSTM part of eq. (18); mean over the faces, px^2.

    bottoms: shape S* (N, L, 2); s_hat_0 .. s_hat_T, each (N, L, 2); confidence_0 .. confidence_{T-1}, each (1, N, L);
    centre_0 .. centre_{T-1}, each (N, 1).  top: the loss -R_a, a scalar.
    The argmax of eq. (12) has no gradient. estimator "expected" replaces R by its mean under
    p = softmax(confidence / temperature), all L rewards being cheap; "reinforce" scores the sampled centres.
    Gradient to the confidences only: R-LSTM has its own loss (17).
    """

    @dataclass(frozen=True)
    class Parameters:
        scheme: str = "68"
        eta: float = 0.9
        temperature: float = 0.1
        estimator: str = "expected"

    def setup(self, bottom: Any, top: Any) -> None:
        steps, rest = divmod(len(bottom) - 2, 3)
        if rest or steps < 1:
            raise RarError("AttentionRewardLayer takes shape, T+1 shapes s_hat, T confidences and T centres")
        self.steps = steps
        self.bottoms = ("shape", *("s_hat",) * (steps + 1), *("confidence",) * steps, *("centre",) * steps)
        super().setup(bottom, top)

    def prepare(self, bottom: Any, top: Any) -> None:
        self.scheme = scheme(self.parameters.scheme)
        if self.parameters.estimator not in ESTIMATORS:
            raise RarError(f"AttentionRewardLayer: estimator is one of {ESTIMATORS}")

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [()]

    def forward(self, bottom: Any, top: Any) -> None:
        t, p, bottoms = self.steps, self.parameters, blobs(bottom)
        s_hat = np.stack([blob.data for blob in bottoms[1 : t + 2]])
        confidence = np.concatenate([blob.data for blob in bottoms[t + 2 : 2 * t + 2]])
        reward = rewards(s_hat, bottom[0].data, self.scheme)
        if p.estimator == "expected":
            value, self.gradient = expected_reward(reward, confidence, p.eta, p.temperature)
        else:
            centres = np.stack([blob.data[:, 0] for blob in bottoms[2 * t + 2 :]]).astype(int)
            value, self.gradient = reinforce(reward, confidence, centres, p.eta, p.temperature)
        top[0].data[...] = -value

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        first = self.steps + 2
        for i, wanted in enumerate(propagate_down):
            if wanted:
                step = i - first
                bottom[i].diff[...] = -float(top[0].diff) * self.gradient[step] if 0 <= step < self.steps else 0
