"""Faces of one's own: four forms of annotation that say the same, and what is said when they are wrong."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.own.annotation import Annotation, Order, scheme_by_number
from data_prep.own.boxes import found_boxes, points_box
from data_prep.own.pictures import Pictures
from data_prep.own.readers import read_annotations
from data_prep.own.scan import Wanted, scan
from data_prep.pts import write_points
from data_prep.records import FaceRecord
from layers.common.errors import RarError
from layers.common.scheme_file import parse
from layers.common.schemes import SCHEME_5, SCHEME_68, Scheme

FIVE = parse(
    {
        "name": "our-five",
        "landmarks": ["left eye", "right eye", "tip", "left corner", "right corner"],
        "mirror": [[0, 1], [3, 4]],
        "eyes": {"left": [0], "right": [1]},
    }
)
FACE = np.array([(20, 22), (44, 20), (33, 34), (24, 46), (42, 45)], float)
NAMES = ("a/one.jpg", "a/two.png", "b/one.jpg")
SHAPES = [FACE, FACE + 3, FACE * 1.25]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures, two of one name in different folders."""
    folder = tmp_path / "pictures"
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), noise)
    return folder


def as_pts(folder: Path) -> Path:
    for name, shape in zip(NAMES, SHAPES, strict=True):
        file = folder / "points" / Path(name).with_suffix(".pts")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_points(file, shape)
    return folder / "points"


def as_csv(folder: Path, names: bool = False, mark: str = ",") -> Path:
    keys = [name if names else str(number + 1) for number, name in enumerate(FIVE.names)]
    with (folder / "faces.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=mark)
        box = ["x0", "y0", "x1", "y1"]
        head = [f"{axis}_{key}" for key in keys for axis in "xy"]
        writer.writerow(["image", "set", *box, *head, f"hidden_{keys[2]}"])
        for name, shape, chosen in zip(NAMES, SHAPES, ("train", "test", "val"), strict=True):
            writer.writerow([name, chosen, *points_box(shape), *shape.ravel(), 1 if name == NAMES[1] else 0])
    return folder / "faces.csv"


def as_xml(folder: Path) -> Path:
    lines = ["<?xml version='1.0'?>", "<dataset><images>"]
    for name, shape in zip(NAMES, SHAPES, strict=True):
        x0, y0, x1, y1 = points_box(shape)
        lines.append(f"<image file='{name}'><box top='{y0}' left='{x0}' width='{x1 - x0 + 1}' height='{y1 - y0 + 1}'>")
        lines += [f"<part name='{i:02}' x='{x}' y='{y}'/>" for i, (x, y) in enumerate(shape)]
        lines.append("</box></image>")
    (folder / "faces.xml").write_text("\n".join([*lines, "</images></dataset>"]))
    return folder / "faces.xml"


def as_coco(folder: Path) -> Path:
    """The category has the scheme's names in another order."""
    order = [4, 2, 0, 1, 3]
    annotations = []
    for number, shape in enumerate(SHAPES):
        x0, y0, x1, y1 = points_box(shape)
        seen = [1 if number == 1 and i == 2 else 2 for i in range(5)]
        keypoints = [value for i in order for value in (*shape[i], seen[i])]
        bbox = [x0, y0, x1 - x0 + 1, y1 - y0 + 1]
        annotations.append({"id": number, "image_id": number, "category_id": 1, "keypoints": keypoints, "bbox": bbox})
    images = [{"id": number, "file_name": name} for number, name in enumerate(NAMES)]
    categories = [{"id": 1, "name": "face", "keypoints": [FIVE.names[i] for i in order]}]
    whole = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "faces.json").write_text(json.dumps(whole))
    return folder / "faces.json"


FORMS: dict[str, Callable[[Path], Path]] = {
    "pts": as_pts, "csv": as_csv, "csv by names": lambda folder: as_csv(folder, names=True),
    "semicolons": lambda folder: as_csv(folder, mark=";"), "dlib": as_xml, "coco": as_coco,
}  # fmt: skip


