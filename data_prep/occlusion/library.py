"""Where cut-outs come from: drawn ones, made from a seed when first wanted, and a folder of a user's own."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.occlusion.cups import draw_cup
from data_prep.occlusion.cutouts import KINDS, Cutout, premultiply
from data_prep.occlusion.hands import draw_hand
from data_prep.occlusion.masks import draw_mask
from data_prep.occlusion.phones import draw_phone
from data_prep.occlusion.sunglasses import draw_sunglasses
from layers.common.errors import RarError

_OWN_SIZE = 768  # px a user's picture is reduced to, longer side
VARIANTS = 24  # drawn cut-outs per kind
_SHARES = {"sunglasses": 0.25, "mask": 0.2, "phone": 0.15, "hand": 0.25, "cup": 0.15}
_DRAW: dict[str, Callable[[np.random.Generator], Cutout]] = {
    "sunglasses": draw_sunglasses, "mask": draw_mask, "phone": draw_phone, "hand": draw_hand, "cup": draw_cup,
}  # fmt: skip
# A user's picture is cut to its alpha; its axis as shares of width and height, and the axis' length in cm.
_OWN_AXIS = {
    "sunglasses": ((0.25, 0.5), (0.75, 0.5), 7.0),
    "mask": ((0.0, 0.5), (1.0, 0.5), 17.5),
    "phone": ((0.5, 0.0), (0.5, 1.0), 15.0),
    "hand": ((0.5, 1.0), (0.5, 0.0), 18.0),
    "cup": ((0.5, 0.0), (0.5, 1.0), 11.0),
}


class Library:
    """Cut-outs to pick from. folder: RGBA PNG files <kind>*.png, or sub-folders by kind, used beside the drawn ones."""

    def __init__(self, seed: int, folder: Path | None = None) -> None:
        self._seed = seed
        self._own = find_own(folder) if folder else {}

    def pick(self, rng: np.random.Generator) -> Cutout:
        """A cut-out of a random kind; a kind with pictures of the user's own gives one of them half the time."""
        kind = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
        own = self._own.get(kind, [])
        if own and rng.random() < 0.5:
            return read_cutout(own[rng.integers(len(own))], kind)
        return drawn_cutout(kind, self._seed, int(rng.integers(VARIANTS)))


@cache
def drawn_cutout(kind: str, seed: int, variant: int) -> Cutout:
    """One of the drawn cut-outs of a kind."""
    return _DRAW[kind](np.random.default_rng([seed, zlib.crc32(kind.encode()), variant]))


@lru_cache(maxsize=64)
def read_cutout(path: Path, kind: str) -> Cutout:
    """A user's picture. RarError unless it is an image with an alpha channel that shows something."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        raise RarError(f"{path}: not an 8-bit RGBA picture: save it with an alpha channel or remove it")
    rows, columns = np.nonzero(image[..., 3] > 127)
    if len(rows) < 64:
        raise RarError(f"{path}: hardly anything in it is opaque: correct its alpha channel or remove it")
    image = _at_most(image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1], _OWN_SIZE)
    extent = np.array([image.shape[1] - 1, image.shape[0] - 1], np.float64)
    start, end, length = _OWN_AXIS[kind]
    axis = np.array([start, end]) * extent
    skin = np.asarray(image[..., 3]) if kind == "hand" else None
    return Cutout(kind, premultiply(image), axis, float(np.linalg.norm(axis[1] - axis[0])) / length, skin)


def _at_most(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    factor = longest / max(image.shape[:2])
    if factor >= 1:
        return image
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))


def find_own(folder: Path) -> dict[str, list[Path]]:
    """A user's cut-outs by kind; RarError when there are none or one is unusable."""
    if not folder.is_dir():
        raise RarError(f"no folder of occluders at {folder}")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".png")
    own: dict[str, list[Path]] = {}
    for path in files:
        kind = next((kind for kind in KINDS if path.parent.name == kind or path.name.lower().startswith(kind)), None)
        if kind is not None:
            own.setdefault(kind, []).append(path)
            read_cutout(path, kind)
    if not own:
        raise RarError(f"{folder} holds no <kind>*.png, kind one of {', '.join(KINDS)}")
    return own
