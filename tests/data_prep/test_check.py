"""Every kind of damage is found, even where size and checksum have been made to fit."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from data_prep.check import check, main
from data_prep.manifest import read_manifest, write_manifest
from layers.common.datum import Datum, decode, encode
from layers.common.errors import RarError
from layers.common.files import file_entry
from layers.common.prepared import PreparedSet
from tests.data_prep.conftest import stored

Damage = Callable[[Path], object]


def resign(data: Path) -> None:
    """Enter today's checksums in the manifest, so that only the deeper checks can find something."""
    book = read_manifest(data)
    book["files"] = {name: file_entry(data / name) for name in book["files"]}
    write_manifest(data, book)


def test_whole_data(prepared_data: Path) -> None:
    assert list(check(prepared_data)) == []
    result = CliRunner().invoke(main, [str(prepared_data)])
    assert result.exit_code == 0
    assert "train: 14 crops of 7 faces, all well" in result.output


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-64])


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["train/images.lmdb/data.mdb", "train/landmarks.h5", "shape_pool.h5"])
@pytest.mark.parametrize(
    ("damage", "words"), [(truncate, "truncated"), (flip_a_byte, "checksum"), (Path.unlink, "missing")]
)
def test_files(prepared_data: Path, name: str, damage: Damage, words: str) -> None:
    damage(prepared_data / name)
    assert any(name in problem and words in problem for problem in check(prepared_data))


def test_a_flipped_bit_in_a_picture(prepared_data: Path) -> None:
    """It decodes all the same; what tells is the checksum."""
    with PreparedSet(prepared_data / "train") as train:
        jpeg = train.datum(5).data
        before = train.image(5)
    file = prepared_data / "train" / "images.lmdb" / "data.mdb"
    content = bytearray(file.read_bytes())
    content[content.index(jpeg) + len(jpeg) * 3 // 4] ^= 1
    file.write_bytes(content)
    with PreparedSet(prepared_data / "train") as train:
        assert train.image(5).shape == before.shape and (train.image(5) != before).any()
    assert list(check(prepared_data)) == [f"{file}: not the file that was written, its checksum differs"]


def swap_images(data: Path) -> None:
    with stored(data / "train") as rows:
        first, second = bytes(rows.get(b"00000002")), bytes(rows.get(b"00000009"))
        rows.put(b"00000002", second)
        rows.put(b"00000009", first)


def change_datum(data: Path, change: Callable[[Datum], Datum]) -> None:
    with stored(data / "train") as rows:
        rows.put(b"00000002", encode(change(decode(bytes(rows.get(b"00000002"))))))


def cut_jpeg(data: Path) -> None:
    change_datum(data, lambda datum: replace(datum, data=datum.data[:-40]))


def spoil_jpeg(data: Path) -> None:
    change_datum(data, lambda datum: replace(datum, data=b"\0" * 400))


def wrong_height(data: Path) -> None:
    change_datum(data, lambda datum: replace(datum, height=41))


def drop_row(data: Path) -> None:
    with stored(data / "train") as rows:
        rows.delete(b"00000002")


def edit(field: str, value: object, row: int = 2) -> Damage:
    def damage(data: Path) -> None:
        with h5py.File(data / "train" / "landmarks.h5", "r+") as file:
            array = file[field][row]
            file[field][row] = value(array) if callable(value) else value

    return damage


def scramble_pool(data: Path) -> None:
    with h5py.File(data / "shape_pool.h5", "r+") as file:
        file["centres"][...] = file["centres"][...] * 30 + 64


def spoil_pool(data: Path) -> None:
    with h5py.File(data / "shape_pool.h5", "r+") as file:
        file["mean_shape"][3] = np.nan


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (swap_images, "row 2: holds the image of row 9"),
        (cut_jpeg, "row 2: the JPEG is truncated"),
        (spoil_jpeg, "row 2: no 40 px image"),
        (wrong_height, "row 2: the Datum does not describe a 40 px"),
        (drop_row, "13 images but 14 rows"),
        (edit("shape", np.nan), "row 2: a number is not finite"),
        (edit("box", np.inf), "row 2: a number is not finite"),
        (edit("normaliser", np.nan), "row 2: a number is not finite"),
        (edit("shape", lambda shape: shape + 0.01), "row 2: crop and image landmarks do not match"),
        (edit("image_shape", lambda shape: shape[::-1]), "row 2: crop and image landmarks do not match"),
        (edit("crop_to_image", lambda matrix: matrix + 0.01), "row 2: crop and image landmarks do not match"),
        (edit("normaliser", lambda both: both[::-1]), "row 2: the normaliser is not that of its landmarks"),
        (edit("occluded", 2), "row 2: a flag is neither 0 nor 1"),
        (edit("copy", 7), "not 2 different copies of every face"),
        (edit("name", b"afw/10_1"), "not 2 different copies of every face"),
        (scramble_pool, "not in the frame of the mean shape"),
        (spoil_pool, r"shape_pool\.h5: a number is not finite"),
    ],
)
def test_content(prepared_data: Path, damage: Damage, words: str) -> None:
    damage(prepared_data)
    resign(prepared_data)
    problems = list(check(prepared_data))
    assert any(re.search(words, problem) for problem in problems), problems
    assert all("\n" not in problem for problem in problems)


