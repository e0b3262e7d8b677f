"""What is known of each face of a results file by its annotation: how the head is turned, its size, what is hidden."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from layers.common.shapes import FloatArray
from tools.evaluate.bins import ABOVE_ZERO
from tools.evaluate.own import Score
from tools.evaluate.pose_error import TURNS, poses

HIDDEN = (ABOVE_ZERO, 10.0, 20.0, 30.0, 50.0)  # per cent of the landmarks
SIZE = (20.0, 30, 40, 60, 80, 100, 125, 150, 175, 200, 250, 300, 400, 600, 1000)  # px


class Property(NamedTuple):
    """One number a face: values (n,), NaN where it is not known; edges of its ranges, and their unit.

    folded: ranges are of the size of the number, whatever its sign. missing: why no face has one, "" where some do.
    """

    key: str
    title: str
    values: FloatArray
    edges: tuple[float, ...]
    unit: str
    folded: bool = False
    missing: str = ""

    @property
    def ranged(self) -> FloatArray:
        """The values (n,) that are laid into ranges."""
        return np.abs(self.values) if self.folded else self.values


def sides(score: Score) -> FloatArray:
    """The longer side (n,) of the rectangle round each face's landmarks, px: that of a turned head is no shorter."""
    return np.stack([np.ptp(face.ground_truth, axis=0).max() for face in score.results.faces])


def face_properties(score: Score) -> list[Property]:
    """Pose, size and hidden share of the faces, by the ground truth alone and so the same for every model."""
    turned = poses((face.ground_truth for face in score.results.faces), score.kind.name)
    unknown = "" if np.isfinite(turned).any() else f"landmarks of scheme {score.kind.name} tell no pose"
    hidden = [face.hidden for face in score.results.faces]
    share = np.array([np.nan if flags is None else 100 * flags.mean() for flags in hidden])
    untold = "" if np.isfinite(share).any() else "the results file does not tell which landmarks are hidden"
    return [
        Property("yaw", "yaw to either side", turned[:, 0], TURNS, "°", True, unknown),
        Property("pitch", "pitch, down above 0", turned[:, 1], (-20, -10, -5, 0, 5, 10, 20), "°", False, unknown),
        Property("roll", "roll to either side", turned[:, 2], TURNS, "°", True, unknown),
        Property("size", "size of the face, the longer side of the annotated shape", sides(score), SIZE, " px"),
        Property("hidden", "share of landmarks hidden", share, HIDDEN, " %", False, untold),
    ]  # fmt: skip
