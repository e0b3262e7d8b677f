"""Eq. (16): the attention-centre-aware global feature."""

from __future__ import annotations

from typing import Any

from layers.base import RarLayer


class ReweightLayer(RarLayer):
    """Phi = [gamma^1 phi^1, ..., gamma^L phi^L], flattened as Caffe's LSTMUnit wants it.

    bottoms: phi (N, L, F), gamma (N, L). top: (1, N, L F), the time axis first.
    Gradient to phi; gamma is a weighting and gets none.
    """

    bottoms = ("phi", "gamma")

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        n, landmarks, features = bottom[0].shape
        return [(1, n, landmarks * features)]

    def forward(self, bottom: Any, top: Any) -> None:
        phi, gamma = bottom[0].data, bottom[1].data
        top[0].data.reshape(phi.shape)[...] = phi * gamma[..., None]

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff.reshape(bottom[0].shape) * bottom[1].data[..., None]
        if propagate_down[1]:
            bottom[1].diff[...] = 0
