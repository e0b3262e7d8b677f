"""Where hair and beard grow on the surface, how far hair lifts it, and the hair behind and beside the face."""

from __future__ import annotations

import numpy as np

from data_prep.synthetic_faces.appearance import Appearance
from data_prep.synthetic_faces.landmarks import Features
from data_prep.synthetic_faces.model import Array
from data_prep.synthetic_faces.pose import Pose

_CENTRE = np.array([0.0, -0.25, -0.9])  # of the skull
_RADII = np.array([1.13, 1.42, 1.22])
_LOCK = np.array(  # inner edge of a lock of long hair on the right, from the parting down
    [(0.62, -1.25, -0.1), (0.98, -0.75, -0.12), (1.1, -0.1, -0.35), (1.08, 0.7, -0.45), (1.02, 1.7, -0.35)]
)


def inside_hair(grid: Array, look: Appearance) -> Array:
    """How far (units) each point of the grid lies inside the hair, negative on bare skin (ROWS, COLUMNS)."""
    x, y, z = grid[..., 0], grid[..., 1], grid[..., 2]
    if look.hair_style == "bald":
        return np.full(x.shape, -1.0)
    side = np.clip((-0.30 - z) / 0.75, 0, 1)  # 0 in front, 1 beside the ear
    front = -look.hairline - 0.10 * np.cos(3 * x)
    if "fringe" in look.hair_style:
        front = -0.50 + 0.10 * x * look.parting - 0.05 * np.abs(x)
    elif look.hair_style == "parted":
        front = front + 0.42 * np.clip(x * np.sign(look.parting) + 0.1, 0, 1.2) ** 1.3
    low = {"long": 1.2, "long_fringe": 1.2, "bun": -0.15, "buzz": 0.05}.get(look.hair_style, 0.25)
    return np.asarray(front * (1 - side**2) + low * side**2 - y)


def lift(grid: Array, inside: Array, look: Appearance) -> Array:
    """The grid with the hair's thickness added."""
    volume = look.hair_volume * (0.25 if look.hair_style == "buzz" else 1.0) * (2.2 if look.hair_style == "afro" else 1)
    outward = grid - _CENTRE
    outward = outward / np.linalg.norm(outward, axis=-1, keepdims=True)
    t = np.clip(inside / 0.3, 0, 1)
    return np.asarray(grid + outward * (volume * t * t * (3 - 2 * t))[..., None])


def beard_cover(grid: Array, features: Features, look: Appearance) -> Array:
    """Density of the beard 0..1 on the grid (ROWS, COLUMNS), clear of the lips."""
    x, y = np.abs(grid[..., 0]), grid[..., 1]
    low = features.mouth[9, 1]
    cover = np.zeros(x.shape)
    if look.beard > 0:
        cheek = 1.02 - 0.62 * np.clip((x - 0.45) / 0.55, 0, 1.2)
        clear = np.clip((x / 0.30) ** 4 + np.clip((y - low - 0.03) / 0.08, 0, 1), 0, 1)
        lips = ((x / (np.abs(features.mouth[6, 0]) + 0.07)) ** 2 + ((y - features.mouth[14, 1]) / 0.2) ** 2) > 1
        cover = look.beard * np.clip((y - cheek) / 0.14, 0, 1) * clear * lips
    if look.moustache > 0:
        top = features.nose[6, 1] + 0.02 + 0.4 * np.maximum(0, x - 0.1)
        lip = features.mouth[3, 1]
        band = np.clip((y - top) / 0.07, 0, 1) * np.clip((lip + 0.45 * np.maximum(0, x - 0.22) - y) / 0.04 + 0.4, 0, 1)
        cover = np.maximum(cover, look.moustache * band * np.clip((0.52 - x) / 0.08, 0, 1))
    return cover


def _ball(centre: Array, radii: Array, count: int = 14) -> Array:
    """Points (n, 3) on an ellipsoid."""
    longitude, latitude = np.meshgrid(np.linspace(0, 2 * np.pi, count), np.linspace(0, np.pi, count))
    unit = np.stack([np.sin(latitude) * np.cos(longitude), np.cos(latitude), np.sin(latitude) * np.sin(longitude)], -1)
    return np.asarray(unit.reshape(-1, 3) * radii + centre)


def skull(look: Appearance) -> Array:
    """Points (n, 3) whose convex outline is the back of the head with its hair."""
    volume = {"bald": 0.0, "buzz": 0.03, "afro": 2.6 * look.hair_volume + 0.1}.get(look.hair_style, look.hair_volume)
    return _ball(_CENTRE, _RADII + volume)


def bun(look: Appearance) -> Array:
    """Points of a knot of hair on top of the head."""
    return _ball(np.array([0.3 * look.parting, -1.85, -1.3]), np.full(3, 0.36 + look.hair_volume))


def curtain(look: Appearance) -> Array:
    """Points of long hair hanging behind face and neck."""
    length = 1.4 + 3 * look.hair_volume + abs(look.parting)
    ends = [(x, y, z) for x in (-1.2, -0.8, 0.8, 1.2) for y in (0.0, length) for z in (-1.5, -0.75)]
    return np.concatenate([skull(look), np.array(ends)])


def locks(look: Appearance, pose: Pose) -> list[Array]:
    """Two polygons (n, 2) in px: locks of long hair that fall in front of the sides of the face."""
    inner = 0.10 * np.sin(9 * look.hairline)
    polygons = []
    for sign in (-1, 1):
        edge = _LOCK - np.array([[0.0], [0.0], [1.0], [1.0], [1.0]]) * (inner * sign + 0.02, 0, 0)
        rim = edge + np.array([0.20, 0.0, -0.25]) * np.array([[0.6], [1], [1], [1.2], [1.5]])
        both = np.concatenate([edge, rim[::-1]]) * (sign, 1, 1)
        polygons.append(pose.project(both)[:, :2])
    return polygons
