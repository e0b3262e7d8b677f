"""From one landmark scheme to another, facial part by facial part, as HPM maps 68 points to COFW's 29.

For a shape S of the first scheme, moved by the similarity A that lays it on the mean shape, and each part p

    T_p = A^-1 (W_p (A S)_p + b_p)

where S_p, T_p are x and y of the part's points in the first and in the second scheme. W_p and b_p are learnt by ridge
regression, its strength chosen among `STRENGTHS` by leave-one-out over the training faces.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import RidgeCV

from data_prep.shape_pool import align
from layers.common.schemes import Scheme
from layers.common.shapes import FloatArray, affine_apply, affine_invert, similarity_fit

STRENGTHS = tuple(10.0**power for power in range(-5, 2))  # of the ridge; one unit is the distance of the eye centres


class PartMap:
    """The map from `source` to `target` shapes; both schemes name their parts alike."""

    def __init__(self, source: Scheme, target: Scheme, shapes: FloatArray, truth: FloatArray) -> None:
        """Learn from shapes (n, L, 2) of `source` and the same faces' truth (n, M, 2) of `target`, px of the image."""
        self.source, self.target = source, target
        _, self.mean = align(shapes, source)
        to_frame = similarity_fit(shapes, np.broadcast_to(self.mean, shapes.shape))
        seen, wanted = affine_apply(to_frame, shapes), affine_apply(to_frame, truth)
        self._parts = {
            part: RidgeCV(alphas=STRENGTHS).fit(_flat(seen, source, part), _flat(wanted, target, part))
            for part in target.groups
        }

    def __call__(self, shapes: FloatArray) -> FloatArray:
        """Shapes (n, L, 2) of the source as shapes (n, M, 2) of the target, in the same px."""
        to_frame = similarity_fit(shapes, np.broadcast_to(self.mean, shapes.shape))
        seen = affine_apply(to_frame, shapes)
        mapped = np.empty((len(shapes), self.target.landmarks, 2))
        for part, indices in self.target.groups.items():
            places = self._parts[part].predict(_flat(seen, self.source, part))
            mapped[:, list(indices)] = places.reshape(len(shapes), -1, 2)
        return affine_apply(affine_invert(to_frame), mapped)


def _flat(shapes: FloatArray, scheme: Scheme, part: str) -> FloatArray:
    return shapes[:, list(scheme.groups[part])].reshape(len(shapes), -1)
