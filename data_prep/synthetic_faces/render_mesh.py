"""From the lit texture to the image: normals, light, and a painter's-order rasteriser of the surface's grid."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.synthetic_faces.appearance import Light
from data_prep.synthetic_faces.model import Array
from data_prep.synthetic_faces.pose import Pose
from data_prep.synthetic_faces.surface import COLUMNS, ROWS

_SHIFT = 4


def normals(turned: Array) -> Array:
    """Unit normals (ROWS, COLUMNS, 3) of a grid in the camera's frame, towards the outside."""
    across, down = np.gradient(turned, axis=1), np.gradient(turned, axis=0)
    normal = np.cross(across, down)
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9))


def lighting(normal: Array, light: Light) -> tuple[Array, Array]:
    """Diffuse factor and highlight strength (ROWS, COLUMNS) for unit normals in the camera's frame."""
    facing = normal @ light.direction
    diffuse = light.ambient * (0.88 - 0.12 * normal[..., 1]) + light.key * np.clip((facing + 0.25) / 1.25, 0, 1)
    half = light.direction + (0, 0, 1)
    shine = np.clip(normal @ (half / np.linalg.norm(half)), 0, 1) ** 18
    return diffuse, light.specular * shine


def rasterise(projected: Array, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Texture coordinates (height, width, 2) as grid column and row, and coverage (height, width) 0 or 255.

    projected: (ROWS, COLUMNS, 3) px, px, depth. Cells are drawn from far to near; inside a cell the map is affine.
    """
    width, height = size
    corner = projected[:-1, :-1], projected[:-1, 1:], projected[1:, 1:], projected[1:, :-1]
    quads = np.stack([c[..., :2] for c in corner], 2)  # (R-1, C-1, 4, 2)
    depth = sum(c[..., 2] for c in corner)
    across = (quads[..., 1, :] + quads[..., 2, :] - quads[..., 0, :] - quads[..., 3, :]) / 2
    down = (quads[..., 2, :] + quads[..., 3, :] - quads[..., 0, :] - quads[..., 1, :]) / 2
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    visible = np.flatnonzero(area.ravel() > 0.02)
    order = visible[np.argsort(np.asarray(depth).ravel()[visible], kind="stable")]
    fixed = np.rint(quads.reshape(-1, 4, 2) * 2**_SHIFT).astype(np.int32)
    owner = np.full((height, width), -1, np.int32)
    for index in order.tolist():
        cv2.fillConvexPoly(owner, fixed[index], index, cv2.LINE_8, _SHIFT)
    ys, xs = np.nonzero(owner >= 0)
    cell = owner[ys, xs]
    inverse = 1 / np.where(np.abs(area) > 1e-9, area, 1.0).ravel()[cell]
    a, d = across.reshape(-1, 2)[cell], down.reshape(-1, 2)[cell]
    middle = quads.mean(2).reshape(-1, 2)[cell]
    dx, dy = xs - middle[:, 0], ys - middle[:, 1]
    u = (dx * d[:, 1] - dy * d[:, 0]) * inverse
    v = (dy * a[:, 0] - dx * a[:, 1]) * inverse
    place = np.zeros((height, width, 2), np.float32)
    place[ys, xs, 0] = cell % (COLUMNS - 1) + 0.5 + np.clip(u, -1, 1)
    place[ys, xs, 1] = cell // (COLUMNS - 1) + 0.5 + np.clip(v, -1, 1)
    return place, (owner >= 0).astype(np.uint8) * 255


def look_up(image: NDArray[np.generic], place: NDArray[np.float32]) -> NDArray[np.generic]:
    """Values of an image over the whole surface (h, w[, c]) at rasterised grid coordinates (height, width, 2)."""
    height, width = image.shape[:2]
    scale = np.array([(width - 1) / (COLUMNS - 1), (height - 1) / (ROWS - 1)], np.float32)
    return np.asarray(cv2.remap(image, place * scale, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
