"""Which faces a picture shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layers.common.metrics import face_errors
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray
from tools.evaluate.results import FaceResult, Results


def pupil_errors(results: Results, shapes: Sequence[FloatArray]) -> FloatArray:
    """NME (n,), a fraction of the inter-pupil distance, of one shape per face."""
    truth = np.stack([face.ground_truth for face in results.faces])
    return face_errors(np.stack(shapes), truth, scheme(results.scheme), "pupil")


def spread(results: Results, count: int) -> list[FaceResult]:
    """`count` faces spread evenly over the ranking by final error, best first: neither cherries nor horrors only.

    The middle of each of `count` equal parts of the ranking is taken, so the choice is the same every time.
    """
    errors = pupil_errors(results, [face.stages[-1] for face in results.faces])
    ranking = np.argsort(errors, kind="stable")
    count = min(count, len(ranking))
    return [results.faces[ranking[int((k + 0.5) * len(ranking) / count)]] for k in range(count)]


def most_improved(results: Results, count: int) -> list[FaceResult]:
    """The `count` faces on which the steps from S_hat_0 to S_hat_T take away most of the error."""
    start = pupil_errors(results, [face.stages[0] for face in results.faces])
    final = pupil_errors(results, [face.stages[-1] for face in results.faces])
    return [results.faces[k] for k in np.argsort(final - start, kind="stable")[:count]]


def worst(results: Results, count: int) -> list[FaceResult]:
    """The `count` faces with the largest final error, the largest first."""
    errors = pupil_errors(results, [face.stages[-1] for face in results.faces])
    return [results.faces[k] for k in np.argsort(-errors, kind="stable")[:count]]
