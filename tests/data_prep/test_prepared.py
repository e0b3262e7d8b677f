"""Reading prepared sets, whole and damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import lmdb
import numpy as np
import pytest

from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from tests.data_prep.conftest import stored


@pytest.fixture
def folder(prepared_data: Path) -> Path:
    return prepared_data / "train"


def test_reads_rows(folder: Path) -> None:
    with PreparedSet(folder) as rows:
        assert len(rows) == rows.shape.shape[0] == 14
        assert rows.shape.shape == rows.image_shape.shape == (14, 68, 2)
        assert rows.normaliser.shape == (14, 2)
        assert (rows.normaliser[:, 1] > rows.normaliser[:, 0]).all()  # outer corners are farther apart than pupils
        assert rows.image(13).dtype == np.uint8
        assert all(isinstance(name, str) for name in rows.name)
        with pytest.raises(IndexError):
            rows.image(14)


def test_two_readers_and_an_outsider(folder: Path) -> None:
    """LMDB allows one environment per file and process; ours is shared, and takes no lock from others."""
    with PreparedSet(folder) as first, PreparedSet(folder) as second:
        np.testing.assert_array_equal(first.image(3), second.image(3))
    assert PreparedSet(folder).image(0).any()


def test_a_set_prepared_anew_is_seen(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    before = PreparedSet(copy).image(0)
    shutil.rmtree(copy)
    shutil.copytree(folder, copy)
    with stored(copy) as rows:
        rows.put(b"00000000", bytes(rows.get(b"00000001")))
    assert not np.array_equal(PreparedSet(copy).image(0), before)


def remove_images(folder: Path) -> None:
    shutil.rmtree(folder / "images.lmdb")


def remove_landmarks(folder: Path) -> None:
    (folder / "landmarks.h5").unlink()


def cut_images(folder: Path) -> None:
    path = folder / "images.lmdb" / "data.mdb"
    path.write_bytes(path.read_bytes()[:3000])


def cut_landmarks(folder: Path) -> None:
    path = folder / "landmarks.h5"
    path.write_bytes(path.read_bytes()[:-5000])


def empty_landmarks(folder: Path) -> None:
    (folder / "landmarks.h5").write_bytes(b"")


def drop_a_field(folder: Path) -> None:
    with h5py.File(folder / "landmarks.h5", "r+") as file:
        del file["occluded"]


def drop_an_attribute(folder: Path) -> None:
    with h5py.File(folder / "landmarks.h5", "r+") as file:
        del file.attrs["scheme"]


def other_size(folder: Path) -> None:
    with h5py.File(folder / "landmarks.h5", "r+") as file:
        del file["box"]
        file["box"] = np.zeros((14, 5))


def drop_a_row(folder: Path) -> None:
    with stored(folder) as rows:
        rows.delete(b"00000005")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (shutil.rmtree, "no prepared set"),
        (remove_images, "no images"),
        (remove_landmarks, "no landmarks"),
        (cut_images, r"images\.lmdb is damaged"),
        (cut_landmarks, r"landmarks\.h5 is damaged"),
        (empty_landmarks, r"landmarks\.h5 is damaged"),
        (drop_a_field, r"landmarks\.h5 is damaged"),
        (drop_an_attribute, r"landmarks\.h5 is damaged"),
        (other_size, r"box has shape \(14, 5\), not \(14, 4\)"),
        (drop_a_row, "13 images but 14 rows"),
    ],
)
def test_a_damaged_set_says_what_and_what_to_do(folder: Path, damage: Callable[[Path], object], words: str) -> None:
    damage(folder)
    with pytest.raises(RarError, match=words) as error:
        PreparedSet(folder)
    assert str(folder) in str(error.value)
    assert "prepare the data again" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("message", "words"), [(b"\x0f", "not a Caffe Datum"), (b"\x08\x03", "no 40 px image"), (b"", "no 40 px image")]
)
def test_a_damaged_image_names_its_row(folder: Path, message: bytes, words: str) -> None:
    with stored(folder) as rows:
        rows.put(b"00000004", message)
    with PreparedSet(folder) as prepared, pytest.raises(RarError, match=f"row 4.*{words}"):
        prepared.image(4)


def test_a_foreign_key_in_place_of_a_row(folder: Path) -> None:
    with stored(folder) as rows:
        message = bytes(rows.get(b"00000004"))
        rows.delete(b"00000004")
        rows.put(b"4", message)
    with PreparedSet(folder) as prepared, pytest.raises(RarError, match="has no row 4"):
        prepared.image(4)


def test_no_lock_is_left_behind(folder: Path) -> None:
    PreparedSet(folder).close()
    assert [path.name for path in (folder / "images.lmdb").iterdir()] == ["data.mdb"]
    with lmdb.open(str(folder.parent / "other"), create=True):
        pass
