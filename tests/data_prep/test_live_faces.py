"""Live augmentation: which crop a sample is, and that its landmarks are where its pixels are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from data_prep import prepare_300w
from data_prep.live.faces import LiveFaces, copy_number
from layers.common.errors import RarError
from layers.common.shapes import affine_apply, mirror_shape, similarity_fit


@pytest.fixture(scope="module")
def faces(prepared_live: Path) -> LiveFaces:
    return LiveFaces(prepared_live / "train", seed=1)


def test_every_face_once_an_epoch_in_another_order(faces: LiveFaces) -> None:
    n = len(faces)
    orders = [[faces.visit(epoch * n + place)[0] for place in range(n)] for epoch in range(4)]
    for order in orders:
        assert sorted(order) == list(range(n))
    assert len({tuple(order) for order in orders}) == 4
    assert {faces.visit(epoch * n + place)[1] for epoch in (2,) for place in range(n)} == {2}


def test_every_copy_once_and_half_of_them_mirrored() -> None:
    names = [f"helen/trainset/{number}" for number in range(400)]
    for name in names[:20]:
        assert sorted(copy_number(name, visit) for visit in range(10)) == list(range(1, 11))
    for visit in range(4):
        mirrored = Counter(copy_number(name, visit) % 2 for name in names)
        assert 160 < mirrored[1] < 240
    for name in names:
        assert sum(copy_number(name, visit) % 2 for visit in (6, 7)) == 1


def test_a_sample_is_the_same_whoever_draws_it(faces: LiveFaces, prepared_live: Path) -> None:
    images, shapes = faces.batch(7, 5)
    other = LiveFaces(prepared_live / "train", seed=1)
    for i in reversed(range(5)):
        crop = other.draw(7 + i)
        np.testing.assert_array_equal(crop.image, images[i])
        np.testing.assert_array_equal(crop.shape, shapes[i])


def test_another_seed_epoch_or_phase_is_another_crop(faces: LiveFaces, prepared_live: Path) -> None:
    def of_row(samples: LiveFaces, epoch: int, row: int = 3) -> bytes:
        found = [s for s in range(epoch * len(samples), (epoch + 1) * len(samples)) if samples.visit(s)[0] == row]
        (sample,) = found
        return samples.draw(sample).image.tobytes()

    others = [LiveFaces(prepared_live / "train", seed=2), LiveFaces(prepared_live / "train", 1, 1_000_000)]
    crops = [*(of_row(faces, epoch) for epoch in range(4)), *(of_row(other, 0) for other in others)]
    assert len(set(crops)) == 6


def test_without_a_seed_it_is_that_of_the_data(prepared_live: Path) -> None:
    np.testing.assert_array_equal(
        LiveFaces(prepared_live / "train").draw(3).image, LiveFaces(prepared_live / "train", 0).draw(3).image
    )


def test_the_dots_stay_on_the_landmarks(raw: Path, tmp_path: Path) -> None:
    """However it is turned, enlarged, shifted and mirrored: the white dots of the photograph are at the landmarks."""
    options = f"--raw {raw} --sets train --crop-size 256 --centres 3 --workers 0 --augment live --occluded 0"
    result = CliRunner().invoke(prepare_300w.main, [*options.split(), "--out", str(tmp_path / "data")])
    assert result.exception is None
    faces = LiveFaces(tmp_path / "data" / "train", seed=1)
    for sample in range(4 * len(faces)):
        crop = faces.draw(sample)
        grey = cv2.GaussianBlur(crop.image.mean(axis=2), (0, 0), 1.0)
        inside = crop.shape[((crop.shape > 3) & (crop.shape < 252)).all(axis=1)]
        assert len(inside) > 40
        x, y = np.round(inside).astype(int).T
        assert np.median(grey[y, x]) > 220
        assert (grey[y, x] > 180).mean() > 0.95


def test_amounts_are_those_of_the_data(faces: LiveFaces) -> None:
    """By the shapes alone: turns to 30 degrees, sizes to exp(0.15), both ways, and the asked share of occluders."""
    angles, scales, hidden = [], [], 0
    for sample in range(6 * len(faces)):
        row, visit = faces.visit(sample)
        crop = faces.draw(sample)
        plain, drawn = faces.set.shape[row].astype(np.float64), crop.shape.astype(np.float64)
        if copy_number(str(faces.set.name[row]), visit) % 2:
            drawn = mirror_shape(drawn, faces.set.scheme, 64)
        matrix = similarity_fit(plain, drawn)
        np.testing.assert_allclose(affine_apply(matrix, plain), drawn, atol=1e-3)
        angles.append(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
        scales.append(np.hypot(matrix[0, 0], matrix[1, 0]))
        hidden += bool(crop.occluded.any())
    assert 25 < max(angles) <= 30.01 and -30.01 <= min(angles) < -25
    assert 1.12 < max(scales) <= 1.163 and 0.86 <= min(scales) < 0.89
    assert 0.08 < hidden / len(angles) < 0.2, "asked are 0.15, and some occluders hide no landmark"


def test_crops_are_no_live_data(prepared: Path) -> None:
    with pytest.raises(RarError, match="train holds crops, not patches: prepare with AUGMENT=live"):
        LiveFaces(prepared / "train")
