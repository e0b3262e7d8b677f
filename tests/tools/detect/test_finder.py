"""Where the faces are, at any size of the picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from layers.common.errors import RarError
from tools.detect.finder import FaceFinder

Array = np.ndarray


@pytest.fixture(scope="module")
def portrait() -> Array:
    """A face of 90 px in the middle of the upper half."""
    return np.asarray(cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR))


def middle(box: Array) -> Array:
    return np.asarray((box[:2] + box[2:]) / 2)


def test_a_face_is_found(finder: FaceFinder, portrait: Array) -> None:
    (box,) = finder.find(portrait)
    np.testing.assert_allclose(middle(box), (224, 128), atol=12)
    assert 70 < box[2] - box[0] < 110
    assert finder.find(np.full((200, 200, 3), 128, np.uint8)).shape == (0, 4)


def test_several_faces_come_largest_first(finder: FaceFinder, portrait: Array) -> None:
    small = cv2.resize(portrait, None, fx=0.6, fy=0.6)
    canvas = np.full((512, 900, 3), 120, np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    canvas[:, 388:] = portrait
    first, second = finder.find(canvas)
    np.testing.assert_allclose(middle(first), (388 + 224, 128), atol=12)
    np.testing.assert_allclose(middle(second), (0.6 * 224, 0.6 * 128), atol=12)


@pytest.mark.parametrize("share", [0.02, 0.25])
def test_a_face_in_a_huge_picture(share: float, finder: FaceFinder, portrait: Array) -> None:
    """4,000 px wide; the small face is seen only in the second, closer look."""
    scale = share * 4000 / 90
    face = cv2.resize(portrait, None, fx=scale, fy=scale)
    canvas = np.full((max(3000, face.shape[0]), max(4000, face.shape[1]), 3), 120, np.uint8)
    canvas[: face.shape[0], : face.shape[1]] = face
    box = finder.find(canvas)[0]
    np.testing.assert_allclose(middle(box), (224 * scale, 128 * scale), atol=0.2 * 90 * scale)


def test_a_face_cut_by_the_border(finder: FaceFinder, portrait: Array) -> None:
    (box,) = finder.find(np.ascontiguousarray(portrait[105:, 190:]))
    np.testing.assert_allclose(middle(box), (224 - 190, 128 - 105), atol=25)


def test_without_the_finder_it_says_what_to_make(tmp_path: Path) -> None:
    with pytest.raises(RarError, match="run make finder, or give the boxes"):
        FaceFinder(tmp_path)
