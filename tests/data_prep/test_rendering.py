"""The copies of a face: plain, mirrored, augmented, occluded."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from data_prep.augmentation import PLAIN, Augmentation, draw_pose
from data_prep.records import FaceRecord
from data_prep.rendering import CropSettings, Row, render_face
from data_prep.w300 import scan
from layers.common.datum import decode
from layers.common.schemes import SCHEME_5, SCHEME_29, SCHEME_68
from layers.common.shapes import affine_apply, mirror_shape, pupil_distance


def picture(row: Row) -> NDArray[np.float64]:
    return np.asarray(cv2.imdecode(np.frombuffer(decode(row.datum).data, np.uint8), cv2.IMREAD_COLOR), np.float64)


def copies(record: FaceRecord, augmentation: Augmentation, size: int = 96, seed: int = 0) -> list[Row]:
    settings = CropSettings(size, 1.4, augmentation, seed)
    return render_face(record, np.arange(augmentation.copies), settings, SCHEME_68)


@pytest.fixture
def record(raw: Path) -> FaceRecord:
    return scan(raw, ["train"], "detector")[0].records[0]


def test_first_copy_is_plain(record: FaceRecord) -> None:
    row = copies(record, Augmentation(copies=3, occluded=1.0))[0]
    alone = copies(record, PLAIN)[0]
    assert row.datum == alone.datum
    assert (row.copy, row.mirrored, row.occluded.any()) == (0, 0, False)
    np.testing.assert_array_equal(row.image_shape, record.shape)
    np.testing.assert_array_equal(row.box, record.box)


def test_every_copy_agrees_with_itself(record: FaceRecord) -> None:
    for row in copies(record, Augmentation(copies=8)):
        back = affine_apply(row.crop_to_image, row.shape.astype(np.float64))
        np.testing.assert_allclose(back, row.image_shape, atol=1e-4)
        stored = decode(row.datum)
        assert (stored.label, stored.channels, stored.height, stored.width) == (row.row, 3, 96, 96)
        assert row.normaliser[0] == pytest.approx(float(pupil_distance(record.shape, SCHEME_68)))
        assert row.mirrored == row.copy % 2


def test_the_dots_stay_on_the_landmarks(record: FaceRecord) -> None:
    """Rotated, scaled, shifted and mirrored: every landmark inside the crop is brighter than what is round it."""
    for row in copies(record, Augmentation(copies=8, occluded=0.0), size=256):
        grey = cv2.GaussianBlur(picture(row).mean(axis=2), (0, 0), 1.0)
        inside = row.shape[((row.shape > 3) & (row.shape < 252)).all(axis=1)]
        assert len(inside) > 45
        x, y = np.round(inside).astype(int).T
        assert np.median(grey[y, x]) > 225
        assert (grey[y, x] > 190).mean() > 0.97


def test_mirror_of_the_mirror(record: FaceRecord) -> None:
    plain, mirrored = copies(record, Augmentation(copies=2, rotation=0, scale=0, shift=0, occluded=0))
    back = mirror_shape(mirrored.shape, SCHEME_68, 96)
    np.testing.assert_allclose(back, plain.shape, atol=1e-3)
    difference = np.abs(picture(mirrored)[:, ::-1] - picture(plain))
    assert difference.mean() < 1.5
    width = 150
    np.testing.assert_allclose(mirror_shape(mirrored.image_shape, SCHEME_68, width), record.shape)
    np.testing.assert_allclose(mirrored.box[[0, 2]], width - 1 - record.box[[2, 0]])


@pytest.mark.parametrize("scheme", [SCHEME_68, SCHEME_29, SCHEME_5], ids=lambda scheme: scheme.name)
def test_mirror_tables_are_their_own_inverse(scheme: object) -> None:
    mirror = np.array(scheme.mirror)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))


def test_chance_depends_on_seed_and_name_only(record: FaceRecord) -> None:
    augmentation = Augmentation(copies=5, occluded=1.0)
    rows = copies(record, augmentation)
    assert [row.datum for row in rows] == [row.datum for row in copies(record, augmentation)]
    fewer = copies(record, Augmentation(copies=3, occluded=1.0))
    assert [row.shape.tobytes() for row in fewer] == [row.shape.tobytes() for row in rows[:3]]
    assert rows[1].datum != copies(record, augmentation, seed=1)[1].datum


def test_poses_keep_to_their_limits() -> None:
    settings = Augmentation()
    poses = [draw_pose(settings, copy, np.random.default_rng([1, copy])) for copy in range(2000)]
    angles = np.array([pose.angle for pose in poses])
    shifts = np.array([pose.shift for pose in poses])
    scales = np.log([pose.scale for pose in poses])
    assert 29 < np.abs(angles).max() <= 30
    assert 0.14 < np.abs(scales).max() <= 0.15
    assert 0.077 < np.abs(shifts).max() <= 0.08
    assert np.mean([pose.mirrored for pose in poses]) == 0.5
    assert 0.36 < np.mean([pose.occluded for pose in poses]) < 0.44
