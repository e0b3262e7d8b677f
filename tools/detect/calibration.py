"""How far off a landmark is likely to be, from what the net says of it: a monotone map learnt on validation faces.

One number per landmark, a weighted sum of four logarithms (`features`), is mapped to the expected distance from the
true place by a piecewise linear, rising function. It is kept beside the weights it was measured with, as
FILE.calibration.json: {"format", "weights_sha256", "faces", "data", "coefficients": 4, "scores": n, "errors": n}.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from layers.common.errors import RarError
from layers.common.files import finished_file, sha256
from layers.common.json_types import Each, check, parsed
from layers.common.shapes import FloatArray, point_errors

FORMAT = "rar-calibration/1"
KIND = {
    "format": str, "weights_sha256": str, "data": str, "faces": int,
    "coefficients": Each(list, float), "scores": Each(list, float), "errors": Each(list, float),
}  # fmt: skip
FEATURES = 4
NOISE = 0.3  # % of the face's size: nearer than this S_d and the final place are as good as the same
FLOOR = 1e-4  # of a peak's probability


def face_size(shape: FloatArray) -> FloatArray:
    """Size (...,) of shapes (..., L, 2): the geometric mean of width and height, in their unit."""
    return np.asarray(np.sqrt(np.ptp(shape, axis=-2).prod(axis=-1)))


def features(peak: FloatArray, s_d: FloatArray, final: FloatArray) -> FloatArray:
    """What the score is made of (..., L, 4), from peak (..., L) and the shapes s_d and final (..., L, 2).

    log of conv8's peak and of the distance between S_d and the final place in % of the face's size, per landmark and
    as the face's mean.
    """
    size = np.maximum(face_size(final)[..., None], np.finfo(np.float64).tiny)
    sharp = np.log(np.maximum(peak, FLOOR))
    moved = np.log(100 * point_errors(s_d, final) / size + NOISE)
    own = np.stack([sharp, moved], axis=-1)
    return np.concatenate([own, np.broadcast_to(own.mean(axis=-2, keepdims=True), own.shape)], axis=-1)


@dataclass(frozen=True)
class Calibration:
    """The map and where it was learnt. scores and errors: its corners, rising; errors in % of the face's size."""

    weights_sha256: str
    data: str
    faces: int
    coefficients: tuple[float, ...]
    scores: tuple[float, ...]
    errors: tuple[float, ...]

    def per_cent(self, peak: FloatArray, s_d: FloatArray, final: FloatArray) -> FloatArray:
        """Expected error (..., L), % of the face's size; arguments as of `features`."""
        score = features(peak, s_d, final) @ np.array(self.coefficients)
        return np.interp(score, self.scores, self.errors)

    def expected_error(self, peak: FloatArray, s_d: FloatArray, final: FloatArray) -> FloatArray:
        """Expected distance (..., L) of `final` from the true places, in the unit of the shapes."""
        return self.per_cent(peak, s_d, final) * face_size(final)[..., None] / 100


def calibration_file(weights: Path) -> Path:
    """Where the calibration of a weight file lies."""
    return weights.with_suffix(".calibration.json")


def write_calibration(weights: Path, made: Calibration) -> Path:
    """Beside the weights; the path written."""
    path = calibration_file(weights)
    with finished_file(path) as part:
        part.write_text(json.dumps({"format": FORMAT, **asdict(made)}, indent=1) + "\n", encoding="utf-8")
    return path


def _check_map(found: Calibration) -> None:
    """ValueError unless the map is one: four coefficients, rising corners, errors that fall nowhere."""
    coefficients, scores, errors = (np.array(values) for values in (found.coefficients, found.scores, found.errors))
    if len(coefficients) != FEATURES or not 0 < len(scores) == len(errors):
        raise ValueError(f"{len(coefficients)} coefficients, {len(scores)} scores, {len(errors)} errors")
    if not all(np.isfinite(values).all() for values in (coefficients, scores, errors)):
        raise ValueError("a number is not finite")
    if (np.diff(scores) < 0).any() or (np.diff(errors) < 0).any() or errors[0] < 0:
        raise ValueError("the map does not rise")


def read_calibration(weights: Path) -> Calibration | None:
    """The calibration beside a weight file, None without one; RarError when it is damaged or of other weights."""
    path = calibration_file(weights)
    if not path.exists():
        return None
    try:
        stored = parsed(path.read_text(encoding="utf-8"))
        check(stored, KIND)
        if stored.pop("format") != FORMAT:
            raise ValueError(f"no {FORMAT}")
        stored |= {name: tuple(map(float, stored[name])) for name in ("coefficients", "scores", "errors")}
        found = Calibration(**stored)
        _check_map(found)
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise RarError(f"{path} is no calibration ({error}): run make calibrate, or remove it") from None
    if found.weights_sha256 != sha256(weights):
        raise RarError(f"{path} was measured with other weights: run make calibrate again, or remove it")
    return found
