"""What a caller of Detector may give as an image and as boxes, and the one line that refuses the rest."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from data_prep.images import Image, read_upright
from data_prep.pts import FARTHEST
from layers.common.errors import RarError
from layers.common.shapes import FloatArray

SMALLEST = 1.0  # px, of the sides of a box in a file; a face that is followed may shrink below


def as_image(given: Any) -> Image:
    """The pixels (H, W, 3), BGR, of an array of that kind, of a file by its path, or of a picture of Pillow's.

    Files and Pillow's pictures are turned as their orientation tag says. RarError for anything else.
    """
    if isinstance(given, str | os.PathLike):
        return read_upright(Path(given))
    if type(given).__module__.partition(".")[0] == "PIL":
        from PIL import ImageOps  # it is there, as the picture is

        return np.ascontiguousarray(np.asarray(ImageOps.exif_transpose(given).convert("RGB"))[..., ::-1])
    check_image(given)
    return np.asarray(given)


def check_image(image: Any) -> None:
    """RarError unless it is an array (H, W, 3) of 8 bits with pixels in it."""
    if not isinstance(image, np.ndarray):
        raise RarError(f"an image is an array, a path or a picture of Pillow's, not {_kind(image)}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise RarError(f"an image is (height, width, 3) of 8 bits, BGR, not {image.shape} of {image.dtype}")


def checked_box(given: Any) -> list[float]:
    """One box as a list of x0 y0 x1 y1; RarError unless it is four numbers with an area. An error given is raised."""
    if isinstance(given, RarError):
        raise given
    try:
        if isinstance(given, str | dict):  # their letters and keys are no box
            raise TypeError
        box = [float(value) for value in given]
    except (TypeError, ValueError, OverflowError):
        raise RarError(f"a box is four numbers, x0 y0 x1 y1, not {_short(given)}") from None
    if len(box) != 4:
        raise RarError(f"a box is four numbers, x0 y0 x1 y1, not {len(box)}")
    if not all(abs(value) < FARTHEST for value in box):  # NaN is not
        raise RarError(f"the box {_words(box)} is not on any picture: numbers are px, under {FARTHEST:,.0f}")
    if box[2] - box[0] < SMALLEST or box[3] - box[1] < SMALLEST:
        raise RarError(f"the box {_words(box)} has no area: give x0 y0 x1 y1, {SMALLEST:g} px or more wide and high")
    return box


def checked_boxes(boxes: ArrayLike, image: Image) -> FloatArray:
    """Boxes as (n, 4) float64; RarError unless each is four numbers, has an area and touches the image."""
    check_image(image)
    try:
        given = np.asarray(boxes, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise RarError(f"boxes are rows of four numbers, x0 y0 x1 y1, not {_short(boxes)}") from None
    if given.size == 0:
        return np.empty((0, 4))
    if given.ndim != 2 or given.shape[1] != 4:
        raise RarError(f"boxes are (n, 4), x0 y0 x1 y1, not {given.shape}")
    height, width = image.shape[:2]
    x0, y0, x1, y1 = given.T
    bad = ~((x1 > x0) & (y1 > y0) & (x0 < width) & (y0 < height) & (x1 > 0) & (y1 > 0))  # NaN is bad too
    bad |= ~(np.abs(given) < FARTHEST).all(axis=1)
    if bad.any():
        box = _words(given[bad.argmax()])
        raise RarError(f"the box {box} has no area or lies off the image of {width} x {height} px")
    return given


def usable_boxes(boxes: Iterable[Iterable[float]], image: Image) -> tuple[FloatArray, list[str]]:
    """Those of one image's boxes that `checked_boxes` takes (n, 4), and why not for each other."""
    kept, problems = [], []
    for box in boxes:
        try:
            kept.append(checked_boxes([list(box)], image))
        except RarError as error:
            problems.append(str(error))
    return np.concatenate(kept) if kept else np.empty((0, 4)), problems


def _words(box: Iterable[float]) -> str:
    return " ".join(f"{value:g}" for value in box)


def _kind(given: Any) -> str:
    return "None" if given is None else f"a {type(given).__name__}"


def _short(given: Any) -> str:
    words = repr(given)
    return words if len(words) < 80 else f"{words[:76]} ..."
