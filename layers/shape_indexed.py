"""Shape-indexed features: deconv7 looked up round the current landmarks (Sect. 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from layers.base import RarLayer
from layers.common.arrays import AnyArray, array_module
from layers.common.errors import RarError
from layers.common.shapes import FloatArray


def _between(numbers: AnyArray, low: float, high: float) -> AnyArray:
    """np.clip, whose checks take longer than the work on an array as small as a shape."""
    return np.minimum(np.maximum(numbers, low), high)


def window_places(s_hat: FloatArray, window: int, height: int, width: int) -> AnyArray:
    """Flat places (N, window^2, L) of the window round each landmark (N, L, 2), clamped to the map."""
    span = np.arange(window) - (window - 1) // 2
    nearest = np.rint(_between(s_hat, -1e6, 1e6)).astype(np.int64)
    x = _between(nearest[:, None, :, 0] + span[:, None], 0, width - 1)
    y = _between(nearest[:, None, :, 1] + span[:, None], 0, height - 1)
    places: AnyArray = (y[:, :, None] * width + x[:, None]).reshape(len(s_hat), window * window, -1)
    return places


class Firsts(NamedTuple):
    """Flat places that the windows' own are counted from, for the library xp of arrays; they depend on sizes alone.

    map: of each map (N, C, 1, 1) in features (N, C, H, W). column: of each window's first value (N, C, L) in values
    (N, C, w, L).
    """

    map: AnyArray
    column: AnyArray


def firsts(xp: Any, values: tuple[int, ...], area: int) -> Firsts:
    """For values of a shape (N, C, w, L) and maps of `area` = H W places."""
    n, channels, w, landmarks = values
    maps = np.arange(n * channels).reshape(n, channels, 1)
    return Firsts(xp.asarray(maps[..., None] * area), xp.asarray(maps * (w * landmarks) + np.arange(landmarks)))


def look_up(features: FloatArray, places: AnyArray) -> FloatArray:
    """The maps' values in each window, (N, C, w, L): features (N, C, H, W) at flat places in all of them."""
    values: FloatArray = array_module(features).take(features, places)
    return values


def winners(values: FloatArray, places: AnyArray, column: AnyArray) -> AnyArray:
    """The flat place (N, C, L) of each window's maximum, the first of equals. column: of Firsts."""
    found: AnyArray = array_module(places).take(places, column + values.shape[3] * values.argmax(2))
    return found


def scatter(gradient: FloatArray, at: AnyArray, out: FloatArray) -> None:
    """Add the gradient (N, L, C) of phi to the maps' gradient `out` at the flat places (N, C, L) of the winners.

    On a GPU in any order: where three landmarks or more share a place the last digit may vary.
    """
    array_module(out).add.at(out.reshape(-1), at, gradient.transpose(0, 2, 1))


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
        self.sizes: tuple[tuple[int, ...], int] | None = None

    def native_pass(self, twins: Any) -> Any:
        return twins.window_maxima(self.parameters.window)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        n, channels = bottom[0].shape[0], bottom[0].shape[1]
        in_place = [tuple(bottom[0].shape)] * (len(top) - 1)
        return [*in_place, (n, bottom[1].shape[1], channels)]

    def forward(self, bottom: Any, top: Any) -> None:
        _, channels, height, width = bottom[0].shape
        places, xp = window_places(bottom[1].data, self.parameters.window, height, width), self.memory.xp
        sizes = (len(places), channels, *places.shape[1:])
        if self.sizes != (sizes, height * width):
            self.sizes, self.firsts = (sizes, height * width), firsts(xp, sizes, height * width)
        self.places = self.firsts.map + xp.asarray(places)[:, None]
        self.values = look_up(self.memory.data(bottom[0]), self.places)
        self.memory.data(top[-1])[...] = self.values.max(2).transpose(0, 2, 1)

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0]:
            gradient = self.memory.diff(bottom[0])
            if len(top) == 1:
                gradient[...] = 0
            to_phi = self.memory.diff(top[-1])
            at = winners(self.values, self.places, self.firsts.column)
            scatter(to_phi.reshape(*to_phi.shape[:2], -1), at, gradient)
        if propagate_down[1]:
            bottom[1].diff[...] = 0
