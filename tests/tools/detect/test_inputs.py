"""Files by name, folder and glob, their results' names, and boxes from every kind of file."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from data_prep.pts import write_points
from layers.common.errors import RarError
from tests.data_prep.conftest import face_shape, write_boxes
from tools.detect.boxes import read_boxes
from tools.detect.inputs import is_video, sources, stems

L = 68


def test_files_by_name_folder_and_glob(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.PNG", "notes.txt", "clip.MP4", ".hidden.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    wanted = [tmp_path / "a.PNG", tmp_path / "b.jpg", tmp_path / "clip.MP4"]
    assert sources([str(tmp_path)]) == (wanted, [], [f"{tmp_path}: 3, no pictures: .hidden.jpg, empty/, notes.txt"])
    assert [is_video(path) for path in wanted] == [False, False, True]
    files, problems, _ = sources([str(tmp_path / word) for word in ("*.jpg", "", "c*.jpg", "empty")])
    assert files == [wanted[1], wanted[0], wanted[2]]
    assert problems == [
        f"{tmp_path / 'c*.jpg'}: no picture of that name: give an image, a video, a folder or a glob",
        f"{tmp_path / 'empty'}: no picture or video in this folder",
    ]


def test_a_folder_says_what_it_passes_over(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jfif", "c.pgm", "d.gif", "e.avif", "f.HEIC"):
        (tmp_path / name).touch()
    files, problems, passed_over = sources([str(tmp_path)])
    assert [file.name for file in files] == ["a.jpg", "b.jfif", "c.pgm"] and passed_over == []
    assert problems == [
        f"{tmp_path / name}: {kind} pictures cannot be read here: save it as JPEG or PNG"
        for name, kind in (("d.gif", "gif"), ("e.avif", "avif"), ("f.HEIC", "heic"))
    ]


def test_a_word_that_cannot_be_a_file_costs_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "dangling.jpg").symlink_to("gone")
    words = ["x" * 5000, tmp_path / "round" / "b.jpg", tmp_path / "dangling.jpg", "a\0b", tmp_path / "a.jpg"]
    files, problems, _ = sources([str(word) for word in words])
    assert files == [tmp_path / "dangling.jpg", tmp_path / "a.jpg"], "a link without a file is named when it is read"
    assert len(problems) == 3 and all("\n" not in problem for problem in problems)


def test_an_unreadable_folder_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    (tmp_path / "a.jpg").touch()
    monkeypatch.setattr(Path, "iterdir", Mock(side_effect=PermissionError(errno.EACCES, "Permission denied", "locked")))
    files, problems, _ = sources([str(tmp_path / "locked"), str(tmp_path / "a.jpg")])
    assert files == [tmp_path / "a.jpg"]
    assert problems == [f"{tmp_path / 'locked'}: Permission denied: replace it, or leave it out"]


def test_results_of_two_files_never_share_a_name() -> None:
    files = [Path(name) for name in ("x/a.jpg", "x/a.png", "y/a.jpg", "y/b.jpg", "z/x/c.jpg", "w/x/c.jpg", "x/A.JPG")]
    names = stems(files)
    assert names[Path("y/b.jpg")] == "b" and names[Path("x/a.png")] == "a_png"
    assert names[Path("y/a.jpg")] == "y_a_jpg"
    assert len({name.lower() for name in names.values()}) == len(files)


def test_results_are_not_called_as_another_pictures_second_face() -> None:
    """a.jpg may have two faces, whose files are a_1.pts and a_2.pts."""
    names = stems([Path("a.jpg"), Path("a_1.jpg"), Path("b_7.jpg"), Path("take.v1.mp4"), Path("take.v2.mp4")])
    assert list(names.values()) == ["a", "a_1_jpg", "b_7", "take.v1", "take.v2"]
    assert stems([Path("faces.partial.mp4")]) == {Path("faces.partial.mp4"): "faces.partial_mp4"}


def test_names_too_long_for_what_is_added_are_cut() -> None:
    files = [Path(f"{'x' * 250}{i}.jpg") for i in (1, 2)] + [Path("\u9762" * 80 + ".jpg"), Path("caf\udce9.jpg")]
    names = list(stems(files).values())
    assert len(set(names)) == 4 and all(len(os.fsencode(name)) <= 220 for name in names)
    assert names[0].startswith("xxx") and names[3] == "caf\udce9"


def test_boxes_from_csv_and_json(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("name,x0,y0,x1,y1\na.jpg,1,2,3,4\na.jpg,5,6,7,8\n")
    (tmp_path / "b.json").write_text(json.dumps({"a.jpg": [[1, 2, 3, 4], [5, 6, 7, 8]]}))
    boxes = read_boxes(tmp_path / "b.csv", L)
    assert boxes.by_name == read_boxes(tmp_path / "b.json", L).by_name == {"a.jpg": [[1, 2, 3, 4], [5, 6, 7, 8]]}
    assert len(boxes.of(Path("any/a.jpg"))) == 2 and boxes.of(Path("any/b.jpg")) == []


def test_columns_go_by_their_headings(tmp_path: Path) -> None:
    """As in faces.csv, whose second column is the face's number."""
    (tmp_path / "b.csv").write_text("image,face,x0,y0,x1,y1,x_1\nx/a.jpg,1,10,20,30,40,7\ny/a.jpg,2,50,60,70,80,7\n")
    (tmp_path / "swapped.csv").write_text("y1, x1, Name, y0, x0\n40,30,a.jpg,20,10\n")
    boxes = read_boxes(tmp_path / "b.csv", L)
    assert boxes.of(Path("x/a.jpg")) == boxes.of(Path("x/a.jpg").absolute()) == [[10, 20, 30, 40]]
    assert boxes.of(Path("z/a.jpg")) == []
    assert read_boxes(tmp_path / "swapped.csv", L).by_name == {"a.jpg": [[10, 20, 30, 40]]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,left,top,right,bottom\na.jpg,1,2,3,4\n", "its columns are name, left, top, right, bottom"),
        ("x0,y0,x1,y1\n1,2,3,4\n", "its columns are x0, y0, x1, y1"),
        ("name,x0,x0,x1,y1\na.jpg,1,2,3,4\n", "its columns are name, x0, x0, x1, y1"),
        ("a.jpg,1,10,20,30,40\n", "line 1: a box is four numbers, x0 y0 x1 y1, not ['a.jpg', '1', '10', '20'"),
        ("a.jpg;1;2;3;4\n", "its columns are a.jpg;1;2;3;4"),
        ("", "it is empty"),
    ],
)
def test_other_layouts_are_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(RarError) as refused:
        read_boxes(tmp_path / "b.csv", L)
    assert said in str(refused.value) and str(refused.value).endswith("lines name,x0,y0,x1,y1, or JSON by name")


