"""Robust initialisation, eq. (11), for a whole batch: layers.common.face_fit written in tensors.

Shapes have the axes N (faces), then S and K (landmark subsets and basis shapes of the search) or P (the numbers of
basis shapes tried), then L. As there, the search over poses is in float32 and the fit in float64.
"""

from __future__ import annotations

import numpy as np

from layers.common.errors import RarError
from layers.common.face_fit import SMALLEST_SCALE, SMALLEST_SEARCHED_SCALE, SMALLEST_SPREAD, FaceSpace
from layers.initialisation import InitialisationLayer, fit_settings
from tools.onnx.complex import Complex
from tools.onnx.layer import Layer, translates
from tools.onnx.linear import solve
from tools.onnx.value import Operand, Value, concat, stack


@translates("InitialisationLayer")
def initialisation(layer: Layer, s_d: Value) -> Value:
    parameters = layer.parameters(InitialisationLayer.Parameters)
    basis, mean = layer.arrays
    if parameters.mode == "direct":
        return s_d
    if parameters.mode == "random":
        layer.refuse("a random start is a function of every bit of S_d: choose robust, mean or direct")
    if not basis.any():
        raise RarError("the weights hold no basis shapes: export weights that are trained")
    if parameters.mode == "mean":
        return layer.graph.constant(mean * parameters.crop_size, np.float32).expand(s_d.shape())
    return fit(s_d, FaceSpace(basis, fit_settings(parameters)))


def fit(s_d: Value, space: FaceSpace) -> Value:
    """FaceSpace.fit of every face: (N, L, 2), px, from s_d (N, L, 2)."""
    target = Complex.of_points(s_d.cast(np.float64))
    nearest, inliers = filter_outliers(target, space)
    return combine(target, nearest, inliers, space).cast(np.float32)


def filter_outliers(target: Complex, space: FaceSpace) -> tuple[Value, Value]:
    """RANSAC: the best basis shape (N, 1) and which landmarks (N, L) agree with it, from target (N, L)."""
    graph, (shapes, samples) = target.re.graph, space.sample_mean.shape
    inverse = Complex.constant(graph, space.sample_inverse.transpose(1, 2, 0), np.float32)  # (S, m, K)
    sample_mean = Complex.constant(graph, space.sample_mean, np.float32)
    places = target.each(lambda part: (part - part.mean(-1, keep=True)).cast(np.float32))
    sampled = places.each(lambda part: part.take(space.subsets, axis=1))  # (N, S, m)
    mean = sampled.each(lambda part: part.mean(-1, keep=True))
    a = (sampled - mean).each(lambda part: part.unsqueeze(2)) @ inverse  # (N, S, 1, K)
    a = a.each(lambda part: part.transpose(0, 3, 1, 2).reshape(0, shapes, samples))
    v = a.at_least(SMALLEST_SEARCHED_SCALE).inverse()
    u = mean.each(lambda part: part.transpose(0, 2, 1)) * v - sample_mean
    relative = squared_residuals(v, u, places, space) * (1 / space.settings.pose_threshold**2)
    relative = relative.op("Min", 1).reshape(0, shapes * samples, -1)
    best = truncated_count(relative).argmin(-1, keep=True)
    return best / samples, relative.pick(best) < 1


def squared_residuals(v: Complex, u: Complex, places: Complex, space: FaceSpace) -> Value:
    """|S + u - v p|^2 (N, K, S, L) of basis shapes S, poses v, u (N, K, S) and landmarks p (N, L), multiplied out."""
    basis = Complex.constant(v.re.graph, space.basis, np.float32)
    places = places.each(lambda part: part.unsqueeze(1))
    cross, w = basis * places.conjugate(), u * v.conjugate()
    one = v.re.graph.constant(1, np.float32)
    by_landmark = [basis.squared(), basis.re, basis.im, cross.re, cross.im, places.squared(), places.re, places.im, one]
    by_pose = [one, u.re * 2, u.im * 2, v.re * -2, v.im * -2, v.squared(), w.re * -2, w.im * -2, u.squared()]
    every_landmark, every_pose = cross.re.shape(), v.re.shape()
    rows = stack([part.expand(every_pose) for part in by_pose], -1)
    return rows @ stack([part.expand(every_landmark) for part in by_landmark], 2)


def truncated_count(relative: Value) -> Value:
    """How many residuals of the last axis, at most 1, reach 1; their mean, below 1, only breaks ties."""
    return (relative >= 1).cast(relative.dtype).sum(-1) + relative.mean(-1)


