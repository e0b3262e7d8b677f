"""What is drawn on a picture: the shape where it is, labels beside the centres, nothing lost at any size."""

from __future__ import annotations

import numpy as np
import pytest

from layers.common.schemes import SCHEME_68
from tests.data_prep.conftest import face_shape
from tools.detect import Face
from tools.detect.overlay import overlay
from tools.draw.chain import label_places

Array = np.ndarray
GREY = 120


def face(size: float, centres: list[int]) -> Face:
    """A face with eyes `size` px apart in the middle of a picture of `picture(size)`, which came from the left."""
    shape = face_shape((4 * size, 3 * size), size)
    stages = np.stack([shape - (0.2 * size * (1 - t / 15), 0) for t in range(16)])
    return Face(np.array([0, 0, size, size]), shape, np.ones(68), shape, stages, np.array(centres))


def picture(size: float) -> Array:
    return np.full((round(6 * size), round(8 * size), 3), GREY, np.uint8)


@pytest.mark.parametrize("size", [20, 70, 400])
def test_every_landmark_is_marked_at_every_size(size: float) -> None:
    found, image = face(size, [30] * 15), picture(size)
    for trace in (False, True):
        drawn = overlay(image, [found], SCHEME_68, trace=trace)
        x, y = np.rint(found.points).astype(int).T
        assert (np.abs(drawn[y, x].astype(int) - GREY).max(-1) > 40).all()
        assert (drawn == GREY).all(-1).mean() > 0.7, "the picture itself stays to be seen"
    assert (image == GREY).all()


def test_a_trace_brightens_from_the_first_stage_to_the_last() -> None:
    found, image = face(400, [30] * 15), picture(400)
    plain, traced = (overlay(image, [found], SCHEME_68, trace=trace).astype(int) for trace in (False, True))
    chin = found.stages[:, 8]
    brightness = [traced[round(y), round(x)].sum() for x, y in chin[[2, 7, 12]]]
    assert brightness[0] < brightness[1] < brightness[2]
    start = np.rint(found.stages[0, 8] + (2, 0)).astype(int)
    assert np.abs(traced[start[1], start[0]] - GREY).max() > 40 and np.abs(plain[start[1], start[0]] - GREY).max() == 0


def test_labels_keep_clear_of_each_other_and_stay_on_the_picture() -> None:
    points = face_shape((300, 200), 100)[[30, 33, 34, 27, 48, 51, 62, 8]]
    places = label_places(points, points.mean(0), 400, (600, 420))
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)[~np.eye(len(points), dtype=bool)]
    assert apart.min() > 0.06 * 400
    assert (places >= 16).all() and (places <= (584, 404)).all()


def test_shapes_off_the_picture_do_no_harm() -> None:
    found = face(70, [0, 16, 8] * 5)
    far = found._replace(points=found.points + 1e7, stages=found.stages + 1e7)
    near = found._replace(points=found.points - (270, 100), stages=found.stages - (270, 100))
    for one in (far, near):
        assert overlay(picture(70), [one], SCHEME_68, trace=True).shape == (420, 560, 3)
