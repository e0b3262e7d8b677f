"""The head as a surface: a grid of rows (constant height, crown to chin) and columns (angle round the head).

A point has three names: (x, y) on the unrotated face, (u, v) in [0, 1] on the texture, (x, y, z) in space.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from data_prep.synthetic_faces import model
from data_prep.synthetic_faces.model import Array, Expression, Identity

ROWS, COLUMNS = 53, 59
WIDEST = np.radians(116)  # angle of the outermost column, seen from above; 90 degrees is the outline
_DENSE = 240
_OUTLINE_AT = 1 - 2 * 3 / (COLUMNS - 1)  # the fourth column from each end, on a scale from -1 to 1


def _angles(u: Array) -> Array:
    """Angle of texture coordinate u in [0, 1].

    Columns are denser in the middle, where nose, eyes and mouth are, and one lies on the outline, where the surface
    has an edge.
    """
    t = 2 * u - 1
    inside = np.clip(t / _OUTLINE_AT, -1, 1)
    beyond = (np.abs(t) - _OUTLINE_AT) / (1 - _OUTLINE_AT)
    angle = np.pi / 2 * (0.70 * inside + 0.30 * inside**3)
    return np.asarray(angle + np.sign(t) * np.clip(beyond, 0, 1) * (WIDEST - np.pi / 2))


_U_TABLE = np.linspace(0, 1, 721)
_ANGLE_TABLE = _angles(_U_TABLE)


def _blob(x: Array, y: Array, cx: float, cy: float, rx: float, ry: float) -> Array:
    return np.asarray(np.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2))


class Surface:
    """The surface of one head."""

    def __init__(self, identity: Identity, expression: Expression) -> None:
        self.identity, self.expression = identity, expression
        edge = model.outline(identity, expression)
        # mirrored neighbours at both ends make the outline round at crown and chin
        padded = np.concatenate([edge[1:2] * (-1, 1, 1), edge, edge[-2:-1] * (-1, 1, 1)])
        knots = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(padded[:, :2], axis=0), axis=1))])
        curve = CubicSpline(knots, padded)
        dense = curve(np.linspace(knots[1], knots[-2], _DENSE))
        arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(dense[:, :2], axis=0), axis=1))])
        self._arc = arc / arc[-1]
        self._edge = dense
        self._edge[:, 1] = np.maximum.accumulate(dense[:, 1] + 1e-6 * np.arange(_DENSE))
        heights = model.lower_face_y(model.PROFILE[:, 0], identity, expression)
        self._profile = PchipInterpolator(heights, model.PROFILE[:, 1], extrapolate=True)
        self._nose = model.nose(identity, expression)
        self._mouth = model.mouth(identity, expression)
        ear = np.interp(knots[1 + model.EAR], arc + knots[1], self._arc)
        self.jaw_rows = np.linspace(ear, 1.0, 9)  # v of contour landmarks 16, 15, ... 8

    def edge(self, v: Array) -> Array:
        """Right edge of the outline (..., 3) at texture height v."""
        return np.stack([np.interp(v, self._arc, self._edge[:, k]) for k in range(3)], -1)

    def depth(self, x: Array, y: Array, angle: Array, edge_z: Array, with_nose: bool = True) -> Array:
        """z of the surface at angle `angle` of the row whose outline has depth `edge_z`."""
        front = self._profile(y)
        z = edge_z + (front - edge_z) * np.clip(np.cos(angle), 0, None) ** 0.9
        return np.asarray(z + self._features(x, y) + (self._nose_relief(x, y) if with_nose else 0))

    def _features(self, x: Array, y: Array) -> Array:
        """Relief of sockets, eyeballs, brow ridge, cheek bones and lips."""
        ax, face = np.abs(x), self.identity
        eye = 0.497 * face.eye_distance
        mouth_top, mouth_line, mouth_low = self._mouth[3, 1], self._mouth[14, 1], self._mouth[9, 1]
        relief = -0.10 * _blob(ax, y, eye - 0.03, 0.0, 0.26, 0.15) + 0.05 * _blob(ax, y, eye, 0.0, 0.15, 0.10)
        relief += 0.05 * _blob(ax, y, 0.42, -0.3, 0.35, 0.12) + 0.08 * _blob(ax, y, 0.72, 0.42, 0.30, 0.24)
        relief += 0.05 * max(0.0, self.expression.smile) * _blob(ax, y, 0.58, 0.55, 0.22, 0.2)
        relief += 0.06 * _blob(x, y, 0, (mouth_top + mouth_line) / 2, 0.30, 0.08)
        relief += 0.07 * _blob(x, y, 0, mouth_low - 0.07, 0.26, 0.09)
        return np.asarray(relief)

    def _nose_relief(self, x: Array, y: Array) -> Array:
        top, tip, base = self._nose[0, 1], self._nose[3, 1], self._nose[6, 1]
        height, width = self.identity.nose_height, self.identity.nose_width
        along = np.clip((y - top) / (tip - top), 0, 1)
        falling = np.clip((y - tip) / (base + 0.03 - tip), 0, 1)
        ridge = (0.07 + 0.36 * along**1.2) * height * (1 - falling**1.6) * np.clip((y - top + 0.18) / 0.18, 0, 1)
        half = (0.085 + 0.075 * along) * width
        relief = ridge * np.exp(-(np.abs(x / half) ** 2.2))
        wings = 0.16 * height * _blob(np.abs(x), y, 0.165 * width, tip + 0.045, 0.075 * width, 0.075)
        return np.asarray(relief + wings)

    def grid(self) -> Array:
        """Positions (ROWS, COLUMNS, 3) of the surface, hair not included."""
        v, u = np.linspace(0, 1, ROWS)[:, None], np.linspace(0, 1, COLUMNS)[None, :]
        return self.at(np.broadcast_to(u, (ROWS, COLUMNS)), np.broadcast_to(v, (ROWS, COLUMNS)))

    def at(self, u: Array, v: Array, with_nose: bool = True) -> Array:
        """Positions (..., 3) at texture coordinates."""
        edge, angle = self.edge(v), _angles(u)
        beyond = np.clip((np.abs(angle) - np.pi / 2) / (WIDEST - np.pi / 2), 0, 1)
        below = np.clip((edge[..., 1] + 0.2) / 0.4, 0, 1)  # 0: side of the skull, 1: underside of the jaw
        x = edge[..., 0] * np.where(beyond > 0, np.sign(angle), np.sin(angle))
        x = x * (1 - beyond * (0.06 * (1 - below) + 0.30 * below))
        y = edge[..., 1] - 0.10 * beyond * below
        z = self.depth(x, y, angle, edge[..., 2], with_nose) - beyond * (0.5 * (1 - below) + 0.12 * below)
        return np.stack([x, y, z], -1)

    def texture(self, xy: Array) -> Array:
        """Texture coordinates (..., 2) of points (..., 2) of the unrotated face."""
        v = np.interp(xy[..., 1], self._edge[:, 1], self._arc)
        width = np.maximum(np.interp(v, self._arc, self._edge[:, 0]), 1e-6)
        angle = np.arcsin(np.clip(xy[..., 0] / width, -1, 1))
        return np.stack([np.interp(angle, _ANGLE_TABLE, _U_TABLE), v], -1)

    def lift(self, xy: Array) -> Array:
        """Positions in space (..., 3) of points (..., 2) of the unrotated face."""
        uv = self.texture(xy)
        z = self.at(uv[..., 0], uv[..., 1])[..., 2]
        return np.concatenate([xy, z[..., None]], -1)

    def jaw_candidates(self, samples: int = 40) -> Array:
        """Contour landmark i may slide along row i from the jaw's edge to the middle: positions (17, samples, 3)."""
        inner = np.linspace(0.5, float(np.interp(np.pi / 2, _ANGLE_TABLE, _U_TABLE)), samples)[::-1]
        u, v = np.broadcast_arrays(inner[None, :], self.jaw_rows[:, None])
        right = self.at(u, v, with_nose=False)
        left = right[:-1] * (-1, 1, 1)
        return np.concatenate([left, right[::-1]])
