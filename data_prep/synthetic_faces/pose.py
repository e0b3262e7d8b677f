"""From the head's frame to the image: rotation, weak perspective, and the contour a viewer sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from data_prep.synthetic_faces.model import Array
from data_prep.synthetic_faces.surface import Surface

PIVOT = np.array([0.0, 0.35, -0.55])  # the head turns about this point of its frame


def rotation(yaw: float, pitch: float, roll: float) -> Array:
    """Rotation (3, 3) by angles in degrees: yaw turns the nose to the image's right, pitch down, roll clockwise."""
    a, b, c = np.radians([yaw, pitch, roll])
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    nod = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    tilt = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(tilt @ nod @ turn)


@dataclass(frozen=True)
class Pose:
    """A head in front of the camera: angles in degrees, scale in px per unit, shift in px, perspective in 1/unit."""

    yaw: float
    pitch: float
    roll: float
    scale: float
    shift: tuple[float, float]
    perspective: float = 0.04

    @property
    def matrix(self) -> Array:
        """Rotation (3, 3) of the head."""
        return rotation(self.yaw, self.pitch, self.roll)

    def camera(self, points: Array) -> Array:
        """Points (..., 3) turned into the camera's frame, still in units."""
        return np.asarray((points - PIVOT) @ self.matrix.T)

    def project(self, points: Array) -> Array:
        """Image px (..., 2), 0-based, and depth in the last column: (..., 3)."""
        turned = self.camera(points)
        factor = self.scale / (1 - self.perspective * turned[..., 2:])
        return np.concatenate([turned[..., :2] * factor + self.shift, turned[..., 2:]], -1)


def sample_angles(rng: Generator, hard: bool) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees: mostly near frontal; `hard` spreads them as iBUG's photographs do."""
    spread = np.array([26.0, 12.0, 14.0]) if hard else np.array([16.0, 7.0, 8.0])
    limit = np.array([50.0, 25.0, 30.0])
    angles = np.clip(rng.normal(0, spread), -limit, limit)
    return float(angles[0]), float(angles[1]), float(angles[2])


def visible_contour(surface: Surface, pose: Pose) -> Array:
    """Contour landmarks 0-16 (17, 2) in px: on the jaw's edge, or where a turned cheek hides it, on the silhouette."""
    places = surface.jaw_candidates()
    candidates = pose.project(places)[..., :2]
    frontal = places[:, 0, :2]
    tangent = np.gradient(frontal, axis=0)
    outward = np.stack([-tangent[:, 1], tangent[:, 0]], -1)
    outward[:, 1] = np.abs(outward[:, 1])
    outward[:8, 0], outward[9:, 0] = -np.abs(outward[:8, 0]), np.abs(outward[9:, 0])
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    tilt = np.radians(pose.roll)
    turned = outward @ np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    reach = np.einsum("ink,ik->in", candidates, turned)
    return np.asarray(candidates[np.arange(17), reach.argmax(1)])