def wanted(pictures: Path, annotations: Path, scheme: Scheme | None = FIVE, **changes: object) -> Wanted:
    plain: dict[str, object] = {"boxes": "", "split": "", "test": 0.0, "seed": 0, "first_pixel": 0, "stored": False}
    return Wanted(pictures, annotations, scheme, **{**plain, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(pictures: Path, tmp_path: Path, form: str) -> None:
    found = scan(wanted(pictures, FORMS[form](tmp_path)), None)
    records = sorted(found.scans[0].records, key=lambda record: record.name)
    assert [record.name for record in records] == ["a/one", "a/two", "b/one"]
    for record, shape, name in zip(records, SHAPES, NAMES, strict=True):
        np.testing.assert_allclose(record.shape, shape)
        np.testing.assert_allclose(record.box, points_box(shape))
        assert str(record.image) == str(pictures / name)
    assert found.boxes == ("points" if form == "pts" else "file")
    flags = [record.occluded for record in records]
    if form in ("pts", "dlib"):
        assert flags == [None, None, None]
    else:
        np.testing.assert_array_equal(np.stack([flag for flag in flags if flag is not None])[:, 2], [0, 1, 0])
    assert found.scans[0].problems == []


def test_a_column_divides_the_faces(pictures: Path, tmp_path: Path) -> None:
    found = scan(wanted(pictures, as_csv(tmp_path), split="set"), None)
    by_set = {part.subset.set: [record.name for record in part.records] for part in found.scans}
    assert by_set == {"train": ["a/one"], "val": ["b/one"], "test": ["a/two"]}
    with pytest.raises(RarError, match="no 'fold' to split by"):
        scan(wanted(pictures, as_csv(tmp_path), split="fold"), None)
    text = as_csv(tmp_path).read_text(encoding="utf-8-sig").replace("two.png,test", "two.png,later")
    (tmp_path / "faces.csv").write_text(text)
    found = scan(wanted(pictures, tmp_path / "faces.csv", split="set"), None)
    [problem] = found.scans[0].problems
    assert "line 3: set is 'later': it says train, val or test" in problem
    assert [(part.subset.set, [r.name for r in part.records]) for part in found.scans] == [
        ("train", ["a/one"]), ("val", ["b/one"]),
    ]  # fmt: skip


def test_a_share_is_tested_on_by_photograph(pictures: Path, tmp_path: Path) -> None:
    found = scan(wanted(pictures, as_csv(tmp_path), test=0.3), None)
    assert [(part.subset.set, len(part.records)) for part in found.scans] == [("train", 2), ("test", 1)]
    lines = as_csv(tmp_path).read_text(encoding="utf-8-sig").splitlines()
    (tmp_path / "two.csv").write_text("\n".join([lines[0], lines[1], lines[1]]))
    found = scan(wanted(pictures, tmp_path / "two.csv", test=0.5), None)
    assert [(part.subset.set, len(part.records)) for part in found.scans] == [("train", 2)]
    assert "1 photographs: all of them are to train on" in found.remarks[0]
    assert [record.name for record in found.scans[0].records] == ["a/one", "a/one@2"]  # two faces of one picture


def test_pixels_that_count_from_one(pictures: Path, tmp_path: Path) -> None:
    for form, moved in (("csv", 1), ("pts", 0)):
        found = scan(wanted(pictures, FORMS[form](tmp_path), first_pixel=1), None)
        np.testing.assert_allclose(found.scans[0].records[0].shape, SHAPES[0] - moved)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("20.0,22.0", ",22.0", "landmark 1 has no place"),
        ("20.0,22.0", "left,22.0", "could not convert"),
        ("20.0,22.0", "inf,22.0", "landmark 1 has no place"),
        ("20.0,22.0", "20.0", "line 2"),
        ("a/one.jpg", "a/none.jpg", "no picture 'a/none.jpg' under"),
        ("44.0,20.0", "20.0,22.0", "has a length of 0"),
    ],
)
def test_a_bad_face_is_named_and_the_rest_goes_on(
    pictures: Path, tmp_path: Path, old: str, new: str, words: str
) -> None:
    text = as_csv(tmp_path).read_text(encoding="utf-8-sig")
    assert old in text
    (tmp_path / "faces.csv").write_text(text.replace(old, new, 1))
    found = scan(wanted(pictures, tmp_path / "faces.csv"), None)
    [problem] = found.scans[0].problems
    assert words in problem and str(tmp_path / "faces.csv") in problem and "\n" not in problem
    assert len(found.scans[0].records) == 2


