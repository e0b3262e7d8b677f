"""Reading photographs, and telling a whole file from a truncated one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from layers.common.errors import RarError

Image = NDArray[np.uint8]

# Annotations count pixels as stored: a camera's orientation tag must not turn the image under them.
_COLOUR = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_SMALL = cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION


class StoredImage(Protocol):
    """A photograph inside a larger file; str() names the file and the place in it."""

    def read(self) -> Image:
        """The photograph (H, W, 3) BGR; RarError when it cannot be had."""


Source = Path | StoredImage


def read_image(source: Source) -> Image:
    """The photograph (H, W, 3) BGR. RarError when it is missing, truncated or no image."""
    return _decode(source, _COLOUR) if isinstance(source, Path) else source.read()


def read_upright(path: Path) -> Image:
    """The photograph (H, W, 3) BGR, turned as its orientation tag says; grey, 16-bit and RGBA files as 8-bit colour.

    RarError as `read_image`.
    """
    return _decode(path, cv2.IMREAD_COLOR)


def decode_upright(stored: bytes, name: str) -> Image:
    """`read_upright` of a file in memory, called `name` in errors."""
    return _decoded(stored, name, cv2.IMREAD_COLOR)


def check_image(source: Source) -> tuple[int, int]:
    """Read all of it, a file at an eighth of its size, which is quicker: width and height to within 8 px."""
    if not isinstance(source, Path):
        height, width = source.read().shape[:2]
        return width, height
    height, width = _decode(source, _SMALL).shape[:2]
    return 8 * width, 8 * height


def _decode(path: Path, mode: int) -> Image:
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise RarError(f"{path}: unreadable ({error.strerror}): replace it") from None
    return _decoded(stored, str(path), mode)


def _decoded(stored: bytes, name: str, mode: int) -> Image:
    if is_truncated(stored):
        raise RarError(f"{name}: truncated, the file has no end mark: replace it")
    try:
        image = cv2.imdecode(np.frombuffer(stored, np.uint8), mode) if stored else None
    except cv2.error as error:  # a size beyond OpenCV's limits
        raise RarError(f"{name}: OpenCV refuses it ({error.err}): make it smaller, or save it anew") from None
    if image is None:
        raise RarError(f"{name}: no image can be read from it: replace it")
    return np.asarray(image, np.uint8)


def is_truncated(stored: bytes) -> bool:
    """True when a JPEG or PNG has no end mark: the decoders fill what is missing with grey and say nothing."""
    if stored.startswith(b"\xff\xd8"):
        return stored.rfind(b"\xff\xd9") < stored.rfind(b"\xff\xda")  # end of image after the last start of scan
    if stored.startswith(b"\x89PNG"):
        return b"IEND" not in stored[-64:]
    return False
