"""COFW's files read and prepared: orientation, coordinates, flags, and what is wrong with bad ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from data_prep import prepare_300w, prepare_cofw
from data_prep.check import check
from data_prep.cofw import MARGIN, SCHEME, scan
from data_prep.images import read_image
from data_prep.live.faces import LiveFaces, copy_number
from data_prep.subsets import SubsetScan
from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from tests.conftest import PROJECT
from tests.data_prep.cofw_files import made_faces, write_cofw, write_mat

SMALL = ("--crop-size", "40", "--copies", "4", "--centres", "3", "--workers", "0", "--any-count")


@pytest.fixture
def cofw(tmp_path: Path) -> Path:
    write_cofw(tmp_path / "cofw")
    return tmp_path / "cofw"


def run(raw: Path, out: Path, *options: str) -> Result:
    return CliRunner().invoke(prepare_cofw.main, ["--raw", str(raw), "--out", str(out), *SMALL, *options])


def prepared(raw: Path, out: Path, *options: str) -> Path:
    result = run(raw, out, *options)
    assert result.exception is None, result.exception
    return out


def scanned(raw: Path) -> SubsetScan:
    """The test faces."""
    (found,) = scan(raw, ["cofw"])
    return found


def test_pictures_stand_upright_in_their_colours(tmp_path: Path) -> None:
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[:5, :, 0] = 200  # a red stripe along the top
    picture[:, :3, 2] = 100  # and a blue one down the left
    _, boxes, phis = made_faces(2, 1)
    write_mat(tmp_path / "COFW_test_color.mat", [picture, picture[..., 2]], boxes, phis)
    colour, grey = (read_image(record.image) for record in scanned(tmp_path).records)
    np.testing.assert_array_equal(colour, picture[..., ::-1])
    np.testing.assert_array_equal(grey, np.repeat(picture[..., 2:], 3, axis=2))
    assert colour.flags.c_contiguous


def test_coordinates_boxes_and_flags(cofw: Path) -> None:
    _, boxes, phis = made_faces(3, 20)
    found = scanned(cofw)
    assert (found.found, found.problems) == (3, [])
    assert [record.name for record in found.records] == ["cofw/test/0001", "cofw/test/0002", "cofw/test/0003"]
    for record, box, phi in zip(found.records, boxes, phis, strict=True):
        for point in range(29):
            assert tuple(record.shape[point]) == (phi[point] - 1, phi[29 + point] - 1)
            assert record.occluded is not None and record.occluded[point] == phi[58 + point]
        np.testing.assert_allclose(record.box, [box[0] - 1, box[1] - 1, box[0] + box[2] - 1, box[1] + box[3] - 1])
        np.testing.assert_allclose(record.box[:2], record.shape.min(axis=0))


def test_the_folder_of_the_archive(tmp_path: Path) -> None:
    write_cofw(tmp_path / "COFW_color")
    assert [found.found for found in scan(tmp_path, ["train", "cofw"])] == [4, 3]


def test_prepared_sets(cofw: Path, tmp_path: Path) -> None:
    data = prepared(cofw, tmp_path / "data", "--occluded", "0")
    assert {path.name for path in data.iterdir()} == {".lock", "train", "cofw", "shape_pool.h5", "manifest.json"}
    assert list(check(data)) == []
    book = json.loads((data / "manifest.json").read_text())
    assert (book["raw"], book["scheme"]) == ("cofw", "29")
    assert (book["parameters"]["boxes"], book["parameters"]["margin"]) == ("cofw", MARGIN)
    with h5py.File(data / "shape_pool.h5") as pool:
        assert pool["centres"].shape == (3, 29, 2)
    faces = {record.name: record for found in scan(cofw, ["train", "cofw"]) for record in found.records}
    with PreparedSet(data / "train") as train, PreparedSet(data / "cofw") as test:
        assert (len(train), len(test), train.scheme.name, test.set) == (16, 3, "29", "cofw")
        assert train.mirrored.sum() == 8
        for rows in (train, test):
            for row in range(len(rows)):
                flags = faces[rows.name[row]].occluded
                assert flags is not None
                np.testing.assert_array_equal(
                    rows.occluded[row], flags[list(SCHEME.mirror)] if rows.mirrored[row] else flags
                )
        side = 40 / np.linalg.det(np.linalg.inv(test.crop_to_image[..., :2])) ** 0.5
        np.testing.assert_allclose(side, MARGIN * (test.box[:, 2:] - test.box[:, :2]).max(axis=1))


def test_live_crops_keep_the_annotated_flags(cofw: Path, tmp_path: Path) -> None:
    """Mirrored with the landmarks, as in crops that are stored."""
    data = prepared(cofw, tmp_path / "data", "--occluded", "0", "--augment", "live")
    assert list(check(data)) == []
    flags = {record.name: record.occluded for found in scan(cofw, ["train"]) for record in found.records}
    faces = LiveFaces(data / "train")
    mirrored = 0
    for sample in range(2 * len(faces)):
        row, visit = faces.visit(sample)
        name = str(faces.set.name[row])
        expected = flags[name]
        assert expected is not None and expected.any()
        turned = copy_number(name, visit) % 2
        mirrored += turned
        order = list(SCHEME.mirror) if turned else slice(None)
        np.testing.assert_array_equal(faces.draw(sample).occluded, expected[order])
    assert mirrored == len(faces)


def test_dots_lie_on_the_landmarks_in_mirrored_crops_too(cofw: Path, tmp_path: Path) -> None:
    data = prepared(cofw, tmp_path / "data", "--crop-size", "120", "--occluded", "0", "--copies", "2")
    for name in ("train", "cofw"):
        with PreparedSet(data / name) as rows:
            for row in range(len(rows)):
                shape = rows.shape[row]
                x, y = np.round(shape[((shape > 2) & (shape < 117)).all(axis=1)]).astype(int).T
                assert np.median(rows.image(row)[y, x]) > 200


def test_drawn_occluders_add_to_the_flags(cofw: Path, tmp_path: Path) -> None:
    plain = prepared(cofw, tmp_path / "plain", "--occluded", "0")
    occluded = prepared(cofw, tmp_path / "occluded", "--occluded", "1")
    with PreparedSet(plain / "train") as before, PreparedSet(occluded / "train") as after:
        assert list(before.name) == list(after.name)
        assert (after.occluded >= before.occluded).all()
        assert after.occluded.sum() > before.occluded.sum() + 20


def test_one_file_is_enough(cofw: Path, tmp_path: Path) -> None:
    (cofw / "COFW_train_color.mat").unlink()
    options = ["--raw", str(cofw), "--out", str(tmp_path / "data"), "--workers", "0", "--crop-size", "40"]
    result = CliRunner().invoke(prepare_cofw.main, options)
    assert result.exception is None
    lines = {line.split()[0]: line.split(maxsplit=4)[1:] for line in result.output.splitlines() if line[:5] == "cofw/"}
    assert lines["cofw/train"] == ["1345", "0", "0", "all 1345 missing: no such file"]
    assert lines["cofw/test"] == ["507", "3", "3", "504 missing"]


def refused(raw: Path, *words: str) -> None:
    """Reading the test faces fails in one line that holds these words and a remedy."""
    with pytest.raises(RarError) as caught:
        scanned(raw)
    text = str(caught.value)
    assert "\n" not in text
    for word in (str(raw), "copy COFW's colour files again", *words):
        assert word in text


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.99])
def test_a_file_cut_short(cofw: Path, kept: float) -> None:
    path = cofw / "COFW_test_color.mat"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    refused(cofw, "cut short")


def test_not_hdf5(cofw: Path) -> None:
    (cofw / "COFW_test_color.mat").write_bytes(b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(4000))
    refused(cofw, "no MATLAB v7.3 file")


@pytest.mark.parametrize("variable", ["IsT", "bboxesT", "phisT"])
def test_a_variable_missing(cofw: Path, variable: str) -> None:
    with h5py.File(cofw / "COFW_test_color.mat", "r+") as file:
        del file[variable]
    refused(cofw, f"has no variable {variable}")


def test_28_points(cofw: Path) -> None:
    images, boxes, phis = made_faces(3, 20)
    write_mat(cofw / "COFW_test_color.mat", images, boxes, phis[:, :84])
    refused(cofw, "phisT is 84 x 3", "flag of 29 points, hence 87 numbers")


def test_fewer_boxes_than_faces(cofw: Path) -> None:
    images, boxes, phis = made_faces(3, 20)
    write_mat(cofw / "COFW_test_color.mat", images, boxes[:2], phis)
    refused(cofw, "bboxesT is 4 x 2", "for each of 3 images")


def test_numbers_where_pictures_are_due(cofw: Path) -> None:
    with h5py.File(cofw / "COFW_test_color.mat", "r+") as file:
        del file["IsT"]
        file["IsT"] = np.zeros((1, 3))
    refused(cofw, "IsT is no cell array")


def test_neither_file(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RarError, match=r"no COFW_train_color\.mat or COFW_test_color\.mat in .*: give the folder"):
            scan(folder, ["train", "cofw"])


def test_bad_faces_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    images, boxes, phis = made_faces(6, 20)
    phis[1, 40] = np.nan
    images[2] = np.zeros((20, 30, 4), np.uint8)
    boxes[3, 2] = 0
    boxes[4, 0] = np.nan
    write_mat(tmp_path / "COFW_test_color.mat", images, boxes, phis)
    result = run(tmp_path, tmp_path / "data", "--sets", "cofw")
    assert isinstance(result.exception, RarError)
    assert "4 problems" in str(result.exception)
    path = tmp_path / "COFW_test_color.mat"
    problems = json.loads((tmp_path / "data" / "manifest.json").read_text())["problems"]
    assert [line.partition(": ")[0] for line in problems] == [f"{path}, IsT{{{number}}}" for number in (2, 3, 4, 5)]
    assert "not a finite number: copy COFW's" in problems[0]
    assert "an array of uint8 (4, 30, 20), no grey or colour image" in problems[1]
    with PreparedSet(tmp_path / "data" / "cofw") as rows:
        assert list(rows.name) == ["cofw/test/0001", "cofw/test/0006"]
    assert list(check(tmp_path / "data")) == []


def test_a_picture_that_cannot_be_read(cofw: Path) -> None:
    with h5py.File(cofw / "COFW_test_color.mat", "r+") as file:
        references = file["IsT"][()]
        references[0, 1] = h5py.Reference()
        file["IsT"][...] = references
    with pytest.raises(RarError, match=r"IsT\{2\}: unreadable .*copy COFW"):
        read_image(scanned(cofw).records[1].image)


def test_points_of_another_scheme_do_not_mix(cofw: Path, raw: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    options = [*SMALL, "--sets", "helen"]
    assert CliRunner().invoke(prepare_300w.main, ["--raw", str(raw), "--out", str(data), *options]).exception is None
    error = run(cofw, data, "--sets", "cofw").exception
    assert isinstance(error, RarError)
    assert "holds faces of scheme 68, not 29: give another folder" in str(error)


def test_the_program_ends_in_one_line(cofw: Path, tmp_path: Path) -> None:
    path = cofw / "COFW_train_color.mat"
    path.write_bytes(path.read_bytes()[:3000])
    command = [sys.executable, "-m", "data_prep.prepare_cofw", "--raw", str(cofw), "--out", str(tmp_path / "data")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"error: {path} is cut short or no MATLAB v7.3 file")
    assert not (tmp_path / "data").exists()
