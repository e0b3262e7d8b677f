"""Faces of one's own: four forms of annotation that say the same, and what is said when they are wrong."""

from __future__ import annotations

import csv
import errno
import json
import os
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
    assert found.remarks == []
    text = as_csv(tmp_path).read_text(encoding="utf-8-sig").replace("a/two.png,test", "a/one.jpg,test")
    (tmp_path / "divided.csv").write_text(text)
    [remark] = scan(wanted(pictures, tmp_path / "divided.csv", split="set"), None).remarks
    assert remark == f"faces of one photograph are in several sets, as of {pictures / 'a/one.jpg'} (1 such)"
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
        ("20.0,22.0", "left,22.0", "x_1 is 'left', no number such as 20.5"),
        ("a/one.jpg", "one, two.jpg", "in quotes, and close them"),
        ("a/one.jpg", '"a/one.jpg', "in quotes, and close them"),
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
        pytest.param("faces.json", "[" * 100_000, "nested too deep", id="deep"),
        ("faces.csv", "image,x_1,x_1,y_1\na/one.jpg,1,2,3\n", "two columns are called 'x_1'"),
        pytest.param("faces.csv", f"image,x_1,y_1\n\"{'a' * 200_000}", "in quotes, and close them", id="wide"),
        pytest.param("faces.json", COCO % f"[{'9' * 400}, 2, 2]", "int too large to convert", id="large"),
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
    assert known.find("/elsewhere/two.png") == known.find("two") == pictures / "a/two.png"
    assert known.find("../pictures/b/one.jpg") == pictures / "b/one.jpg"
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


def test_a_picture_of_another_folder_is_not_taken(pictures: Path) -> None:
    """What all names begin with says where the pictures lay; below it each is to be in the folder that it says."""
    named = ["/mine/a/one.jpg", "/mine/b/two.png", "/mine/c/d/two.png"]
    known = Pictures(pictures, named)
    assert known.find(named[0]) == pictures / "a/one.jpg"
    for name in named[1:]:
        with pytest.raises(RarError, match=f"no picture '{name}' under"):
            known.find(name)
    assert Pictures(pictures, ["/mine/two.png", "/mine/one.jpg"]).find("/mine/two.png") == pictures / "a/two.png"


def test_a_number_is_that_of_a_face_or_of_a_picture(pictures: Path, tmp_path: Path) -> None:
    for name in ("a/two_1", "a/two_2", "b/one_5"):  # the last may be of a picture that is lost
        (tmp_path / "points" / name).parent.mkdir(parents=True, exist_ok=True)
        write_points(tmp_path / "points" / f"{name}.pts", FACE)
    found = scan(wanted(pictures, tmp_path / "points"), None)
    assert [record.name for record in found.scans[0].records] == ["a/two", "a/two@2"]
    assert "no picture 'b/one_5'" in found.scans[0].problems[0]
    cv2.imwrite(str(pictures / "a" / "two_7.png"), np.zeros((96, 96, 3), np.uint8))
    with pytest.raises(RarError, match="no picture 'a/two_1'"):  # so these are pictures, and lost
        scan(wanted(pictures, tmp_path / "points"), None)


