"""Eqs. (17) and (19): the shape update of R-LSTM and the loss it is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layers.base import RarLayer, blobs
from layers.common.shapes import FloatArray


def refinement_loss(delta: FloatArray, s_hat: FloatArray, shape: FloatArray, gamma: FloatArray) -> float:
    """Eq. (17), summed over landmarks, mean over the N faces: |Gamma (delta - (S* - s_hat))|^2 / N, px^2."""
    residual = gamma[..., None] * (delta - shape + s_hat)
    return float((residual**2).sum() / len(residual))


def refinement_gradient(delta: FloatArray, s_hat: FloatArray, shape: FloatArray, gamma: FloatArray) -> FloatArray:
    """d refinement_loss / d delta (N, L, 2); that with respect to s_hat is the same."""
    gradient: FloatArray = 2 / len(delta) * gamma[..., None] ** 2 * (delta - shape + s_hat)
    return gradient


class ShapeUpdateLayer(RarLayer):
    """Delta_R = alpha Gamma h, eq. (17), and s_hat_{t+1} = s_hat_t + Delta_R, eq. (19).

    bottoms: h (1, N, 2L), the output of R-LSTM in (-1, 1); gamma (N, L); s_hat_t (N, L, 2), px.
    tops: delta_t (N, L, 2) and s_hat_{t+1} (N, L, 2), px of the crop.
    gamma_twice: eq. (19) read to the letter, s_hat_{t+1} = s_hat_t + Gamma Delta_R. With kappa = 1 / sum gamma the
    shape then moves at most 0.06 px a step, so once is the default; with Gamma read as "peak" it is twice.
    Gradient to h, gamma and s_hat_t.
    """

    bottoms = ("h", "gamma", "s_hat")
    small = True

    @dataclass(frozen=True)
    class Parameters:
        alpha: float
        gamma_twice: bool = False

    def native_pass(self, twins: Any) -> Any:
        return twins.update_shape(self.parameters.alpha, self.parameters.gamma_twice)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [tuple(bottom[2].shape)] * 2

    def forward(self, bottom: Any, top: Any) -> None:
        gamma, s_hat = bottom[1].data[..., None], bottom[2].data
        delta = self.parameters.alpha * gamma * bottom[0].data.reshape(s_hat.shape)
        top[0].data[...] = delta
        top[1].data[...] = s_hat + (gamma * delta if self.parameters.gamma_twice else delta)

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        gamma, through_update = bottom[1].data[..., None], top[1].diff
        twice, delta = self.parameters.gamma_twice, top[0].data
        to_delta = top[0].diff + (gamma * through_update if twice else through_update)
        if propagate_down[0]:
            bottom[0].diff[...] = (self.parameters.alpha * gamma * to_delta).reshape(bottom[0].shape)
        if propagate_down[1]:
            by_weight = self.parameters.alpha * bottom[0].data.reshape(delta.shape) * to_delta
            bottom[1].diff[...] = (by_weight + delta * through_update if twice else by_weight).sum(-1)
        if propagate_down[2]:
            bottom[2].diff[...] = through_update


class RefinementLossLayer(RarLayer):
    """L_R^t = |Gamma_t (Delta_R - Delta S_t)|^2 with Delta S_t = S* - s_hat_t, eq. (17); mean over the faces, px^2.

    bottoms: delta_t (N, L, 2), s_hat_t (N, L, 2), shape S* (N, L, 2), gamma_t (N, L). top: a scalar.
    Gradient to delta_t and s_hat_t. Gamma counts as constant: what weighs an error must not learn to weigh it less.
    """

    bottoms = ("delta", "s_hat", "shape", "gamma")

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [()]

    def forward(self, bottom: Any, top: Any) -> None:
        top[0].data[...] = refinement_loss(*(blob.data for blob in blobs(bottom)))

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        gradient = float(top[0].diff) * refinement_gradient(*(blob.data for blob in blobs(bottom)))
        for i, wanted in enumerate(propagate_down):
            if wanted:
                bottom[i].diff[...] = gradient if i < 2 else 0
