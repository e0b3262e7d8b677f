"""The 68 points of iBUG 300-W and the drawn curves they lie on, on the unrotated face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_prep.synthetic_faces import model
from data_prep.synthetic_faces.model import Array, Expression, Identity, smooth_curve
from data_prep.synthetic_faces.pose import Pose, visible_contour
from data_prep.synthetic_faces.surface import Surface


@dataclass(frozen=True)
class Features:
    """Points (n, 2) in 300-W order and the curves through them that the painter fills and strokes."""

    brow_tops: tuple[Array, Array]
    nose: Array
    nose_base: Array
    eyes: tuple[Array, Array]
    eye_outlines: tuple[Array, Array]
    eye_lids: tuple[tuple[Array, Array], tuple[Array, Array]]
    creases: tuple[Array, Array]
    mouth: Array
    lip_outer: Array
    lip_top: Array
    lip_inner: Array
    lip_inner_top: Array
    brows: tuple[Array, Array]

    @property
    def eye_x(self) -> float:
        """Distance of the eyes' centres from the midline."""
        return float(self.eyes[1][:, 0].mean())

    @property
    def points(self) -> Array:
        """Landmarks 17-67 (51, 2)."""
        return np.concatenate([*self.brows, self.nose, *self.eyes, self.mouth])


def _lids(eye: Array) -> tuple[Array, Array]:
    return smooth_curve(eye[:4]), smooth_curve(np.concatenate([eye[3:], eye[:1]]))


def features(identity: Identity, expression: Expression) -> Features:
    """All curves of the unrotated face."""
    brows, eyes = model.brows(identity, expression), model.eyes(identity, expression)
    nose, mouth = model.nose(identity, expression), model.mouth(identity, expression)
    left, right = _lids(eyes[0]), _lids(eyes[1])
    lip_top = smooth_curve(mouth[:7], 36)
    lip_bottom = smooth_curve(np.concatenate([mouth[6:12], mouth[:1]]), 36)
    inner_top, inner_bottom = smooth_curve(mouth[12:17]), smooth_curve(np.concatenate([mouth[16:], mouth[12:13]]))
    creases = []
    for (upper, _), sign in ((left, -1.0), (right, 1.0)):
        middle = upper[:, 0].mean()
        creases.append((upper - (middle, 0)) * (1.06, 1.0) + (middle + 0.012 * sign, -0.052))
    return Features(
        brow_tops=(smooth_curve(brows[0]), smooth_curve(brows[1])),
        nose=nose,
        nose_base=smooth_curve(nose[4:]),
        eyes=eyes,
        eye_outlines=(np.concatenate(left), np.concatenate(right)),
        eye_lids=(left, right),
        creases=(creases[0], creases[1]),
        mouth=mouth,
        lip_outer=np.concatenate([lip_top, lip_bottom]),
        lip_top=lip_top,
        lip_inner=np.concatenate([inner_top, inner_bottom]),
        lip_inner_top=inner_top,
        brows=brows,
    )


def image_points(surface: Surface, drawn: Features, pose: Pose) -> Array:
    """The 68 landmarks (68, 2) in image px, 0-based."""
    inner = pose.project(surface.lift(drawn.points))[:, :2]
    return np.concatenate([visible_contour(surface, pose), inner])