def test_links_accents_and_pictures_of_other_kinds(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (pictures / "a" / "two.png").rename(tmp_path / "elsewhere" / "u\u0308ber.png")  # as macOS stores it
    (pictures / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(pictures)
    (pictures / "three.heic").touch()
    known = Pictures(pictures)
    assert known.find("\u00fcber.png") == pictures / "more" / "u\u0308ber.png"
    with pytest.raises(RarError, match="three.heic: no picture that can be read here: save it as JPEG or PNG"):
        known.find("three.heic")


def test_a_folder_that_cannot_be_read_is_named(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def locked(path: Path) -> object:
        if Path(path).name == "b":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    found = scan(wanted(pictures, as_csv(tmp_path)), None)
    assert [record.name for record in found.scans[0].records] == ["a/one", "a/two"]
    folder, face = found.scans[0].problems
    assert folder.startswith(f"{pictures / 'b'}: a folder that cannot be read (Permission denied)")
    assert "no picture 'b/one.jpg'" in face


@pytest.mark.parametrize(
    ("encoding", "stated"), [("utf-8", "ISO-8859-1"), ("latin-1", "ISO-8859-1"), ("utf-16", "UTF-16")]
)
def test_dlibs_xml_in_any_encoding(pictures: Path, tmp_path: Path, encoding: str, stated: str) -> None:
    """imglab states ISO-8859-1, and writes names as they are on the disk."""
    (pictures / "a" / "one.jpg").rename(pictures / "a" / "\u00e9t\u00e9.jpg")
    text = as_xml(tmp_path).read_text().replace("a/one", "a/\u00e9t\u00e9")
    (tmp_path / "faces.xml").write_bytes(text.replace("'1.0'", f"'1.0' encoding='{stated}'").encode(encoding))
    found = scan(wanted(pictures, tmp_path / "faces.xml"), None)
    assert found.scans[0].problems == [] and "a/\u00e9t\u00e9" in {record.name for record in found.scans[0].records}


def test_a_landmark_that_is_there_twice(pictures: Path, tmp_path: Path) -> None:
    text = as_xml(tmp_path).read_text().replace("name='04'", "name='03'", 1)
    (tmp_path / "faces.xml").write_text(text)
    found = scan(wanted(pictures, tmp_path / "faces.xml"), None)
    assert "box 1: landmark 03 is there twice: mend it" in found.scans[0].problems[0]
    text = as_csv(tmp_path).read_text(encoding="utf-8-sig").replace("x_5", "x_4")
    (tmp_path / "faces.csv").write_text(text)
    with pytest.raises(RarError, match="faces.csv: two columns are called 'x_4': give each a name of its own"):
        scan(wanted(pictures, tmp_path / "faces.csv"), None)


def test_what_is_wrong_in_coco_costs_itself_alone(pictures: Path, tmp_path: Path) -> None:
    whole = json.loads(as_coco(tmp_path).read_text())
    whole["images"][0]["id"] = "0"  # text as a number is
    whole["images"].append({"file_name": "without.jpg"})
    face = whole["annotations"][0]
    odd = [{**face, "image_id": 9}, {**face, "keypoints": face["keypoints"][:-1]}, {**face, "keypoints": None}, 7]
    whole["annotations"] = [*odd, {"image_id": 0, "category_id": 2}, *whole["annotations"]]
    (tmp_path / "faces.json").write_text(json.dumps(whole))
    found = scan(wanted(pictures, tmp_path / "faces.json"), None)
    assert len(found.scans[0].records) == 3
    words = ("no image of its image_id 9", "are x, y, visibility", "are x, y, visibility", "no face", "'keypoints'")
    for problem, said in zip(found.scans[0].problems, words, strict=True):
        assert said in problem and "leave it out" in problem


def test_a_table_as_spreadsheets_write_it(pictures: Path, tmp_path: Path) -> None:
    """Headings in capitals, a column whose name has commas, lines that are empty, a note of two lines, UTF-16."""
    head, *rows = as_csv(tmp_path, mark=";").read_text(encoding="utf-8-sig").splitlines()
    lines = ["", f"{head.upper()};notes, if, any, at, all, of, these, faces, which, nobody, reads, in, fact"]
    lines += [rows[0] + ';"one\ntwo"', "", rows[1] + ";", rows[2].replace("b/one", "b/none") + ";"]
    (tmp_path / "faces.csv").write_text("\n".join(lines), encoding="utf-16")
    found = scan(wanted(pictures, tmp_path / "faces.csv"), None)
    np.testing.assert_allclose(found.scans[0].records[1].shape, SHAPES[1])
    assert found.boxes == "file"
    assert np.array_equal(np.asarray(found.scans[0].records[1].occluded), [0, 0, 1, 0, 0])
    [problem] = found.scans[0].problems
    assert "faces.csv, line 7: no picture 'b/none.jpg'" in problem


def test_a_quote_that_is_never_closed(pictures: Path, tmp_path: Path) -> None:
    """It costs its own line, however much follows."""
    head, *rows = as_csv(tmp_path).read_text(encoding="utf-8-sig").splitlines()
    (tmp_path / "faces.csv").write_text("\n".join([head, f'"{rows[0]}', *rows[1:], *[rows[1]] * 3000]))
    found = scan(wanted(pictures, tmp_path / "faces.csv"), None)
    assert len(found.scans[0].records) == 3002 and len(found.scans[0].problems) == 1


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
