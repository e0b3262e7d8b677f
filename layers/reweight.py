"""Eq. (16): the attention-centre-aware global feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layers.base import RarLayer


class ReweightLayer(RarLayer):
    """Phi = scale [gamma^1 phi^1, ..., gamma^L phi^L], flattened as Caffe's LSTMUnit wants it.

    bottoms: phi (N, L, F[, 1]), gamma (N, L). top: (1, N, L F), the time axis first.
    scale (ours) makes up for weights that sum to 1, which leave each landmark's share of Phi small beside the biases.
    Gradient to phi; gamma is a weighting and gets none.
    """

    bottoms = ("phi", "gamma")

    @dataclass(frozen=True)
    class Parameters:
        scale: float = 1.0

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        n = bottom[0].shape[0]
        return [(1, n, bottom[0].count // n)]

    def forward(self, bottom: Any, top: Any) -> None:
        gamma = bottom[1].data
        phi = bottom[0].data.reshape(*gamma.shape, -1)
        top[0].data.reshape(phi.shape)[...] = phi * (self.parameters.scale * gamma[..., None])

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0]:
            gamma = bottom[1].data
            gradient = top[0].diff.reshape(*gamma.shape, -1) * (self.parameters.scale * gamma[..., None])
            bottom[0].diff[...] = gradient.reshape(bottom[0].shape)
        if propagate_down[1]:
            bottom[1].diff[...] = 0
