"""Files by name, folder and glob, their results' names, and boxes from every kind of file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data_prep.pts import write_points
from layers.common.errors import RarError
from tests.data_prep.conftest import face_shape, write_boxes
from tools.detect.boxes import boxes_of, read_boxes
from tools.detect.inputs import is_video, sources, stems

L = 68


def test_files_by_name_folder_and_glob(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.PNG", "notes.txt", "clip.MP4"):
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    wanted = [tmp_path / "a.PNG", tmp_path / "b.jpg", tmp_path / "clip.MP4"]
    assert sources([str(tmp_path)]) == (wanted, [])
    assert [is_video(path) for path in wanted] == [False, False, True]
    files, problems = sources([str(tmp_path / word) for word in ("*.jpg", "", "c*.jpg", "empty")])
    assert files == [wanted[1], wanted[0], wanted[2]]
    assert problems == [
        f"{tmp_path / 'c*.jpg'}: no picture of that name: give an image, a video, a folder or a glob",
        f"{tmp_path / 'empty'}: no picture or video in this folder",
    ]


def test_results_of_two_files_never_share_a_name() -> None:
    files = [Path(name) for name in ("x/a.jpg", "x/a.png", "y/a.jpg", "y/b.jpg", "z/x/c.jpg", "w/x/c.jpg", "x/A.JPG")]
    names = stems(files)
    assert names[Path("y/b.jpg")] == "b" and names[Path("x/a.png")] == "a_png"
    assert names[Path("y/a.jpg")] == "y_a_jpg"
    assert len({name.lower() for name in names.values()}) == len(files)


def test_boxes_from_csv_and_json(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("name,x0,y0,x1,y1\na.jpg,1,2,3,4\na.jpg,5,6,7,8\n")
    (tmp_path / "b.json").write_text(json.dumps({"a.jpg": [[1, 2, 3, 4], [5, 6, 7, 8]]}))
    boxes = read_boxes(tmp_path / "b.csv", L)
    assert boxes == read_boxes(tmp_path / "b.json", L) == {"a.jpg": [[1, 2, 3, 4], [5, 6, 7, 8]]}
    assert len(boxes_of(boxes, Path("any/a.jpg"))) == 2 and boxes_of(boxes, Path("any/b.jpg")) == []


def test_boxes_of_landmark_files(tmp_path: Path) -> None:
    """One face, NAME.pts; several, NAME_1.pts ..., as the command itself writes them."""
    shapes = [face_shape((75, 70)), face_shape((95, 60))]
    for name, shape in zip(("one", "two_1", "two_2"), (shapes[0], *shapes), strict=True):
        write_points(tmp_path / f"{name}.pts", shape)
    boxes = read_boxes(tmp_path, L)
    extents = [[*shape.min(0), *shape.max(0)] for shape in shapes]
    np.testing.assert_allclose(boxes_of(boxes, Path("One.jpg")), extents[:1], atol=1e-5)
    np.testing.assert_allclose(boxes_of(boxes, Path("two.png")), extents, atol=1e-5)


def test_boxes_of_300w(tmp_path: Path) -> None:
    shape = face_shape()
    write_boxes(tmp_path, "ibug", [("image_092 _01.jpg", shape)])
    boxes = read_boxes(tmp_path / "Bounding Boxes" / "bounding_boxes_ibug.mat", L)
    (box,) = boxes_of(boxes, Path("image_092_01.jpg"))
    np.testing.assert_allclose(box, [*(shape.min(0) - 2), *(shape.max(0) + 2)], atol=1e-9)


@pytest.mark.parametrize("name", ["bad.csv", "bad.json", "none.json", "bad.mat", "none", "empty"])
def test_files_that_are_no_boxes(name: str, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a.jpg,1,two,3,4\n")
    (tmp_path / "bad.json").write_text("[1, 2]")
    (tmp_path / "bad.mat").write_bytes(b"no mat")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RarError, match=f"{name} is no (list of boxes|bounding-box file)"):
        read_boxes(tmp_path / name, L)
