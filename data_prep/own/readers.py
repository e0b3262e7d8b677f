"""Readers of annotations: a folder of .pts, dlib's XML, COCO keypoints, and CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from data_prep.own.annotation import Annotation
from data_prep.pts import read_any_points
from layers.common.errors import RarError
from layers.common.json_types import parsed

GUIDE = "docs/own-data.md shows the forms"
IMAGE_COLUMNS = ("image", "file", "filename", "file_name", "path", "name")
BOX_COLUMNS = ("x0", "y0", "x1", "y1")
POINT = re.compile(r"([xy])_(.+)|(.+)_([xy])")

Found = tuple[list[Annotation], list[str]]


def read_annotations(path: Path, first_pixel: int = 0) -> Found:
    """The faces of a file or folder, and a line for each that cannot be used.

    first_pixel: the number, 0 or 1, of the first pixel of a line; .pts files count from 1 whatever it is. What is read
    counts from 0. RarError when there is nothing to read, or when it is of no form that is known.
    """
    if path.is_dir():
        return _points_folder(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise RarError(f"{path}: no form of annotations that is known; take {', '.join(READERS)} or a folder of .pts")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RarError(f"{path} cannot be read ({error.strerror}): give the file of the annotations") from None
    except UnicodeDecodeError as error:
        raise RarError(f"{path} is no UTF-8 text ({error}): save it as UTF-8") from None
    faces, problems = reader(path, text)
    if not faces and not problems:
        raise RarError(f"{path} holds no annotated face: {GUIDE}")
    return [_shifted(face, first_pixel) for face in faces], problems


def _shifted(face: Annotation, first: int) -> Annotation:
    if not first:
        return face
    points = {key: (x - first, y - first) for key, (x, y) in face.points.items()}
    x0, y0, x1, y1 = face.box or (0, 0, 0, 0)
    box = (x0 - first, y0 - first, x1 - first, y1 - first) if face.box else None
    return Annotation(face.image, face.where, points, box, face.hidden, face.fields)


def _points_folder(folder: Path) -> Found:
    """NAME.pts is of the picture NAME.*, NAME_1.pts, NAME_2.pts ... of its faces where there is no picture NAME_1.*."""
    faces, problems = [], []
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".pts" and path.is_file())
    if not files:
        raise RarError(f"{folder} holds no .pts file: give the folder of the annotations, or their file")
    for file in files:
        try:
            points = read_any_points(file)
        except RarError as error:
            problems.append(str(error))
            continue
        numbered = {str(number): (float(x), float(y)) for number, (x, y) in enumerate(points)}
        faces.append(Annotation(str(file.relative_to(folder).with_suffix("")), str(file), numbered))
    return faces, problems


def _dlib(path: Path, text: str) -> Found:
    """<image file="..."> with <box top left width height> and in it <part name x y>."""
    try:
        root = ElementTree.fromstring(text.encode())
    except ElementTree.ParseError as error:
        raise RarError(f"{path} is no XML, or cut short ({error}): save it again") from None
    faces, problems = [], []
    for image in root.iter("image"):
        name = image.get("file", "")
        for number, box in enumerate(image.iter("box"), start=1):
            where = f"{path}, {name}, box {number}"
            if box.get("ignore") == "1":
                continue
            try:
                left, top, width, height = (float(box.attrib[key]) for key in ("left", "top", "width", "height"))
                parts = [part.attrib for part in box.iter("part")]
                points = {part["name"]: (float(part["x"]), float(part["y"])) for part in parts}
            except (KeyError, ValueError) as error:
                problems.append(f"{where}: no number where one is due ({error}): mend it")
                continue
            corners = (left, top, left + width - 1, top + height - 1)
            faces.append(Annotation(name, where, points, corners, fields={**image.attrib, **box.attrib}))
    return faces, problems


def _coco(path: Path, text: str) -> Found:
    """The keypoints of `annotations`, by the names of their category; visibility 0: not marked, 1: hidden, 2: seen."""
    try:
        whole = parsed(text)
        images = {image["id"]: image for image in whole["images"]}
        names = {one["id"]: one.get("keypoints") for one in whole.get("categories", ())}
        annotations = list(whole["annotations"])
    except (ValueError, TypeError, KeyError) as error:
        raise RarError(f"{path} is no file of COCO keypoints ({type(error).__name__}: {error}): {GUIDE}") from None
    faces, problems = [], []
    for number, one in enumerate(annotations):
        where = f"{path}, annotation {one.get('id', number) if isinstance(one, dict) else number}"
        try:
            faces.append(_coco_face(where, one, images[one["image_id"]], names.get(one.get("category_id"))))
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
            problems.append(f"{where}: no face with keypoints ({type(error).__name__}: {error}): mend it")
    return faces, problems


def _coco_face(where: str, one: dict[str, Any], image: dict[str, Any], names: list[str] | None) -> Annotation:
    rows = np.array(one["keypoints"], np.float64).reshape(-1, 3)
    keys = [str(name) for name in names] if names and len(names) == len(rows) else [str(i) for i in range(len(rows))]
    rows[rows[:, 2] == 0, :2] = np.nan
    points = {key: (float(x), float(y)) for key, (x, y, _) in zip(keys, rows, strict=True)}
    hidden = frozenset(key for key, row in zip(keys, rows, strict=True) if row[2] == 1)
    box = None
    if one.get("bbox"):
        x, y, width, height = (float(value) for value in one["bbox"])
        box = (x, y, x + width - 1, y + height - 1)
    said = {key: str(value) for key, value in {**image, **one}.items() if isinstance(value, str | int)}
    return Annotation(str(image["file_name"]), where, points, box, hidden, said)


def _table(path: Path, text: str) -> Found:
    """A line a face: image, x_1, y_1, ..., as it may be x0 y0 x1 y1 of a box, hidden_1 ..., and any other column."""
    lines = [line for line in text.splitlines() if line.strip()]
    mark = max(",;\t", key=lines[0].count) if lines else ","
    try:
        head, *rows = csv.reader(lines or [""], delimiter=mark)
    except csv.Error as error:
        raise RarError(f"{path} is no table ({error}): {GUIDE}") from None
    head = [word.strip() for word in head]
    if twice := next((name for name in head if name and head.count(name) > 1), None):
        raise RarError(f"{path}: two columns are called {twice!r}: leave one out")
    image = next((head.index(name) for name in IMAGE_COLUMNS if name in head), None)
    columns = _point_columns(head)
    if image is None or not columns:
        raise RarError(f"{path}: the first line names the columns: image, x_1, y_1, x_2 ...; {GUIDE}")
    faces, problems = [], []
    for number, row in enumerate(rows, start=2):
        where = f"{path}, line {number}"
        try:
            faces.append(_table_face(where, dict(zip(head, row, strict=True)), head[image], columns))
        except ValueError as error:
            problems.append(f"{where}: {' '.join(str(error).split())}: mend it")
    return faces, problems


def _point_columns(head: list[str]) -> dict[str, tuple[str, str]]:
    """The columns of x and y by landmark, of those that have both."""
    found: dict[str, dict[str, str]] = {}
    for name in head:
        if match := POINT.fullmatch(name):
            axis, landmark = (match[1], match[2]) if match[1] else (match[4], match[3])
            found.setdefault(landmark, {})[axis] = name
    return {landmark: (both["x"], both["y"]) for landmark, both in found.items() if len(both) == 2}


def _table_face(where: str, row: dict[str, str], image: str, columns: dict[str, tuple[str, str]]) -> Annotation:
    def value(name: str) -> float:
        return float(row[name]) if row[name].strip() else float("nan")

    points = {landmark: (value(x), value(y)) for landmark, (x, y) in columns.items()}
    box = None
    if all(row.get(name, "").strip() for name in BOX_COLUMNS):
        x0, y0, x1, y1 = (value(name) for name in BOX_COLUMNS)
        box = (x0, y0, x1, y1)
    flags = [landmark for landmark in columns if f"hidden_{landmark}" in row]
    hidden = frozenset(landmark for landmark in flags if value(f"hidden_{landmark}") > 0) if flags else None
    return Annotation(row[image].strip(), where, points, box, hidden, row)


READERS: dict[str, Callable[[Path, str], Found]] = {
    ".xml": _dlib, ".json": _coco, ".csv": _table, ".tsv": _table, ".txt": _table,
}  # fmt: skip

