"""Pose of drawn heads whose pose is known: of the mean face exactly, of other people's to a few degrees."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from data_prep.synthetic_faces import landmarks
from data_prep.synthetic_faces.model import Expression, Identity
from data_prep.synthetic_faces.pose import Pose, rotation
from data_prep.synthetic_faces.surface import Surface
from layers.common.schemes import FIVE_OF_68
from tools.common.pose import angles, head_pose, mean_face


def head(identity: Identity, expression: Expression, turned: tuple[float, float, float]) -> np.ndarray:
    """The 68 landmarks of a head, px."""
    surface, drawn = Surface(identity, expression), landmarks.features(identity, expression)
    return landmarks.image_points(surface, drawn, Pose(*turned, scale=60, shift=(300, 200), perspective=0.03))


def five(points: np.ndarray) -> np.ndarray:
    return np.stack([points[list(indices)].mean(axis=0) for indices in FIVE_OF_68])


@pytest.mark.parametrize("turned", [(0, 0, 0), (30, 0, 0), (0, -20, 0), (0, 0, 25), (-50, 15, -20), (60, -10, 150)])
def test_angles_of_a_rotation(turned: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(angles(rotation(*turned)), turned, atol=1e-9)


@pytest.mark.parametrize("turned", [(0, 0, 0), (40, 0, 0), (0, 20, 0), (0, 0, 30), (-35, -12, -20)])
def test_the_mean_face_in_any_pose(turned: tuple[float, float, float]) -> None:
    """Exact but for the camera's distance, which is another one."""
    points = head(Identity(), Expression(), turned)
    for shape, scheme in ((points, "68"), (five(points), "5")):
        found = head_pose(shape, scheme)
        assert found is not None
        np.testing.assert_allclose(found, turned, atol=1.5)


def test_signs_as_they_are_said() -> None:
    """The nose to the right of the picture; down; the head clockwise: the right eye lower."""
    straight = head(Identity(), Expression(), (0, 0, 0))
    right, down, clockwise = (head(Identity(), Expression(), turned) for turned in ((30, 0, 0), (0, 15, 0), (0, 0, 20)))
    middle = straight[[36, 45], 0].mean()
    assert right[30, 0] - right[[36, 45], 0].mean() > straight[30, 0] - middle
    assert down[30, 1] - down[[36, 45], 1].mean() > straight[30, 1] - straight[[36, 45], 1].mean()
    assert clockwise[45, 1] > clockwise[36, 1] + 5


@pytest.mark.parametrize(("scheme", "most"), [("68", 3), ("5", 4)])
def test_other_people_to_within_a_few_degrees(scheme: str, most: float) -> None:
    rng, errors = np.random.default_rng(0), []
    for _ in range(120):
        turned = (float(rng.uniform(-60, 60)), float(rng.uniform(-25, 25)), float(rng.uniform(-30, 30)))
        points = head(Identity.sample(rng), Expression.sample(rng, 1), turned)
        found = head_pose(five(points) if scheme == "5" else points, scheme)
        assert found is not None
        errors.append(np.abs(np.array(found) - turned))
    assert (np.median(errors, axis=0) < most).all()
    assert (np.percentile(errors, 90, axis=0) < 9).all()


def test_neither_place_nor_size_nor_the_picture_matters() -> None:
    points = head(Identity(), Expression(), (20, 5, 10))
    moved, here = head_pose(3 * points + np.array([1000.0, -500.0]), "68"), head_pose(points, "68")
    assert moved is not None and here is not None
    np.testing.assert_allclose(moved, here, atol=0.01)


def test_what_has_no_pose() -> None:
    assert head_pose(np.zeros((29, 2)), "29") is None and mean_face("twelve") is None
    heap = head_pose(np.full((68, 2), 5.0), "68")
    assert heap is None or np.isfinite(heap).all()


def test_opencv_agrees_on_the_mean_faces_axes() -> None:
    """A right-handed rotation by OpenCV's Rodrigues about the upright axis is a yaw."""
    turn = cv2.Rodrigues(np.array([[0.0], [np.radians(25)], [0.0]]))[0]
    flip = np.diag([1.0, 1.0, -1.0])
    assert abs(abs(angles(flip @ turn @ flip).yaw) - 25) < 1e-6
