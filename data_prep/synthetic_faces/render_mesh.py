"""From the lit texture to the image: normals, light, and a painter's-order rasteriser of the surface's grid."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.synthetic_faces.appearance import Light
from data_prep.synthetic_faces.model import Array
from data_prep.synthetic_faces.surface import COLUMNS, ROWS

_SHIFT = 4


def normals(turned: Array) -> Array:
    """Unit normals (ROWS, COLUMNS, 3) of a grid in the camera's frame, towards the outside."""
    across, down = np.gradient(turned, axis=1), np.gradient(turned, axis=0)
    normal = np.cross(across, down)
    normal[0], normal[-1] = normal[1], normal[-2]  # crown and chin are points: their rows have no direction
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
    owner = np.full((height, width), -1, np.int16)
    for index in order.tolist():
        cv2.fillConvexPoly(owner, fixed[index], index, cv2.LINE_8, _SHIFT)
    coverage = np.where(owner >= 0, np.uint8(255), np.uint8(0))
    # one pixel more all round, for the soft edge
    owner = np.where(owner < 0, cv2.dilate(owner, np.ones((3, 3), np.uint8)), owner)
    covered = np.flatnonzero(owner.ravel() >= 0)
    x, y = (covered % width).astype(np.float32), (covered // width).astype(np.float32)
    table = _inverse_maps(quads, across, down, area).take(owner.ravel()[covered], axis=0)
    place = np.zeros((height * width, 2), np.float32)
    for axis in range(2):
        xx, xy, shift, middle = table[:, 4 * axis : 4 * axis + 4].T
        place[covered, axis] = np.minimum(np.maximum(xx * x + xy * y + shift, middle - 1), middle + 1)
    return place.reshape(height, width, 2), coverage


def _inverse_maps(quads: Array, across: Array, down: Array, area: Array) -> NDArray[np.float32]:
    """Per cell (cells, 8): the affine map from px to the grid's column, the column in its middle, and so the row."""
    inverse = 1 / np.where(np.abs(area) > 1e-9, area, 1.0)[..., None]
    rows, columns = np.indices(area.shape)[..., None] + 0.5
    middle = quads.mean(2)
    to_column, to_row = down[..., ::-1] * (1, -1) * inverse, across[..., ::-1] * (-1, 1) * inverse
    parts = []
    for gradient, value in ((to_column, columns), (to_row, rows)):
        parts += [gradient, value - (gradient * middle).sum(-1, keepdims=True), value]
    return np.concatenate(parts, -1).reshape(-1, 8).astype(np.float32)


def soft_edge(coverage: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Coverage 0..1 with the jagged edge of `coverage` (0 or 255) smoothed over about two pixels."""
    blurred = cv2.GaussianBlur(coverage, (5, 5), 1.0).astype(np.float32)
    return np.asarray(np.clip(blurred * np.float32(1.7 / 255) - np.float32(0.42), 0, 1), np.float32)


def look_up(image: NDArray[Any], place: NDArray[np.float32]) -> NDArray[Any]:
    """Values of an image over the whole surface (h, w[, c]) at rasterised grid coordinates (height, width, 2)."""
    height, width = image.shape[:2]
    scale = np.array([(width - 1) / (COLUMNS - 1), (height - 1) / (ROWS - 1)], np.float32)
    return np.asarray(cv2.remap(image, place * scale, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
