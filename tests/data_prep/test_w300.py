"""The reader of the official layout: what is there, what is absent, what is broken."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from data_prep.boxes import image_key, read_boxes
from data_prep.pts import write_points
from data_prep.records import FaceRecord, check_face
from data_prep.w300 import SETS, SUBSETS, SubsetScan, scan
from layers.common.errors import RarError
from tests.data_prep.conftest import FACES, face_shape, write_boxes


def scanned(raw: Path, box_source: str = "detector") -> dict[str, SubsetScan]:
    return {result.subset.name: result for result in scan(raw, SETS, box_source)}


def test_the_papers_split() -> None:
    faces = {name: sum(subset.faces for subset in SUBSETS if subset.set == name) for name in SETS}
    assert faces == {"train": 3148, "helen": 330, "lfpw": 224, "ibug": 135}
    assert faces["helen"] + faces["lfpw"] == 554
    assert faces["helen"] + faces["lfpw"] + faces["ibug"] == 689


def test_reads_every_face(raw: Path) -> None:
    results = scanned(raw)
    for subset, names in FACES.items():
        result = results[subset]
        assert (result.found, len(result.records), result.problems) == (len(names), len(names), [])
        assert [record.name for record in result.records] == sorted(record.name for record in result.records)
    assert results["lfpw/testset"].folder is None
    record = results["helen/testset"].records[0]
    assert record.name == "helen/testset/30_1"
    np.testing.assert_allclose(record.box[:2], record.shape.min(axis=0) - 2, atol=1e-4)  # 1-based in the .mat
    np.testing.assert_allclose(record.box[2:], record.shape.max(axis=0) + 2, atol=1e-4)


def test_tight_boxes_on_demand(raw: Path) -> None:
    for result in scanned(raw, "gt").values():
        for record in result.records:
            tight = np.concatenate([record.shape.min(axis=0), record.shape.max(axis=0)])
            np.testing.assert_allclose(record.box, tight, atol=1e-4)


@pytest.mark.parametrize("image", ["image_092 _01.jpg", "image_092_01.jpg", "image_092 _01.JPG"])
@pytest.mark.parametrize("annotation", ["image_092 _01.pts", "image_092_01.pts"])
@pytest.mark.parametrize("in_mat", ["image_092 _01.jpg", "image_092_01.jpg"])
def test_ibugs_oddly_named_image(raw: Path, image: str, annotation: str, in_mat: str) -> None:
    folder = raw / "ibug"
    (folder / "image_092 _01.jpg").rename(folder / image)
    (folder / "image_092_01.pts").rename(folder / annotation)
    write_boxes(raw, "ibug", [(in_mat, face_shape())])
    result = scanned(raw)["ibug"]
    assert result.problems == []
    assert [(record.name, record.image) for record in result.records] == [("ibug/image_092_01", folder / image)]


def test_names_that_differ_stay_different() -> None:
    assert image_key("image_0018.png") == image_key("image_0018.jpg") != image_key("image_0019.png")


def test_folders_in_capitals(raw: Path) -> None:
    (raw / "ibug").rename(raw / "iBUG")
    (raw / "Bounding Boxes").rename(raw / "bounding_boxes")
    assert len(scanned(raw)["ibug"].records) == 1


def test_hidden_files_are_no_faces(raw: Path) -> None:
    (raw / "afw" / "._10_1.jpg").write_bytes(b"")
    (raw / "afw" / "._10_1.pts").write_bytes(b"")
    assert scanned(raw)["afw"].found == 3


def problem(raw: Path, subset: str = "afw", box_source: str = "detector") -> str:
    """The one problem of the subset, all of whose other faces must be there."""
    result = scanned(raw, box_source)[subset]
    assert len(result.problems) == 1
    assert "\n" not in result.problems[0]
    return result.problems[0]


def test_missing_image(raw: Path) -> None:
    (raw / "afw" / "10_2.jpg").unlink()
    assert "10_2.pts: no image beside it" in problem(raw)
    assert len(scanned(raw)["afw"].records) == 2


def test_missing_annotation(raw: Path) -> None:
    (raw / "afw" / "10_2.pts").unlink()
    assert "10_2.jpg: no .pts beside it" in problem(raw)


def test_wrong_number_of_points(raw: Path) -> None:
    write_points(raw / "afw" / "10_2.pts", face_shape()[:67])
    assert "10_2.pts: 67 points, not 68" in problem(raw)
    assert len(scanned(raw)["afw"].records) == 2


def test_missing_box(raw: Path) -> None:
    write_boxes(raw, "afw", [("10_1.jpg", face_shape()), ("11_1.jpg", face_shape())])
    assert "10_2.jpg: bounding_boxes_afw.mat has no box for it" in problem(raw)
    assert len(scanned(raw, "gt")["afw"].records) == 3  # computed from the landmarks


@pytest.mark.parametrize("content", [None, b"", b"MATLAB 5.0 MAT-file, cut short", b"\x89HDF\r\n\x1a\n" + bytes(600)])
def test_missing_or_broken_box_file(raw: Path, content: bytes | None) -> None:
    path = raw / "Bounding Boxes" / "bounding_boxes_afw.mat"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    words = problem(raw)
    assert words.startswith("all 3 faces of afw left out")
    assert str(path) in words
    assert len(scanned(raw)["helen/trainset"].records) == 2
    assert len(scanned(raw, "gt")["afw"].records) == 3


def test_truncated_box_file(raw: Path) -> None:
    path = raw / "Bounding Boxes" / "bounding_boxes_afw.mat"
    path.write_bytes(path.read_bytes()[:-150])
    with pytest.raises(RarError, match="no bounding-box file"):
        read_boxes(path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(RarError, match="no annotated faces"):
        scan(tmp_path, SETS, "detector")
    with pytest.raises(RarError, match="not a folder"):
        scan(tmp_path / "nowhere", SETS, "detector")


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((20, 30, 120, 130), None),
        ((-30, -10, 120, 130), None),
        ((20, 30, 20, 130), "degenerate"),
        ((120, 30, 20, 130), "degenerate"),
        ((np.nan, 30, 120, 130), "degenerate"),
        ((200, 30, 260, 130), "off the image"),
        ((-80, 30, -10, 130), "off the image"),
        ((2, 2, 20, 20), "beside the annotated face"),
    ],
)
def test_boxes(box: tuple[float, ...], words: str | None) -> None:
    record = FaceRecord("afw/10_1", Path("10_1.jpg"), "afw", face_shape(), np.array(box, np.float64))
    if words is None:
        check_face(record, 150, 140)
    else:
        with pytest.raises(RarError, match=words):
            check_face(record, 150, 140)


def test_landmarks_in_a_heap() -> None:
    heap = np.full((68, 2), 70.0)
    record = FaceRecord("afw/10_1", Path("10_1.jpg"), "afw", heap, np.array([20.0, 30, 120, 130]))
    with pytest.raises(RarError, match="in a heap"):
        check_face(record, 150, 140)


def test_photographs() -> None:
    def photograph(name: str) -> str:
        return FaceRecord(name, Path(), "", np.zeros((68, 2)), np.zeros(4)).photograph

    assert (
        photograph("afw/10_1") == photograph("afw/10_2") == photograph("helen/trainset/10_1") != photograph("afw/1_0")
    )
    assert photograph("lfpw/trainset/image_0001") != photograph("lfpw/trainset/image_0002")


def test_real_faces(shared_data: Path) -> None:
    results = scanned(shared_data / "300w")
    assert sum(len(result.records) for result in results.values() if result.subset.set == "train") == 2014
    assert len(results["helen/testset"].records) == 330
    assert not any(result.problems for result in results.values())
    assert len({record.name for result in results.values() for record in result.records}) == 2344


def test_a_subset_gone_is_no_problem(raw: Path) -> None:
    shutil.rmtree(raw / "afw")
    result = scanned(raw)["afw"]
    assert (result.found, result.problems, result.folder) == (0, [], None)
