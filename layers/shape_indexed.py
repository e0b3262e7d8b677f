"""Shape-indexed features: deconv7 looked up round the current landmarks (Sect. 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layers.base import RarLayer
from layers.common.errors import RarError
from layers.common.shapes import FloatArray


def window_places(s_hat: FloatArray, window: int, height: int, width: int) -> np.ndarray:
    """Flat places (N, L, window^2) of the window round each landmark (N, L, 2), clamped to the map."""
    span = np.arange(window) - (window - 1) // 2
    nearest = np.rint(np.clip(s_hat, -1e6, 1e6)).astype(np.int64)
    x = np.clip(nearest[..., 0, None] + span, 0, width - 1)
    y = np.clip(nearest[..., 1, None] + span, 0, height - 1)
    return (y[..., :, None] * width + x[..., None, :]).reshape(*s_hat.shape[:2], window * window)


def pool(features: FloatArray, places: np.ndarray) -> tuple[FloatArray, np.ndarray]:
    """Maximum over each window: phi (N, L, C), and the winning flat place (N, L, C).

    features: (N, C, H W); places: (N, L, w).
    """
    phi, winners = [], []
    for maps, windows in zip(features, places, strict=True):
        values = np.take(maps, windows, axis=1)  # (C, L, w)
        best = values.argmax(-1)
        phi.append(np.take_along_axis(values, best[..., None], -1)[..., 0].T)
        winners.append(windows[np.arange(len(windows)), best].T)
    return np.stack(phi), np.stack(winners)


def scatter(gradient: FloatArray, winners: np.ndarray, out: FloatArray) -> None:
    """Add the gradient (N, L, C) of phi to the maps' gradient out (N, C, H W) at the winning places."""
    channels = np.arange(out.shape[1])
    for maps, at, values in zip(out, winners, gradient, strict=True):
        np.add.at(maps, (channels, at), values)


class ShapeIndexedFeatureLayer(RarLayer):
    """phi_t^l = max over a b x b window of deconv7 round the l-th landmark of s_hat_t.

    bottoms: deconv7 (N, C, H, W), at the resolution of the crop; s_hat_t (N, L, 2), px of the crop.
    tops: [deconv7 in place,] phi_t (N, L, C).
    Gradient to deconv7 (to the winners); the place of a window has none.

    All T steps and conv8 read deconv7. Left alone, Caffe's Split gives every reader a full-size gradient and adds
    them up; with deconv7 as in-place top the readers form a chain on one gradient: each adds its own to what its
    successors have left there. The last of the chain has no in-place top: it clears the gradient first.
    """

    bottoms = ("deconv7", "s_hat")

    @dataclass(frozen=True)
    class Parameters:
        window: int

    def prepare(self, bottom: Any, top: Any) -> None:
        if self.parameters.window < 1:
            raise RarError("ShapeIndexedFeatureLayer: the window is at least 1 px")

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        n, channels = bottom[0].shape[0], bottom[0].shape[1]
        in_place = [tuple(bottom[0].shape)] * (len(top) - 1)
        return [*in_place, (n, bottom[1].shape[1], channels)]

    def forward(self, bottom: Any, top: Any) -> None:
        n, channels, height, width = bottom[0].shape
        places = window_places(bottom[1].data, self.parameters.window, height, width)
        top[-1].data[...], self.winners = pool(bottom[0].data.reshape(n, channels, -1), places)

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0]:
            gradient = bottom[0].diff
            if len(top) == 1:
                gradient[...] = 0
            scatter(top[-1].diff, self.winners, gradient.reshape(*gradient.shape[:2], -1))
        if propagate_down[1]:
            bottom[1].diff[...] = 0