def combine(target: Complex, nearest: Value, inliers: Value, space: FaceSpace) -> Value:
    """Eq. (10) on the inliers: coefficients and pose in turns, for every number of basis shapes; the best (N, L, 2)."""
    graph, settings = target.re.graph, space.settings
    target = target.each(lambda part: part.unsqueeze(1))
    basis = Complex.constant(graph, space.basis, np.float64)
    start = basis.each(lambda part: part.take(nearest, axis=0))  # (N, 1, L)
    keep = enough_of(inliers.unsqueeze(1), 1, space)
    a, b = similarity(start, target, keep)
    directions = directions_near((target - b) * a.inverse(), keep, nearest, start, space)
    for _ in range(settings.rounds):
        wanted = (target - b) * a.inverse()
        shape = start + moved(directions, keep, wanted - start, space)
        a, b = similarity(shape, target, keep)
        residual = ((a * shape + b - target).squared() / a.squared()).op("Sqrt")
        keep = enough_of(residual < settings.threshold, keep, space)
        a, b = similarity(shape, target, keep)
    relative = (residual * (1 / settings.threshold)).op("Min", 1)
    objective = truncated_count(relative) + settings.penalty * np.array(space.supports)
    return (a * shape + b).points().pick(objective.argmin(-1, keep=True))


def enough_of(agree: Value, otherwise: Operand, space: FaceSpace) -> Value:
    """The landmarks that agree as 0 and 1, float64; `otherwise` where they are too few."""
    kept = agree.cast(np.float64)
    return (kept.sum(-1, keep=True) >= space.enough).where(kept, otherwise)


def similarity(source: Complex, target: Complex, keep: Value) -> tuple[Complex, Complex]:
    """Least-squares (a, b), (..., 1), with target ~ a source + b where keep is 1; source and target (..., L)."""
    share = keep / keep.sum(-1, keep=True)

    def mean(of: Complex) -> Complex:
        return of.each(lambda part: (part * share).sum(-1, keep=True))

    source_mean, target_mean = mean(source), mean(target)
    centred = source - source_mean
    spread = (centred.squared() * share).sum(-1, keep=True)
    a = mean(centred.conjugate() * (target - target_mean))
    a = a.each(lambda part: part / spread.op("Max", SMALLEST_SPREAD)).at_least(SMALLEST_SCALE)
    return a, target_mean - a * source_mean


def directions_near(wanted: Complex, keep: Value, nearest: Value, start: Complex, space: FaceSpace) -> Value:
    """From `start` to every basis shape, (N, P, K, 2L); zero for those not among the P nearest.

    A direction of zero gets the coefficient zero, so all numbers of basis shapes are fitted as one batch.
    """
    graph, shapes = wanted.re.graph, len(space.basis)
    basis = Complex.constant(graph, space.basis, np.float64)
    distance = ((basis - wanted).squared() * keep).sum(-1)  # (N, K)
    is_nearest = nearest.equals(np.arange(shapes))
    distance = is_nearest.where(graph.constant(-1, np.float64), distance)
    rank = distance.argsort(shapes).argsort(shapes).unsqueeze(1)
    member = (rank < np.array(space.supports)[:, None]).cast(np.float64)  # (N, P, K)
    return side_by_side(basis - start).unsqueeze(1) * member.unsqueeze(-1)


def moved(directions: Value, keep: Value, offset: Complex, space: FaceSpace) -> Complex:
    """The real ridge combination (N, P, L) of directions (N, P, K, 2L) that is nearest to `offset` where keep is 1."""
    size = len(space.basis)
    kept = directions * concat([keep, keep], -1).unsqueeze(2)
    # Not MatMul of a Transpose: onnxruntime fuses those to an operator that it has for float32 alone.
    normal = kept.op("Einsum", directions, equation="npkl,npjl->npkj") + space.settings.ridge * np.eye(size)
    coefficients = solve(normal, kept @ side_by_side(offset).unsqueeze(-1), size)
    both = (directions * coefficients).sum(2)
    return Complex(*both.graph.op_many("Split", [both], [both.dtype] * 2, axis=-1, num_outputs=2))


def side_by_side(shape: Complex) -> Value:
    """(..., L) -> (..., 2L): x of all landmarks, then y."""
    return concat([shape.re, shape.im], -1)
