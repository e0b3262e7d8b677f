"""Eqs. (13), (14) and (18): the reward A-LSTM is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layers.base import RarLayer, blobs
from layers.common.errors import RarError
from layers.common.shapes import FloatArray


def rewards(s_hat: FloatArray, shape: FloatArray, weights: FloatArray) -> FloatArray:
    """Eq. (14): R_t = |Gamma_t (S* - s_hat_t)|^2 - |Gamma_t (S* - s_hat_{t+1})|^2.

    s_hat: (T+1, N, L, 2), px; shape: S* (N, L, 2), px; weights: Gamma (T, N, L). Returns (T, N), px^2.
    """
    squared = ((shape - s_hat) ** 2).sum(-1)
    return np.asarray((weights**2 * (squared[:-1] - squared[1:])).sum(-1))


def discounts(steps: int, eta: float) -> FloatArray:
    """eta^t of (13) for t = 0 ... T-1, (T, 1)."""
    return np.asarray(eta ** np.arange(steps, dtype=np.float32)[:, None])


def long_term_reward(reward: FloatArray, eta: float) -> float:
    """Eq. (13): R_a = sum_t eta^t R_t of rewards (T, N), mean over the faces, px^2."""
    return float((discounts(len(reward), eta) * reward).sum() / reward.shape[1])


def reward_gradient(s_hat: FloatArray, shape: FloatArray, weights: FloatArray, eta: float) -> FloatArray:
    """d long_term_reward / d s_hat (T+1, N, L, 2); the weights count as constant."""
    squared = discounts(len(weights), eta)[..., None] * weights**2
    share = np.zeros(s_hat.shape[:3], s_hat.dtype)  # of -|S* - s_hat_t|^2 in R_a
    share[1:] += squared
    share[:-1] -= squared
    return np.asarray(2 * share[..., None] * (shape - s_hat) / s_hat.shape[1])


class TrajectoryLayer(RarLayer):
    """Base of the layers that read T steps: after shape S* and s_hat_0 ... s_hat_T, for each name of `each` T blobs.

    s_hat_t: (N, L, 2), px of the crop; gamma_t (N, L), Gamma_t.
    even_weight: 0 weighs (14) by Gamma_t, as printed; another number weighs every landmark by it, so that the reward is
    the improvement of the whole shape and not also of where it is measured.
    """

    each: tuple[str, ...] = ("gamma",)

    @dataclass(frozen=True)
    class Parameters:
        eta: float = 0.9
        even_weight: float = 0.0

    def setup(self, bottom: Any, top: Any) -> None:
        """RarError for a number of bottoms that no T has."""
        self.steps, rest = divmod(len(bottom) - 2, 1 + len(self.each))
        if rest or self.steps < 1:
            raise RarError(f"{type(self).__name__} takes shape, T+1 shapes s_hat, and T each of {', '.join(self.each)}")
        each = (name for name in self.each for _ in range(self.steps))
        self.bottoms = ("shape", *("s_hat",) * (self.steps + 1), *each)
        super().setup(bottom, top)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [()]

    def shapes(self, bottom: Any) -> FloatArray:
        """s_hat_0 ... s_hat_T, (T+1, N, L, 2)."""
        return np.stack([blob.data for blob in blobs(bottom)[1 : self.steps + 2]])

    def place(self, name: str) -> slice:
        """Where the T bottoms of a name are."""
        first = self.steps + 2 + self.each.index(name) * self.steps
        return slice(first, first + self.steps)

    def stacked(self, bottom: Any, name: str) -> FloatArray:
        """The T bottoms of a name, (T, N, ...)."""
        return np.stack([blob.data for blob in blobs(bottom)[self.place(name)]])

    def weights(self, bottom: Any) -> FloatArray:
        """The weights (T, N, L) inside (14)."""
        gamma = self.stacked(bottom, "gamma")
        return np.full_like(gamma, self.parameters.even_weight) if self.parameters.even_weight else gamma


class AttentionRewardLayer(TrajectoryLayer):
    """-R_a = -sum_t eta^t R(s_hat_t, s_hat_{t+1}), the A-LSTM part of (18), of the centres taken; mean over the faces.

    bottoms: shape S* (N, L, 2); s_hat_0 ... s_hat_T, (N, L, 2); gamma_0 ... gamma_{T-1}, (N, L).
    top: the loss -R_a, px^2, a scalar.
    Gradient to the shapes: from there it goes back through (19), (17) and (16), as Sect. 3.5 says, to both LSTMs. The
    weights inside (14) count as constant, or Gamma would be moved to where the improvement is measured.
    """

    def forward(self, bottom: Any, top: Any) -> None:
        reward = rewards(self.shapes(bottom), bottom[0].data, self.weights(bottom))
        top[0].data[...] = -long_term_reward(reward, self.parameters.eta)

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        super().backward(top, propagate_down, bottom)
        gradient = reward_gradient(self.shapes(bottom), bottom[0].data, self.weights(bottom), self.parameters.eta)
        for t in range(self.steps + 1):
            if propagate_down[t + 1]:
                bottom[t + 1].diff[...] = -float(top[0].diff) * gradient[t]
