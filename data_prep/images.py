"""Reading photographs of every kind as 8-bit colour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.containers import fault, webp_orientation
from layers.common.errors import RarError

Image = NDArray[np.uint8]

# Annotations count pixels as stored: a camera's orientation tag must not turn the image under them.
_COLOUR = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_SMALL = cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION

_OVERSHOOT = 0.03  # of values stored as fractions: their compression is not exact
# What makes an image upright, by Exif's orientation.
_TURNS: dict[int, Callable[[Image], Image]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: image.transpose(1, 0, 2)[:, ::-1],
    7: lambda image: image.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda image: image.transpose(1, 0, 2)[::-1],
}


class StoredImage(Protocol):
    """A photograph inside a larger file; str() names the file and the place in it."""

    def read(self) -> Image:
        """The photograph (H, W, 3) BGR; RarError when it cannot be had."""


Source = Path | StoredImage


def read_image(source: Source) -> Image:
    """The photograph (H, W, 3) BGR. RarError when it is missing, truncated or no image."""
    return _decoded(_stored(source), str(source), _COLOUR) if isinstance(source, Path) else source.read()


def read_upright(path: Path) -> Image:
    """The photograph (H, W, 3) BGR, turned as its orientation tag says; grey, 16-bit and RGBA files as 8-bit colour.

    RarError as `read_image`.
    """
    return decode_upright(_stored(path), str(path))


def decode_upright(stored: bytes, name: str) -> Image:
    """`read_upright` of a file in memory, called `name` in errors."""
    image = _decoded(stored, name, cv2.IMREAD_COLOR)
    turn = _TURNS.get(webp_orientation(stored))
    return image if turn is None else np.ascontiguousarray(turn(image))


def check_image(source: Source) -> tuple[int, int]:
    """Read all of it, a file at an eighth of its size, which is quicker: width and height to within 8 px."""
    if not isinstance(source, Path):
        height, width = source.read().shape[:2]
        return width, height
    height, width = _decoded(_stored(source), str(source), _SMALL).shape[:2]
    return 8 * width, 8 * height


def _stored(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a pipe may never end
            raise RarError(f"{path}: a folder or a device, not a file: replace it")
        return path.read_bytes()
    except OSError as error:
        raise RarError(f"{path}: unreadable ({error.strerror}): replace it") from None


def _decoded(stored: bytes, name: str, mode: int) -> Image:
    if wrong := fault(stored):
        raise RarError(f"{name}: {wrong}: replace it")
    try:
        image = cv2.imdecode(np.frombuffer(stored, np.uint8), mode | cv2.IMREAD_ANYDEPTH) if stored else None
    except cv2.error as error:  # a size beyond OpenCV's limits
        raise RarError(f"{name}: OpenCV refuses it ({error.err}): make it smaller, or save it anew") from None
    if image is None or not image.size:
        raise RarError(f"{name}: no image can be read from it: replace it")
    try:
        return as_bytes(image)
    except ValueError as error:
        raise RarError(f"{name}: {error}: save it with 8 bits") from None


def as_bytes(image: NDArray[Any]) -> Image:
    """Values of any depth as 0 ... 255.

    Whole numbers of 16 bits count to 255, 1023, 4095, 16383 or 65535, the first of these that none exceeds: cameras and
    scanners store 10, 12 and 14 bits so. Fractions count to 1 or to 255. ValueError for others, with their range.
    """
    if image.dtype == np.uint8:
        return np.asarray(image, np.uint8)
    lowest, highest = float(image.min()), float(image.max())
    if image.dtype == np.uint16:
        bits = next(bits for bits in (8, 10, 12, 14, 16) if highest < 1 << bits)
        return np.asarray(image >> (bits - 8), np.uint8)
    top = 1 if highest <= 1 + _OVERSHOOT else 255
    if not (lowest >= -_OVERSHOOT * top and highest <= (1 + _OVERSHOOT) * top):  # NaN is not
        raise ValueError(f"its values go from {lowest:g} to {highest:g}, not from 0 to 1 or 255")
    return np.asarray(np.clip(np.rint(image * (255 / top)), 0, 255), np.uint8)