COCO = '{"images": [{"id": 1, "file_name": "a/one.jpg"}], "annotations": [{"image_id": 1, "keypoints": %s}]}'


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("faces.csv", "", "the first line names the columns"),
        ("faces.csv", "a/one.jpg,1,2,3,4\n", "the first line names the columns"),
        ("faces.xml", "<dataset>", "is no XML, or cut short"),
        ("faces.xml", "<dataset/>", "holds no annotated face"),
        ("faces.json", "{}", "is no file of COCO keypoints"),
        ("faces.json", "[1", "is no file of COCO keypoints"),
        ("faces.json", "[" * 100_000, "nested too deep"),
        ("faces.csv", "image,x_1,x_1,y_1\na/one.jpg,1,2,3\n", "two columns are called 'x_1'"),
        ("faces.csv", f"image,x_1,y_1\n\"{'a' * 200_000}", "is no table (field larger than field limit"),
        ("faces.json", COCO % f"[{'9' * 400}, 2, 2]", "no face with keypoints (OverflowError"),
        ("faces.mat", "x", "no form of annotations that is known"),
    ],
)
def test_a_bad_file_is_named(pictures: Path, tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(RarError) as error:
        scan(wanted(pictures, tmp_path / name), None)
    assert words in str(error.value) and str(tmp_path / name) in str(error.value)


def test_the_scheme_by_the_number_of_points(pictures: Path, tmp_path: Path) -> None:
    assert scan(wanted(pictures, as_xml(tmp_path), None), None).scheme == SCHEME_5
    cut = as_xml(tmp_path).read_text().replace("<part name='04' x='42.0' y='45.0'/>", "", 1)
    (tmp_path / "faces.xml").write_text(cut)
    with pytest.raises(RarError, match="4 or 5 points a face and no scheme: describe yours by --scheme"):
        scheme_by_number(read_annotations(tmp_path / "faces.xml")[0])
    with pytest.raises(RarError, match="5 points, and scheme 68 has 68 landmarks"):
        scan(wanted(pictures, as_csv(tmp_path), SCHEME_68), None)


def test_which_picture_is_meant(pictures: Path) -> None:
    known = Pictures(pictures)
    assert known.find("a\\one.jpg") == known.find("./a/one.jpg") == known.find("a/one") == pictures / "a/one.jpg"
    assert known.find("/elsewhere/two.png") == known.find("two") == known.find("two_2") == pictures / "a/two.png"
    with pytest.raises(RarError, match="'one.jpg' may be a/one.jpg, b/one.jpg: name the picture by its path"):
        known.find("one.jpg")
    cv2.imwrite(str(pictures / "a" / "ONE.jpg"), np.zeros((8, 8, 3), np.uint8))
    known = Pictures(pictures)  # two files whose names differ by their capitals alone are two
    assert known.find("a/ONE.jpg") != known.find("a/one.jpg")
    assert known.name(known.find("a/ONE")) == "a/ONE"
    cv2.imwrite(str(pictures / "a" / "one.png"), np.zeros((8, 8, 3), np.uint8))
    known = Pictures(pictures)
    assert [known.name(pictures / "a" / name) for name in ("one.png", "one.jpg")] == ["a/one.png", "a/one.jpg"]
    with pytest.raises(RarError, match="no picture under"):
        Pictures(Path(__file__).parent)


@pytest.mark.parametrize("first", [0, 1])
def test_numbers_count_from_where_the_file_begins(first: int) -> None:
    points = {str(i + first): (float(x), float(y)) for i, (x, y) in enumerate(FACE)}
    face = Annotation("a", "here", dict(reversed(points.items())))
    np.testing.assert_array_equal(Order(FIVE, [face]).shape(face), FACE)
    short = Annotation("a", "here", {key: place for key, place in points.items() if key != str(2 + first)})
    with pytest.raises(RarError, match=f"4 points, and scheme our-five has 5 landmarks: {2 + first} missing"):
        Order(FIVE, [face, short]).shape(short)


def test_a_finders_boxes(pictures: Path) -> None:
    """Found ones where they overlap; where there is none, placed as the others lie from their points."""
    shapes = [FACE, FACE + (30, 30), FACE * 1.5]
    records = [
        FaceRecord(str(i), pictures / name, "own", shape, points_box(shape), None, name)
        for i, (shape, name) in enumerate(zip(shapes, (NAMES[0], NAMES[0], NAMES[1]), strict=True))
    ]
    larger = np.array([-6.0, -2.0, 6.0, 10.0])

    def find(image: np.ndarray) -> np.ndarray:
        """Both faces of the first picture, in another order, and a third box; of the second picture none."""
        find.calls += 1  # type: ignore[attr-defined]
        if find.calls > 1:  # type: ignore[attr-defined]
            return np.empty((0, 4))
        return np.stack([points_box(shapes[1]) + larger, points_box(shapes[0]) + larger, np.array([70.0, 0, 90, 20])])

    find.calls = 0  # type: ignore[attr-defined]
    given, absent = found_boxes(records, find)
    assert absent == 1
    for record, shape in zip(given[:2], shapes[:2], strict=True):
        np.testing.assert_allclose(record.box, points_box(shape) + larger)
    np.testing.assert_allclose(given[2].box, points_box(shapes[2]) + 1.5 * larger)
    with pytest.raises(RarError, match="finds none of these faces: take --boxes points"):
        found_boxes(records, lambda image: np.empty((0, 4)))