@pytest.fixture
def live_data(prepared_live: Path, tmp_path: Path) -> Path:
    """Prepared data to damage whose train/ holds patches."""
    return Path(shutil.copytree(prepared_live, tmp_path / "data"))


def test_whole_live_data(live_data: Path) -> None:
    assert list(check(live_data)) == []
    shown = CliRunner().invoke(main, [str(live_data)]).output
    assert re.search(r"train: (\d+) patches of \1 faces, all well", shown)
    assert re.search(r"val: (\d+) crops of \1 faces, all well", shown)


def drop_patch_places(data: Path) -> None:
    with h5py.File(data / "train" / "landmarks.h5", "r+") as file:
        del file["patch_to_image"]


def drop_margin(data: Path) -> None:
    with h5py.File(data / "train" / "landmarks.h5", "r+") as file:
        del file.attrs["margin"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (swap_images, "row 2: holds the image of row 9"),
        (cut_jpeg, "row 2: the JPEG is truncated"),
        (spoil_jpeg, "row 2: no image in it"),
        (wrong_height, "row 2: the Datum does not describe the colour JPEG in it"),
        (edit("patch_to_image", np.nan), "row 2: a number is not finite"),
        (edit("patch_to_image", lambda matrix: matrix[:, [1, 0, 2]]), "row 2: the patch's place in the photograph"),
        (edit("patch_to_image", lambda matrix: matrix + (0, 0, 5000)), "row 2: the patch's place in the photograph"),
        (edit("shape", lambda shape: shape + 0.01), "row 2: crop and image landmarks do not match"),
        (edit("copy", 1), "not 1 different copies of every face"),
        (drop_patch_places, r"landmarks\.h5 is damaged"),
        (drop_margin, r"landmarks\.h5 is damaged"),
    ],
)
def test_live_content(live_data: Path, damage: Damage, words: str) -> None:
    damage(live_data)
    resign(live_data)
    problems = list(check(live_data))
    assert any(re.search(words, problem) for problem in problems), problems
    assert all("\n" not in problem for problem in problems)


def test_sets_of_two_runs_do_not_match(prepared_data: Path) -> None:
    book = read_manifest(prepared_data)
    book["sets"]["train"]["rows"] = 13
    write_manifest(prepared_data, book)
    assert list(check(prepared_data)) == [f"{prepared_data / 'train'}: 14 rows, the manifest says 13"]


def test_leftovers(prepared_data: Path) -> None:
    (prepared_data / "lfpw.partial").mkdir()
    (prepared_data / "train").rename(prepared_data / "old")
    problems = "\n".join(check(prepared_data))
    assert "lfpw.partial: left by an interrupted run" in problems
    assert "old: a set the manifest does not know" in problems
    assert f"no prepared set at {prepared_data / 'train'}" in problems


def test_many_problems_are_counted_not_listed(prepared_data: Path) -> None:
    with h5py.File(prepared_data / "train" / "landmarks.h5", "r+") as file:
        file["occluded"][...] = 3
        file["normaliser"][...] = 1
    resign(prepared_data)
    problems = list(check(prepared_data))
    assert len(problems) == 21
    assert problems[-1] == f"{prepared_data / 'train'}: 8 more problems"


def test_the_command_fails(prepared_data: Path) -> None:
    (prepared_data / "shape_pool.h5").unlink()
    result = CliRunner().invoke(main, [str(prepared_data)])
    assert isinstance(result.exception, RarError)
    assert str(result.exception).endswith("prepare it again (make data-300w)")
    assert "shape_pool.h5: missing" in result.output


@pytest.mark.parametrize("content", [None, "", "[]", '{"format": "rar-data/0"}'])
def test_no_manifest(prepared_data: Path, content: str | None) -> None:
    (prepared_data / "manifest.json").unlink()
    if content is not None:
        (prepared_data / "manifest.json").write_text(content)
    with pytest.raises(RarError, match=r"manifest\.json"):
        list(check(prepared_data))