@pytest.mark.parametrize("bad", ["inf", "1e300", "1e15", "nan", "-1e7", "zwei", "1e400", ""])
def test_a_box_that_is_none_costs_itself_alone(bad: str, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(f"a.jpg,1,2,3,4\na.jpg,1,2,{bad},4\nb.jpg,5,6,7\nc.jpg,5,6,7,8\nc.jpg,9,9,9,9\n")
    boxes = read_boxes(tmp_path / "b.csv", L)
    assert boxes.by_name == {"a.jpg": [[1, 2, 3, 4]], "c.jpg": [[5, 6, 7, 8]]}
    lines = [problem.removeprefix(f"{tmp_path / 'b.csv'}, line ")[:2] for problem in boxes.problems]
    assert lines == ["2:", "3:", "5:"]


def test_odd_json(tmp_path: Path) -> None:
    huge = "9" * 400
    (tmp_path / "b.json").write_text(
        f'{{"a": [[1, 2, 3, 4], [1, 2, 3]], "b": [1, 2, 3, 4], "c": null, "d": {{"x0": 1}}, "e": [[1, 2, 3, {huge}]]}}'
    )
    boxes = read_boxes(tmp_path / "b.json", L)
    assert boxes.by_name == {"a": [[1, 2, 3, 4]], "b": [[1, 2, 3, 4]]} and len(boxes.problems) == 4
    mixed = '{"a": [[1, 2, 3, 4], null], "b": "1289", "c": {"1": 0, "2": 0, "8": 0, "9": 0}}'
    (tmp_path / "mixed.json").write_text(mixed)
    boxes = read_boxes(tmp_path / "mixed.json", L)
    assert boxes.by_name == {"a": [[1, 2, 3, 4]]} and len(boxes.problems) == 3
    faces = '[{"image": "a", "box": [1, 2, 3, 4]}, {"image": "b"}, {"box": [1, 2, 3, 4]}, 7]'
    (tmp_path / "faces.json").write_text(faces)
    boxes = read_boxes(tmp_path / "faces.json", L)
    assert boxes.by_name == {"a": [[1, 2, 3, 4]]} and len(boxes.problems) == 3
    (tmp_path / "twice.json").write_text('{"a": [1, 2, 3, 4], "a": [5, 6, 7, 8]}')
    with pytest.raises(RarError, match="'a' stands twice"):
        read_boxes(tmp_path / "twice.json", L)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(RarError, match="deep.json is no list of boxes .*nested too deep"):
        read_boxes(tmp_path / "deep.json", L)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_boxes_in_any_encoding(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes("caf\u00e9.jpg,1,2,3,4\r\n".encode(encoding))
    assert read_boxes(tmp_path / "b.csv", L).by_name == {"caf\u00e9.jpg": [[1, 2, 3, 4]]}


def test_an_accent_is_a_letters_however_it_is_stored(tmp_path: Path) -> None:
    apart, composed = "cafe\u0301.jpg", "caf\u00e9.jpg"
    for listed, named in ((apart, composed), (composed, apart)):
        (tmp_path / "b.csv").write_text(f"{listed},1,2,3,4\nx/{listed},5,6,7,8\n")
        boxes = read_boxes(tmp_path / "b.csv", L)
        assert boxes.of(Path("y") / named) == [[1, 2, 3, 4]] and boxes.of(Path("x") / named) == [[5, 6, 7, 8]]
        (tmp_path / "b.csv").write_text(f"x/{listed},5,6,7,8\n")
        assert read_boxes(tmp_path / "b.csv", L).of(Path("x").absolute() / named) == [[5, 6, 7, 8]]
        (tmp_path / "b.csv").write_text(f"{listed},1,2,3,x\na.jpg,1,2,3,4")
        assert "a box is four numbers" in read_boxes(tmp_path / "b.csv", L).problem(Path(named))


def test_a_name_of_any_bytes(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"caf\xe9.jpg,1,2,3,4\n")
    assert read_boxes(tmp_path / "b.csv", L).of(Path(os.fsdecode(b"x/caf\xe9.jpg"))) == [[1, 2, 3, 4]]


def test_boxes_of_landmark_files(tmp_path: Path) -> None:
    """One face, NAME.pts; several, NAME_1.pts ..., as the command itself writes them; a damaged file costs itself."""
    shapes = [face_shape((75, 70)), face_shape((95, 60))]
    for name, shape in zip(("one", "two_1", "two_2", "img_1"), (shapes[0], *shapes, shapes[0]), strict=True):
        write_points(tmp_path / f"{name}.pts", shape)
    (tmp_path / "cut.pts").write_bytes((tmp_path / "one.pts").read_bytes()[:300])
    boxes = read_boxes(tmp_path, L)
    extents = [[*shape.min(0), *shape.max(0)] for shape in shapes]
    np.testing.assert_allclose(boxes.of(Path("One.jpg")), extents[:1], atol=1e-5)
    np.testing.assert_allclose(boxes.of(Path("two.png")), extents, atol=1e-5)
    assert len(boxes.of(Path("img_1.jpg"))) == 1 and boxes.of(Path("img.jpg")) == []
    assert boxes.problems == [f"{tmp_path / 'cut.pts'}: cut short, no closing brace: replace it"]


def test_numbered_boxes_of_pictures_of_their_own_are_theirs_alone(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("img_1,1,2,3,4\nimg_2,5,6,7,8\n")
    assert read_boxes(tmp_path / "b.csv", L).of(Path("img.jpg")) == []
    for name in ("img_1", "img_2"):
        write_points(tmp_path / f"{name}.pts", face_shape())
        (tmp_path / f"{name}.jpg").touch()
    boxes = read_boxes(tmp_path, L)
    assert boxes.of(tmp_path / "img.jpg") == [] and len(boxes.of(tmp_path / "img_2.jpg")) == 1


def test_boxes_of_300w(tmp_path: Path) -> None:
    shape = face_shape()
    write_boxes(tmp_path, "ibug", [("image_092 _01.jpg", shape)])
    boxes = read_boxes(tmp_path / "Bounding Boxes" / "bounding_boxes_ibug.mat", L)
    (box,) = boxes.of(Path("image_092_01.jpg"))
    np.testing.assert_allclose(box, [*(shape.min(0) - 2), *(shape.max(0) + 2)], atol=1e-9)


@pytest.mark.parametrize("name", ["bad.csv", "bad.json", "none.json", "bad.mat", "none", "empty"])
def test_files_that_are_no_boxes(name: str, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a.jpg,1,two,3,4\n")
    (tmp_path / "bad.json").write_text("[1, 2]")
    (tmp_path / "bad.mat").write_bytes(b"no mat")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RarError, match=f"{name} is no (list of boxes|bounding-box file)"):
        read_boxes(tmp_path / name, L)
