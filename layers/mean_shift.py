"""Shape-indexed features of conv8: which way each landmark's own response map says it should go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layers.base import RarLayer
from layers.common.errors import RarError
from layers.common.heatmaps import mean_shift


class MeanShiftLayer(RarLayer):
    """u_t^l = sum_z p^l(z) (z - s_t^l) over the (2 radius + 1)^2 places z round the l-th landmark of s_hat_t.

    p^l is the softmax over places of conv8's l-th map. The maximum over a window of deconv7 hides where in the window
    the maximum is, so those features hardly change over the length of a step and cannot say when to stop; u_t does
    (the mean shift of Saragih, Lucey and Cohn's constrained local models, IJCV 2011, times the probability around).

    bottoms: conv8 (N, L, H, W), scores at the resolution of the crop; log_partition (N, L) of HeatmapDecodeLayer;
    s_hat_t (N, L, 2), px of the crop.
    tops: [conv8 in place,] u_t (N, L, 2), px of the crop.
    Gradient to s_hat_t, as its share of u_t is known: du/ds = -sum_z p(z), the window held. R-LSTM so learns what its
    step does to the next step's features. None to conv8, which learns from its own loss. With conv8 as in-place top
    the T readers and the loss after them form a chain, which needs no Split and no gradient of its own for each reader.
    """

    bottoms = ("conv8", "log_partition", "s_hat")

    @dataclass(frozen=True)
    class Parameters:
        radius: int

    def prepare(self, bottom: Any, top: Any) -> None:
        if self.parameters.radius < 1:
            raise RarError("MeanShiftLayer: the radius is at least 1 px")

    def native_pass(self, twins: Any) -> Any:
        return twins.mean_shift(self.parameters.radius)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        in_place = [tuple(bottom[0].shape)] * (len(top) - 1)
        return [*in_place, tuple(bottom[2].shape)]

    def forward(self, bottom: Any, top: Any) -> None:
        found = mean_shift(self.memory.data(bottom[0]), bottom[1].data, bottom[2].data, self.parameters.radius)
        top[len(top) - 1].data[...], self.mass = found

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0] and len(top) == 1:
            self.memory.diff(bottom[0])[...] = 0
        if propagate_down[1]:
            bottom[1].diff[...] = 0
        if propagate_down[2]:
            bottom[2].diff[...] = -self.mass[..., None] * top[len(top) - 1].diff
