"""Maps of scores over the places of a crop: softmax over places, target blobs, decoding. Maps are (N, L, H, W).

Every function works where its arrays are, numpy's or CuPy's (layers/common/arrays.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layers.common.arrays import AnyArray, array_module
from layers.common.shapes import FloatArray


def log_partition(scores: FloatArray, peak: FloatArray | None = None) -> FloatArray:
    """log sum exp over the H W places of each map: (N, L). peak: the largest score of each, where it is known."""
    xp, rows = array_module(scores), scores.reshape(-1, scores.shape[2] * scores.shape[3])
    peaks = rows.max(-1) if peak is None else peak.ravel()
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
    """A square window of each map: flat places (N, L, w) and, where off the map, `inside` False (place clipped)."""

    places: AnyArray
    x: AnyArray
    y: AnyArray
    inside: AnyArray


def windows(centres: FloatArray, radius: int, height: int, width: int) -> Windows:
    """The (2 radius + 1)^2 places round each centre (N, L, 2), px of the map, rounded to the nearest place."""
    xp = array_module(centres)
    span = xp.arange(-radius, radius + 1)
    offset_y, offset_x = (grid.ravel() for grid in xp.meshgrid(span, span, indexing="ij"))
    nearest = xp.rint(xp.clip(centres, -1e6, 1e6)).astype(np.int64)
    x, y = nearest[..., :1] + offset_x, nearest[..., 1:] + offset_y
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    places = xp.clip(y, 0, height - 1) * width + xp.clip(x, 0, width - 1)
    return Windows(places, x, y, inside)


def target_blobs(shape: FloatArray, sigma: float, height: int, width: int) -> tuple[AnyArray, FloatArray]:
    """A small Gaussian blob at each true landmark: flat places and their probabilities, both (N, L, w).

    The blob is centred at sub-pixel accuracy, cut at 3 sigma and at the border, and sums to 1; it is all zero
    for a landmark outside the map, which then has no target.
    """
    xp = array_module(shape)
    window = windows(shape, int(np.ceil(3 * sigma)), height, width)
    squared = (window.x - shape[..., :1]) ** 2 + (window.y - shape[..., 1:]) ** 2
    blob = xp.where(window.inside, xp.exp(-squared / (2 * sigma**2)), 0)
    total = blob.sum(-1, keepdims=True)
    on_map = (shape > -0.5).all(-1) & (shape[..., 0] < width - 0.5) & (shape[..., 1] < height - 0.5)
    blob = xp.where(on_map[..., None], blob / xp.maximum(total, np.finfo(blob.dtype).tiny), 0)
    return window.places, blob.astype(shape.dtype)


def cross_entropy(scores: FloatArray, partition: FloatArray, places: AnyArray, blob: FloatArray) -> float:
    """-sum_places q log softmax(scores), mean over the N L maps; 0 for a map without a target."""
    at_blob = array_module(scores).take_along_axis(scores.reshape(*scores.shape[:2], -1), places, axis=-1)
    return float(-(blob * (at_blob - partition[..., None])).sum() / partition.size)


def cross_entropy_gradient(
    scores: FloatArray, partition: FloatArray, places: AnyArray, blob: FloatArray, scale: float, out: FloatArray
) -> None:
    """out = scale (softmax - q) / (N L): the gradient of `cross_entropy` times `scale`."""
    scale /= partition.size
    softmax_over_places(scores, partition, out)
    out *= scale * (blob.sum(-1) > 0)[..., None, None]
    flat = out.reshape(*out.shape[:2], -1)
    xp = array_module(flat)
    n, landmark = xp.arange(flat.shape[0])[:, None, None], xp.arange(flat.shape[1])[:, None]
    xp.add.at(flat, (n, landmark, places), -scale * blob)


def mean_shift(
    scores: FloatArray, partition: FloatArray, shape: FloatArray, radius: int
) -> tuple[FloatArray, FloatArray]:
    """sum_z p(z) (z - s), px, over the (2 radius + 1)^2 places z round each landmark s of a shape (N, L, 2).

    p is the softmax of the landmark's own map, partition its log_partition. The result (N, L, 2) is small both where
    the landmark is at its peak and where the map says little: the way to the centre of the window's probability, times
    how much of it there is. That mass sum_z p(z), (N, L), is returned too: minus the derivative by s.
    """
    xp = array_module(scores)
    n, landmarks, height, width = scores.shape
    nearest = xp.rint(xp.minimum(xp.maximum(shape, -1e6), 1e6)).astype(np.int64)
    window = nearest[..., None] + xp.arange(-radius, radius + 1)  # (N, L, 2, b): the window's columns and its rows
    on_map = xp.minimum(xp.maximum(window, 0), xp.asarray(np.array([[width - 1], [height - 1]])))
    inside = window == on_map
    first = xp.arange(0, scores.size, height * width).reshape(n, landmarks, 1, 1)
    places = first + on_map[..., 1, :, None] * width + on_map[..., 0, None, :]
    p = xp.exp(xp.take(scores, places) - partition[..., None, None])
    p *= inside[..., 1, :, None] & inside[..., 0, None, :]
    by_axis = xp.stack([p.sum(-2), p.sum(-1)], -2)
    shift = (by_axis * (window - shape[..., None])).sum(-1)
    return shift.astype(scores.dtype), by_axis[..., 0, :].sum(-1)


def decode(scores: FloatArray, radius: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """S_d (N, L, 2), px, the peak's confidence (N, L), and log_partition (N, L), which is needed on the way.

    The place is the centroid of the softmax in the window round its maximum; the confidence in (0, 1] is the
    probability in that window: near 1 for one sharp peak, small for a flat or a many-peaked map.
    """
    n, landmarks, height, width = scores.shape
    xp, flat = array_module(scores), scores.reshape(n, landmarks, -1)
    best = flat.argmax(-1)
    peak = xp.stack([best % width, best // width], -1).astype(scores.dtype)
    window = windows(peak, radius, height, width)
    highest = xp.take_along_axis(flat, best[..., None], axis=-1)
    partition = log_partition(scores, highest)
    log_p = xp.take_along_axis(flat, window.places, axis=-1) - partition[..., None]
    p = xp.where(window.inside, xp.exp(log_p), 0)
    mass = p.sum(-1)
    place = xp.stack([(p * window.x).sum(-1), (p * window.y).sum(-1)], -1) / mass[..., None]
    return place.astype(scores.dtype), xp.minimum(mass, 1), partition
