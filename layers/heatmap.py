"""conv8: softmax regression to the landmark locations (Sect. 3.1) and its decoding to S_d."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layers.base import RarLayer, blobs
from layers.common import heatmaps
from layers.common.errors import RarError


class SoftmaxRegressionLossLayer(RarLayer):
    """Cross-entropy between the softmax over places of each map and a small blob at the true landmark.

    bottoms: conv8 (N, L, H, W), scores; shape S* (N, L, 2), px of the crop.  top: a scalar, mean over the N L maps.
    sigma: width of the blob, px. A landmark outside the crop has no target. Gradient to conv8.
    """

    bottoms = ("conv8", "shape")

    @dataclass(frozen=True)
    class Parameters:
        sigma: float

    def native_pass(self, twins: Any) -> Any:
        return twins.softmax_regression_loss(self.parameters.sigma)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [()]

    def forward(self, bottom: Any, top: Any) -> None:
        scores = self.memory.data(bottom[0])
        self.partition = heatmaps.log_partition(scores)
        height, width = scores.shape[2:]
        self.target = heatmaps.target_blobs(bottom[1].data, self.parameters.sigma, height, width, self.memory.xp)
        top[0].data[...] = heatmaps.cross_entropy(scores, self.partition, *self.target)

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0]:
            scores, gradient = self.memory.data(bottom[0]), self.memory.diff(bottom[0])
            scale = float(top[0].diff)
            heatmaps.cross_entropy_gradient(scores, self.partition, *self.target, scale, gradient)
        if propagate_down[1]:
            bottom[1].diff[...] = 0


class HeatmapDecodeLayer(RarLayer):
    """S_d, the landmarks as conv8 sees them, and the confidence of each peak.

    bottom: conv8 (N, L, H, W).
    tops: [conv8 in place,] s_d (N, L, 2), px of the crop; peak (N, L) in (0, 1]; with conv8 in place, if wanted,
    log_partition (N, L), the log of the softmax's denominator, for those that read the softmax later.
    With conv8 in place the loss can follow without a Split, which would double the gradient map. No gradient.
    radius: half the window of the sub-pixel centroid, px.
    RarError when the scores are not finite. In training that must end the iteration before its backward pass: Caffe's
    max-pooling has no winner among NaNs, and its CPU backward then writes in front of its memory.
    """

    bottoms = ("conv8",)

    @dataclass(frozen=True)
    class Parameters:
        radius: int

    def native_pass(self, twins: Any) -> Any:
        return twins.decode(self.parameters.radius)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        n, landmarks = bottom[0].shape[0], bottom[0].shape[1]
        by_landmark = [(n, landmarks, 2), (n, landmarks)]
        return by_landmark if len(top) == 2 else [tuple(bottom[0].shape), *by_landmark, (n, landmarks)][: len(top)]

    def forward(self, bottom: Any, top: Any) -> None:
        with np.errstate(invalid="ignore"):  # the check that follows says it better
            s_d, peak, partition = heatmaps.decode(self.memory.data(bottom[0]), self.parameters.radius)
        if not (np.isfinite(s_d).all() and np.isfinite(peak).all()):
            raise RarError("conv8 is not finite, the net has diverged: lower base_lr and go on from the last snapshot")
        first = min(len(top) - 2, 1)
        for blob, found in zip(blobs(top)[first:], (s_d, peak, partition), strict=False):
            blob.data[...] = found

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0] and len(top) == 2:
            self.memory.diff(bottom[0])[...] = 0
