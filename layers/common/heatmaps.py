"""Maps of scores over the places of a crop: softmax over places, target blobs, decoding. Maps are (N, L, H, W).

What takes whole maps works where they are, in numpy's arrays or CuPy's (layers/common/arrays.py). What is a few numbers
a landmark is numpy's: on a GPU a few such kernels would take longer than the copy of a kilobyte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layers.common.arrays import AnyArray, array_module, on_host
from layers.common.shapes import FloatArray


def log_partition(scores: FloatArray) -> FloatArray:
    """log sum exp over the H W places of each map: (N, L)."""
    xp, rows = array_module(scores), scores.reshape(-1, scores.shape[2] * scores.shape[3])
    peaks = rows.max(-1)
    if xp is np:
        sums, buffer = np.empty(len(rows), rows.dtype), np.empty_like(rows[0])
        for i, row in enumerate(rows):  # a row at a time stays in the cache; the whole stack would not
            np.subtract(row, peaks[i], out=buffer)
            sums[i] = np.exp(buffer, out=buffer).sum()
    else:  # few kernels for all maps, where map by map they would be hundreds
        sums = xp.exp(rows - peaks[:, None]).sum(-1)
    found: FloatArray = (peaks + xp.log(sums)).reshape(scores.shape[:2])
    return found


def softmax_over_places(scores: FloatArray, partition: FloatArray, out: FloatArray) -> None:
    """out = exp(scores - partition); out may not alias scores."""
    xp = array_module(scores)
    if xp is not np:
        xp.exp(xp.subtract(scores, partition[..., None, None], out=out), out=out)
        return
    for row, log_z, target in zip(
        scores.reshape(-1, *scores.shape[2:]), partition.ravel(), out.reshape(-1, *out.shape[2:]), strict=True
    ):
        np.subtract(row, log_z, out=target)
        np.exp(target, out=target)


@dataclass(frozen=True)
class Windows:
    """A square window of each map, as the places along its two axes, x and y: arrays (N, L, 2, b) of numpy's.

    along: px of the map. clipped: those on the map, its border's for the others. inside: 1 on the map, 0 off it.
    rows: flat places (N, L, b) in all N L maps, of the rows' first columns.
    """

    along: AnyArray
    clipped: AnyArray
    inside: AnyArray
    rows: AnyArray

    @property
    def columns(self) -> AnyArray:
        """The places (N, L, b) in a row."""
        return np.asarray(self.clipped[..., 0, :])


def windows(centres: FloatArray, radius: int, height: int, width: int) -> Windows:
    """The (2 radius + 1)^2 places round each centre (N, L, 2), px of the map, rounded to the nearest place."""
    n, landmarks = centres.shape[:2]
    nearest = np.rint(np.minimum(np.maximum(centres, -1e6), 1e6)).astype(np.int64)
    along = nearest[..., None] + np.arange(-radius, radius + 1)
    clipped = np.minimum(np.maximum(along, 0), np.array([[width - 1], [height - 1]]))
    first = np.arange(0, n * landmarks * height * width, height * width).reshape(n, landmarks, 1)
    return Windows(along, clipped, (along == clipped).astype(centres.dtype), first + clipped[..., 1, :] * width)


def values_in(window: Windows, scores: FloatArray) -> FloatArray:
    """The scores in each window (N, L, b, b), rows first, on the host; off the map those of its border."""
    xp = array_module(scores)
    return on_host(xp.take(scores, xp.asarray(window.rows[..., None] + window.columns[..., None, :])))


def target_blobs(shape: FloatArray, sigma: float, height: int, width: int, xp: Any = np) -> tuple[AnyArray, FloatArray]:
    """A small Gaussian blob at each true landmark: flat places in all N L maps, and probabilities, both (N, L, w).

    The blob is centred at sub-pixel accuracy, cut at 3 sigma and at the border, and sums to 1; it is all zero
    for a landmark outside the map, which then has no target. shape: on the host. xp: where the result is to be.
    """
    window = windows(shape, int(np.ceil(3 * sigma)), height, width)
    by_axis = window.inside * np.exp(-((window.along - shape[..., None]) ** 2) / (2 * sigma**2))
    by_axis /= np.maximum(by_axis.sum(-1, keepdims=True), np.finfo(by_axis.dtype).tiny)
    on_map = (shape > -0.5).all(-1) & (shape[..., 0] < width - 0.5) & (shape[..., 1] < height - 0.5)
    by_axis *= on_map[..., None, None]
    by_axis = by_axis.astype(shape.dtype)
    places = xp.asarray(window.rows)[..., None] + xp.asarray(window.columns)[..., None, :]
    blob = xp.asarray(by_axis[..., 1, :])[..., None] * xp.asarray(by_axis[..., 0, :])[..., None, :]
    return places.reshape(*shape.shape[:2], -1), blob.reshape(*shape.shape[:2], -1)


def cross_entropy(scores: FloatArray, partition: FloatArray, places: AnyArray, blob: FloatArray) -> float:
    """-sum_places q log softmax(scores), mean over the N L maps; 0 for a map without a target."""
    at_blob = array_module(scores).take(scores, places)
    return float(-(blob * (at_blob - partition[..., None])).sum() / partition.size)


def cross_entropy_gradient(
    scores: FloatArray, partition: FloatArray, places: AnyArray, blob: FloatArray, scale: float, out: FloatArray
) -> None:
    """out = scale (softmax - q) / (N L): the gradient of `cross_entropy` times `scale`."""
    scale /= partition.size
    softmax_over_places(scores, partition, out)
    out *= scale * (blob.sum(-1) > 0)[..., None, None]
    array_module(out).add.at(out.reshape(-1), places, -scale * blob)


def mean_shift(
    scores: FloatArray, partition: FloatArray, shape: FloatArray, radius: int
) -> tuple[FloatArray, FloatArray]:
    """sum_z p(z) (z - s), px, over the (2 radius + 1)^2 places z round each landmark s of a shape (N, L, 2).

    p is the softmax of the landmark's own map, partition its log_partition. The result (N, L, 2) is small both where
    the landmark is at its peak and where the map says little: the way to the centre of the window's probability, times
    how much of it there is. That mass sum_z p(z), (N, L), is returned too: minus the derivative by s. All but the
    scores is on the host, the results too.
    """
    window = windows(shape, radius, *scores.shape[2:])
    by_axis = probability_by_axis(scores, partition, window)
    shift = (by_axis * (window.along - shape[..., None])).sum(-1)
    return shift.astype(scores.dtype), by_axis[..., 0, :].sum(-1)


def probability_by_axis(scores: FloatArray, partition: FloatArray, window: Windows) -> FloatArray:
    """The softmax in each window summed over its rows and over its columns: (N, L, 2, b); nothing off the map."""
    p = np.exp(values_in(window, scores) - partition[..., None, None])
    p *= window.inside[..., 1, :, None]
    p *= window.inside[..., 0, None, :]
    return np.stack([p.sum(-2), p.sum(-1)], -2)


def decode(scores: FloatArray, radius: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """S_d (N, L, 2), px, the peak's confidence (N, L), and log_partition (N, L), which is needed on the way: numpy's.

    The place is the centroid of the softmax in the window round its maximum; the confidence in (0, 1] is the
    probability in that window: near 1 for one sharp peak, small for a flat or a many-peaked map.
    """
    n, landmarks, height, width = scores.shape
    best = on_host(scores.reshape(n, landmarks, -1).argmax(-1))
    partition = on_host(log_partition(scores))
    window = windows(np.stack([best % width, best // width], -1).astype(scores.dtype), radius, height, width)
    by_axis = probability_by_axis(scores, partition, window)
    mass = by_axis[..., 0, :].sum(-1)
    place = (by_axis * window.along).sum(-1) / mass[..., None]
    return place.astype(scores.dtype), np.minimum(mass, 1), partition
