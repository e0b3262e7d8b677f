"""Eq. (16): the attention-centre-aware global feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layers.base import RarLayer
from layers.common.arrays import on_host


class ReweightLayer(RarLayer):
    """Phi = scale [gamma^1 phi^1, ..., gamma^L phi^L], flattened as Caffe's LSTMUnit wants it.

    bottoms: phi (N, L, F[, 1]), gamma (N, L). top: (1, N, L F), the time axis first.
    scale (ours) makes up for weights that sum to 1, which leave each landmark's share of Phi small beside the biases.
    Gradient to phi and gamma.
    """

    bottoms = ("phi", "gamma")

    @dataclass(frozen=True)
    class Parameters:
        scale: float = 1.0

    def native_pass(self, twins: Any) -> Any:
        return twins.reweight(self.parameters.scale)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        n = bottom[0].shape[0]
        return [(1, n, bottom[0].count // n)]

    def forward(self, bottom: Any, top: Any) -> None:
        xp, gamma = self.memory.xp, bottom[1].data
        self.weights = xp.asarray(self.parameters.scale * gamma[..., None])  # (N, L, 1)
        phi = self.memory.data(bottom[0]).reshape(*gamma.shape, -1)
        xp.multiply(phi, self.weights, out=self.memory.data(top[0]).reshape(phi.shape))

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        n, landmarks = bottom[1].shape[0], bottom[1].shape[1]
        gradient = self.memory.diff(top[0]).reshape(n, landmarks, -1)
        if propagate_down[1]:
            phi = self.memory.data(bottom[0]).reshape(gradient.shape)
            bottom[1].diff[...] = self.parameters.scale * on_host((gradient * phi).sum(-1))
        if propagate_down[0]:
            to_phi = self.memory.diff(bottom[0]).reshape(gradient.shape)
            self.memory.xp.multiply(gradient, self.weights, out=to_phi)
