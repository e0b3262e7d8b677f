"""Mean error and failure rate as scalar tops, so that `caffe test` prints and averages them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layers.base import RarLayer
from layers.common.paper import FAILURE_THRESHOLD
from layers.common.schemes import scheme
from layers.common.shapes import corner_distance, normalised_mean_error, pupil_distance


class MetricsLayer(RarLayer):
    """Errors of a shape, per cent, mean over the batch.

    bottoms: s_hat (N, L, 2), shape S* (N, L, 2), both px of the crop (a similarity of the image, so that the ratio is
    that of the original image).
    tops: NME by inter-pupil distance[, failure rate: per cent of faces with that NME over 10 %[, NME by outer eye
    corners]]. No gradient.
    """

    bottoms = ("s_hat", "shape")

    @dataclass(frozen=True)
    class Parameters:
        scheme: str | dict[str, Any] = "68"

    def prepare(self, bottom: Any, top: Any) -> None:
        self.scheme = scheme(self.parameters.scheme)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [()] * len(top)

    def forward(self, bottom: Any, top: Any) -> None:
        s_hat, shape = bottom[0].data, bottom[1].data
        by_pupil = normalised_mean_error(s_hat, shape, pupil_distance(shape, self.scheme))
        top[0].data[...] = 100 * by_pupil.mean()
        if len(top) > 1:
            top[1].data[...] = 100 * (by_pupil > FAILURE_THRESHOLD).mean()
        if len(top) > 2:
            top[2].data[...] = 100 * normalised_mean_error(s_hat, shape, corner_distance(shape, self.scheme)).mean()
