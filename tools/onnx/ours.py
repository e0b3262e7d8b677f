"""Translators of the project's Python layers; each gives the formula of the layer's own docstring."""

from __future__ import annotations

import numpy as np

from layers.attention import AttentionCentreLayer
from layers.common.gamma import SMALLEST_DISTANCE, GammaReading
from layers.common.schemes import Scheme, scheme
from layers.heatmap import HeatmapDecodeLayer
from layers.mean_shift import MeanShiftLayer
from layers.refinement import ShapeUpdateLayer
from layers.reweight import ReweightLayer
from layers.shape_indexed import ShapeIndexedFeatureLayer
from tools.onnx.layer import Layer, translates
from tools.onnx.value import Value, stack

FAR = 1e6  # px; a landmark further off is looked up there


def square(span: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x and y offsets of a square window, row by row."""
    y, x = np.meshgrid(span, span, indexing="ij")
    return x.ravel(), y.ravel()


def gather(rows: Value, places: Value) -> Value:
    """(..., H W) at int64 places (..., w)."""
    return rows.op("GatherElements", places, axis=-1)


def softmax_at(flat: Value, partition: Value, x: Value, y: Value, height: int, width: int) -> Value:
    """exp(scores - partition) at int64 places x, y (N, L, w); 0 off the map. flat (N, L, H W); partition (N, L, 1)."""
    on_x, on_y = x.clip(0, width - 1), y.clip(0, height - 1)
    inside = x.equals(on_x).op("And", y.equals(on_y))
    return inside.where((gather(flat, on_y * width + on_x) - partition).op("Exp"), 0)


@translates("HeatmapDecodeLayer")
def heatmap_decode(layer: Layer, scores: Value) -> tuple[Value, ...]:
    radius = layer.parameters(HeatmapDecodeLayer.Parameters).radius
    landmarks, height, width = layer.shapes[0][1:]
    dx, dy = square(np.arange(-radius, radius + 1))
    flat = scores.reshape(0, 0, -1)
    best = flat.argmax(-1, keep=True)
    peak_x, peak_y = best % width, best / width
    x, y = peak_x + dx, peak_y + dy  # (N, L, w)
    partition = flat.log_sum_exp(-1, keep=True)
    p = softmax_at(flat, partition, x, y, height, width)
    mass = p.sum(-1, keep=True)
    x, y = (
        peak.cast(np.float32) + (p * offset).sum(-1, keep=True) / mass for peak, offset in ((peak_x, dx), (peak_y, dy))
    )
    found = stack([x, y], -1).reshape(0, landmarks, 2), mass.reshape(0, landmarks).op("Min", 1)
    return scores, *found, *([partition.reshape(0, landmarks)] if len(layer.proto.top) == 4 else [])


@translates("MeanShiftLayer")
def mean_shift(layer: Layer, scores: Value, partition: Value, s_hat: Value) -> tuple[Value, Value]:
    radius = layer.parameters(MeanShiftLayer.Parameters).radius
    landmarks, height, width = layer.shapes[0][1:]
    nearest = s_hat.clip(-FAR, FAR).op("Round").cast(np.int64)
    x, y = (nearest.take([i], axis=-1) + offset for i, offset in enumerate(square(np.arange(-radius, radius + 1))))
    p = softmax_at(scores.reshape(0, 0, -1), partition.unsqueeze(-1), x, y, height, width)
    ways = [p * (place.cast(np.float32) - s_hat.take([i], axis=-1)) for i, place in enumerate((x, y))]
    return scores, stack([way.sum(-1) for way in ways], -1).reshape(0, landmarks, 2)


@translates("ShapeIndexedFeatureLayer")
def shape_indexed_feature(layer: Layer, features: Value, s_hat: Value) -> tuple[Value, Value]:
    window = layer.parameters(ShapeIndexedFeatureLayer.Parameters).window
    channels, height, width = layer.shapes[0][1:]
    landmarks = layer.shapes[1][1]
    dx, dy = square(np.arange(window) - (window - 1) // 2)
    nearest = s_hat.clip(-FAR, FAR).op("Round").cast(np.int64)  # to even, as numpy's
    x = (nearest.take([0], axis=-1) + dx).clip(0, width - 1)  # (N, L, w)
    y = (nearest.take([1], axis=-1) + dy).clip(0, height - 1)
    places = (y * width + x).reshape(0, 1, -1).expand(layer.graph.constant([1, channels, 1]))
    values = gather(features.reshape(0, 0, -1), places).reshape(0, 0, landmarks, len(dx))
    return features, values.max(-1).transpose(0, 2, 1)


@translates("AttentionCentreLayer")
def attention_centre(layer: Layer, confidence: Value, s_hat: Value, *previous: Value) -> tuple[Value, Value]:
    parameters = layer.parameters(AttentionCentreLayer.Parameters)
    if parameters.policy not in ("argmax", "fixed"):
        layer.refuse("a policy that draws its centres: choose argmax or fixed")
    landmarks = layer.shapes[1][1]
    if parameters.policy == "fixed":
        rows = s_hat.take([0], axis=1).take(0, axis=-1)
        centre = layer.graph.constant([[parameters.fixed_centre]]).expand(rows.shape())
    else:
        scores = confidence.reshape(-1, landmarks)
        for other in previous:
            scores = one_hot(other, landmarks).where(scores * 0 - FAR, scores)
        centre = scores.argmax(-1).reshape(-1, 1)
    if parameters.weighting != "gaussian":
        every = layer.graph.constant(1 if parameters.weighting == "ones" else 1 / landmarks, np.float32)
        return centre, every.expand(s_hat.take(0, axis=-1).shape())
    offsets = s_hat - s_hat.pick(centre).unsqueeze(1)
    distance = pupil_distance(s_hat, scheme(parameters.scheme)).op("Max", SMALLEST_DISTANCE)
    width = distance * parameters.width
    weights = (-squares(offsets) / (width * width)).op("Exp")
    twice = GammaReading(parameters.kappa, parameters.width).twice
    return centre, weights if twice else weights / weights.sum(-1, keep=True)


def one_hot(centre: Value, landmarks: int) -> Value:
    """(N, 1) -> (N, L), true at the centre."""
    return centre.graph.constant(range(landmarks)).equals(centre.cast(np.int64))


@translates("FaceKeyLayer")
def face_key(layer: Layer, data: Value) -> Value:
    layer.refuse("a policy that draws its centres: choose argmax or fixed")


@translates("CentreHistoryLayer")
def centre_history(layer: Layer, history: Value, centre: Value) -> Value:
    return history + one_hot(centre, layer.shapes[0][-1]).cast(np.float32).unsqueeze(0)


def squares(vectors: Value) -> Value:
    """(..., 2) -> (...), squared lengths."""
    return (vectors * vectors).sum(-1)


def pupil_distance(s_hat: Value, kind: Scheme) -> Value:
    """(N, L, 2) -> (N, 1)."""
    difference = np.zeros((1, kind.landmarks))
    for sign, eye in zip((-1, 1), kind.pupils, strict=True):
        difference[0, list(eye)] += sign / len(eye)
    return squares(s_hat.graph.constant(difference, s_hat.dtype) @ s_hat).op("Sqrt")


@translates("ReweightLayer")
def reweight(layer: Layer, phi: Value, gamma: Value) -> Value:
    parameters = layer.parameters(ReweightLayer.Parameters)
    by_landmark = phi.reshape(0, layer.shapes[1][1], -1)
    return (by_landmark * (gamma * parameters.scale).unsqueeze(-1)).op("Flatten", axis=1).unsqueeze(0)


@translates("ShapeUpdateLayer")
def shape_update(layer: Layer, h: Value, gamma: Value, s_hat: Value) -> tuple[Value, Value]:
    parameters, weights = layer.parameters(ShapeUpdateLayer.Parameters), gamma.unsqueeze(-1)
    delta = weights * parameters.alpha * h.reshape(-1, *layer.shapes[2][1:])
    return delta, s_hat + (weights * delta if parameters.gamma_twice else delta)
