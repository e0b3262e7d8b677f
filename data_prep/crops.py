"""Square face crops and their transforms. Pixel centres lie at integer coordinates, in the image as in the crop."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.images import Image
from layers.common.shapes import affine_compose

Matrix = NDArray[np.float64]

# Beyond the image its edge goes on: a black border would draw lines across faces that no camera sees.
_BORDER = cv2.BORDER_REPLICATE


def crop_side(box: NDArray[np.floating], margin: float) -> float:
    """Side in image px of the square crop of a box x0 y0 x1 y1: margin times its longer side."""
    return float(margin * max(box[2] - box[0], box[3] - box[1]))


def crop_transform(
    box: NDArray[np.floating],
    margin: float,
    size: int,
    angle: float = 0.0,
    scale: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Matrix:
    """Image px -> crop px (2, 3): the square round the box's centre, turned and scaled, to size x size pixels.

    angle: degrees, counter-clockwise as seen. scale: of the face in the crop. shift: of the square, in sides of
    the box.
    """
    longer = max(box[2] - box[0], box[3] - box[1])
    centre = np.array([(box[0] + box[2]) / 2 + shift[0] * longer, (box[1] + box[3]) / 2 + shift[1] * longer])
    zoom = scale * size / crop_side(box, margin)
    cos, sin = zoom * math.cos(math.radians(angle)), zoom * math.sin(math.radians(angle))
    linear = np.array([[cos, sin], [-sin, cos]])
    return np.concatenate([linear, ((size - 1) / 2 - linear @ centre)[:, None]], axis=1)


def mirror_transform(width: int) -> Matrix:
    """Px of an image `width` wide -> px of its mirror image (2, 3)."""
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]])


def shrinkage(image_to_crop: Matrix) -> float:
    """Image pixels per crop pixel along one side; over 1 where the crop shrinks the image."""
    return float(1 / math.sqrt(abs(np.linalg.det(image_to_crop[:, :2]))))


def reduce_image(image: Image, factor: int, border: int = _BORDER) -> tuple[Image, Matrix]:
    """The image with each factor x factor block averaged to one pixel, and its px -> image px (2, 3)."""
    if factor <= 1:
        return image, np.eye(2, 3)
    height, width = (-(-length // factor) * factor for length in image.shape[:2])
    whole = cv2.copyMakeBorder(image, 0, height - image.shape[0], 0, width - image.shape[1], border)
    small = cv2.resize(whole, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    offset = (factor - 1) / 2
    return np.asarray(small, np.uint8), np.array([[factor, 0.0, offset], [0.0, factor, offset]])


def cut_crop(image: Image, image_to_crop: Matrix, size: int) -> Image:
    """The crop (size, size, 3): bilinear where it enlarges, averaged over each crop pixel where it shrinks.

    The border of the image is replicated.
    """
    image, reduced_to_image = reduce_image(image, int(shrinkage(image_to_crop)))
    return warp(image, affine_compose(image_to_crop, reduced_to_image), size)


def warp(image: Image, image_to_crop: Matrix, size: int, border: int = _BORDER) -> Image:
    """`cut_crop` for an image that is at most about twice too fine for the crop."""
    finer = 1 if shrinkage(image_to_crop) <= 1.05 else 2
    to_finer = affine_compose(np.array([[finer, 0.0, (finer - 1) / 2], [0.0, finer, (finer - 1) / 2]]), image_to_crop)
    crop = cv2.warpAffine(image, to_finer, (size * finer, size * finer), flags=cv2.INTER_LINEAR, borderMode=border)
    if finer > 1:
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)
