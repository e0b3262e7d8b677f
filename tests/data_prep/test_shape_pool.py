"""The shape pool: its frame, its clusters, its mean."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from data_prep import prepare_300w
from data_prep.check import check
from data_prep.shape_pool import align, cluster, main, normalise_frame, write_pool
from layers.common.prepared import PreparedSet
from layers.common.schemes import SCHEME_68
from layers.common.shapes import eye_centres, mirror_shape, pupil_distance
from tests.data_prep.conftest import face_shape


def varied(count: int, spread: float = 1.0, seed: int = 0) -> np.ndarray:
    """Noisy faces (count, 68, 2) anywhere, of any size and turn."""
    rng = np.random.default_rng(seed)
    shapes = [
        face_shape(tuple(rng.uniform(0, 300, 2)), rng.uniform(10, 80), rng.uniform(-0.5, 0.5)) for _ in range(count)
    ]
    sizes = pupil_distance(np.stack(shapes), SCHEME_68)[:, None, None] / 40
    return np.asarray(np.stack(shapes) + sizes * rng.normal(0, spread, (count, 68, 2)))


def in_frame(shape: np.ndarray) -> None:
    left, right = eye_centres(shape, SCHEME_68)
    np.testing.assert_allclose(shape.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(right - left, (1, 0), atol=1e-12)


def test_frame() -> None:
    in_frame(normalise_frame(face_shape((200, -30), 55, 0.7), SCHEME_68))


def test_alignment_takes_position_size_and_turn_away() -> None:
    aligned, mean = align(varied(30, spread=0), SCHEME_68)
    in_frame(mean)
    np.testing.assert_allclose(aligned, np.broadcast_to(mean, aligned.shape), atol=1e-9)
    noisy, mean = align(varied(60), SCHEME_68)
    in_frame(mean)
    np.testing.assert_allclose(noisy.mean(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(noisy.mean(axis=0), mean, atol=5e-3)


def test_clusters_are_found() -> None:
    """Faces with mouths shut, open and wide open: three centres, the most populous first."""
    rng = np.random.default_rng(0)
    mouth = list(SCHEME_68.groups["mouth"])
    shapes = []
    for number, opening in ((30, 0.0), (20, 0.5), (10, 1.0)):
        for _ in range(number):
            shape = face_shape(size=1.0) + rng.normal(0, 0.005, (68, 2))
            shape[mouth[6:]] += (0, opening)
            shapes.append(shape)
    centres = cluster(np.stack(shapes), 3, seed=0)
    openings = centres[:, mouth[8], 1] - face_shape(size=1.0)[mouth[8], 1]
    np.testing.assert_allclose(openings, [0, 0.5, 1], atol=0.01)
    np.testing.assert_array_equal(cluster(np.stack(shapes), 3, seed=0), centres)


def test_the_file(prepared_data: Path) -> None:
    with h5py.File(prepared_data / "shape_pool.h5") as file:
        centres, mean = file["centres"][:], file["mean_shape"][:]
        assert dict(file.attrs) == {"scheme": "68", "K": 3, "seed": 0, "rows": 14}
    assert centres.shape == (3, 68, 2)
    np.testing.assert_allclose(centres.mean(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(pupil_distance(centres, SCHEME_68), 1, atol=0.02)
    with PreparedSet(prepared_data / "train") as train:
        plain = train.shape[train.copy == 0]
    both = np.concatenate([plain, mirror_shape(plain, SCHEME_68, 40)])
    np.testing.assert_allclose(mean * 40, both.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(mirror_shape(mean * 40, SCHEME_68, 40), mean * 40, atol=1e-5)


def test_same_seed_same_pool(prepared_data: Path) -> None:
    first = write_pool(prepared_data, 4, seed=1).read_bytes()
    assert write_pool(prepared_data, 4, seed=1).read_bytes() == first


@pytest.mark.parametrize(("centres", "written"), [(5, 5), (100, 14)])
def test_the_command(prepared_data: Path, centres: int, written: int) -> None:
    """Another K; no more centres than shapes; the manifest follows."""
    result = CliRunner().invoke(main, [str(prepared_data), "--centres", str(centres)])
    assert result.exception is None
    assert f"{written} shapes from 14 training shapes" in result.output
    assert list(check(prepared_data)) == []


def test_few_faces_are_told_at_preparation(
    drawn_faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And how to train on them: a preset's usual start wants 100 shapes."""
    mine = tmp_path / "mine" / "helen" / "trainset"
    mine.mkdir(parents=True)
    for file in sorted(drawn_faces.rglob("trainset/*.pts"))[:3]:
        shutil.copy(file, mine)
        shutil.copy(file.with_suffix(".jpg"), mine)
    words = ["--raw", str(tmp_path / "mine"), "--out", str(tmp_path / "data"), "--boxes", "gt", "--any-count"]
    prepare_300w.main([*words, "--crop-size", "64", "--copies", "1", "--workers", "0"], standalone_mode=False)
    told = capsys.readouterr().err
    assert "shape_pool.h5 holds 6 shapes, not 100" in told and "with +basis_size=6" in told
