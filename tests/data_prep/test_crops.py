"""Crops: where landmarks go, to a fraction of a pixel, enlarged, shrunk, turned, mirrored and at the border."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from data_prep.crops import Matrix, crop_side, crop_transform, cut_crop, mirror_transform, shrinkage
from layers.common.shapes import affine_apply, affine_compose

DOTS = np.array([(300.25, 240.5), (420.0, 260.75), (360.5, 330.0), (310.0, 400.25), (415.75, 395.5)])
BOX = np.array([270.0, 210.0, 450.0, 430.0])


def photograph(radius: float) -> NDArray[np.uint8]:
    image = np.full((640, 720, 3), 40, np.uint8)
    for x, y in DOTS:
        cv2.circle(image, (round(x * 256), round(y * 256)), round(radius * 256), (240, 240, 240), -1, cv2.LINE_AA, 8)
    return image


def centroid(crop: NDArray[np.uint8], near: NDArray[np.floating], reach: int) -> NDArray[np.float64]:
    """Centre of brightness of the dot near a place."""
    x, y = np.round(near).astype(int)
    patch = crop[y - reach : y + reach + 1, x - reach : x + reach + 1, 1].astype(float) - 40
    rows, columns = np.mgrid[y - reach : y + reach + 1, x - reach : x + reach + 1]
    return np.array([(patch * columns).sum(), (patch * rows).sum()]) / patch.sum()


def found_at(matrix: Matrix, size: int, radius: float) -> float:
    """The largest distance, px, of a dot in the crop from where the transform puts it."""
    crop = cut_crop(photograph(radius), matrix, size)
    assert crop.shape == (size, size, 3)
    reach = int(radius / shrinkage(matrix)) + 3
    return max(float(np.abs(centroid(crop, place, reach) - place).max()) for place in affine_apply(matrix, DOTS))


@pytest.mark.parametrize("size", [640, 256, 200, 128, 77, 60])  # from twice as large to five times as small
@pytest.mark.parametrize("angle", [0.0, 24.0])
def test_dots_are_where_the_transform_says(size: int, angle: float) -> None:
    matrix = crop_transform(BOX, 1.4, size, angle=angle, scale=0.96, shift=(0.03, -0.02))
    assert found_at(matrix, size, radius=max(2.5, 1.5 * shrinkage(matrix))) < 0.1


@pytest.mark.parametrize("size", [256, 90])
def test_dots_in_the_mirror_image(size: int) -> None:
    mirrored_box = np.array([719 - BOX[2], BOX[1], 719 - BOX[0], BOX[3]])
    matrix = affine_compose(crop_transform(mirrored_box, 1.5, size, angle=-10), mirror_transform(720))
    assert found_at(matrix, size, radius=max(2.5, 1.5 * shrinkage(matrix))) < 0.1


def test_the_plain_crop_is_the_box_times_margin() -> None:
    assert crop_side(BOX, 1.4) == pytest.approx(1.4 * 220)
    matrix = crop_transform(BOX, 1.4, 256)
    corners = affine_apply(matrix, np.array([(360.0 - 154, 320.0 - 154), (360.0 + 154, 320.0 + 154), (360.0, 320.0)]))
    np.testing.assert_allclose(corners, [(-0.5, -0.5), (255.5, 255.5), (127.5, 127.5)], atol=1e-9)


def test_angle_scale_and_shift() -> None:
    centre = np.array([360.0, 320.0])
    turned = affine_apply(crop_transform(BOX, 1.0, 221, angle=90), centre + [(10.0, 0.0)])[0]
    np.testing.assert_allclose(turned, (110, 110 - 10 * 221 / 220))  # counter-clockwise as seen
    grown = affine_apply(crop_transform(BOX, 1.0, 221, scale=1.5), centre + [(10.0, 0.0)])[0]
    np.testing.assert_allclose(grown, (110 + 15 * 221 / 220, 110))
    shifted = affine_apply(crop_transform(BOX, 1.0, 221, shift=(0.1, 0)), centre[None])[0]
    np.testing.assert_allclose(shifted, (110 - 0.1 * 221, 110))


def test_shrinking_averages() -> None:
    """A fine chessboard becomes even grey, not a pattern."""
    board = ((np.indices((512, 512)).sum(axis=0) % 2) * 255).astype(np.uint8)
    image = np.repeat(board[..., None], 3, axis=2)
    for size in (300, 200, 100, 37):
        crop = cut_crop(image, crop_transform(np.array([0.0, 0, 511, 511]), 0.9, size), size)
        assert crop.std() < 12, size
        assert abs(crop.mean() - 127.5) < 3, size


def test_faces_at_the_border() -> None:
    """What lies beyond the image repeats its edge."""
    image = np.zeros((100, 120, 3), np.uint8)
    image[:, :60] = (10, 20, 30)
    image[:, 60:] = (200, 210, 220)
    crop = cut_crop(image, crop_transform(np.array([90.0, 60, 140, 110]), 1.4, 64), 64)
    assert (crop == (200, 210, 220)).all()
    crop = cut_crop(image, crop_transform(np.array([-500.0, -500, 600, 600]), 1.4, 64), 64)
    assert (crop[:, :20] == (10, 20, 30)).all()
    assert (crop[:, -20:] == (200, 210, 220)).all()
