"""Readers of annotations: a folder of .pts, dlib's XML, COCO keypoints, and CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from data_prep.own.annotation import Annotation
from data_prep.own.folders import all_files
from data_prep.pts import read_any_points
from layers.common.errors import RarError, reason
from layers.common.json_types import parsed
from layers.common.text_files import read_text

GUIDE = "docs/own-data.md shows the forms"
IMAGE_COLUMNS = ("image", "file", "filename", "file_name", "path", "name")
BOX_COLUMNS = ("x0", "y0", "x1", "y1")
POINT = re.compile(r"([xy])_(.+)|(.+)_([xy])", re.IGNORECASE)
NUMBERED = re.compile(r"(.+)_(\d{1,6})")  # a face of several of one picture
KNOWN = re.compile(rf"(?:{'|'.join((*IMAGE_COLUMNS, *BOX_COLUMNS))})$|hidden_", re.IGNORECASE)
MARKS = ",;\t|"  # between the columns

Point = tuple[float, float]
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
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise RarError(f"{path} cannot be read ({reason(error)}): give the file of the annotations") from None
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
    return replace(face, points=points, box=box)


def _unique(pairs: Iterable[tuple[str, Point]]) -> dict[str, Point]:
    """The points by landmark; ValueError when one is there twice."""
    points: dict[str, Point] = {}
    for key, place in pairs:
        if key in points:
            raise ValueError(f"landmark {key} is there twice")
        points[key] = place
    return points


def _points_folder(folder: Path) -> Found:
    """NAME.pts is of the picture NAME.*; NAME_1.pts, NAME_2.pts ... of its faces where all numbers are there."""
    faces = []
    every, problems = all_files(folder)
    files = [file for file in every if file.suffix.lower() == ".pts"]
    if not files:
        raise RarError(f"{folder} holds no .pts file: give the folder of the annotations, or their file")
    names = {file: file.relative_to(folder).with_suffix("").as_posix() for file in files}
    whole = _of_several(names.values())
    for file in files:
        try:
            points = read_any_points(file)
        except RarError as error:
            problems.append(str(error))
            continue
        numbered = {str(number): (float(x), float(y)) for number, (x, y) in enumerate(points)}
        name = names[file]
        faces.append(Annotation(name, str(file), numbered, several=whole.get(name, "")))
    return faces, problems


def _of_several(names: Iterable[str]) -> dict[str, str]:
    """NAME of each NAME_1, NAME_2 ... without a gap; the first may be called NAME itself."""
    faces: dict[str, dict[int, str]] = {}
    for name in names:
        match = NUMBERED.fullmatch(name)
        whole, number = (match[1], int(match[2])) if match else (name, 1)
        faces.setdefault(whole, {})[number] = name
    several = {whole: found for whole, found in faces.items() if len(found) > 1}
    return {
        name: whole
        for whole, found in several.items()
        if set(found) == set(range(1, len(found) + 1))
        for name in found.values()
    }


def _dlib(path: Path, text: str) -> Found:
    """<image file="..."> with <box top left width height> and in it <part name x y>."""
    try:
        root = ElementTree.fromstring(_xml(path, text))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
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
                points = _unique((part["name"], (float(part["x"]), float(part["y"]))) for part in parts)
            except (KeyError, ValueError) as error:
                why = f"no {error.args[0]!r} in it" if isinstance(error, KeyError) else str(error)
                problems.append(f"{where}: {why}: mend it")
                continue
            corners = (left, top, left + width - 1, top + height - 1)
            faces.append(Annotation(name, where, points, corners, fields={**image.attrib, **box.attrib}))
    return faces, problems


def _xml(path: Path, text: str) -> str | bytes:
    """Text that is UTF-8 whatever its first line says, as imglab writes it; else the bytes, to be read as it says."""
    return path.read_bytes() if any("\udc80" <= sign <= "\udcff" for sign in text) else text


def _coco(path: Path, text: str) -> Found:
    """The keypoints of `annotations`, by the names of their category; visibility 0: not marked, 1: hidden, 2: seen."""
    try:
        whole = parsed(text)
        images = {str(image["id"]): image for image in whole["images"] if "id" in image}
        names = {str(one["id"]): one.get("keypoints") for one in whole.get("categories", ()) if "id" in one}
        annotations = list(whole["annotations"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RarError(f"{path} is no file of COCO keypoints ({type(error).__name__}: {error}): {GUIDE}") from None
    faces, problems = [], []
    for number, one in enumerate(annotations):
        where = f"{path}, annotation {one.get('id', number) if isinstance(one, dict) else number}"
        try:
            image = images.get(str(one["image_id"]))
            if image is None:
                raise ValueError(f"no image of its image_id {one['image_id']}")
            faces.append(_coco_face(where, one, image, names.get(str(one.get("category_id")))))
        except KeyError as error:
            problems.append(f"{where}: no {error.args[0]!r} in it or its image: mend it, or leave it out")
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            problems.append(f"{where}: no face with keypoints ({error}): mend it, or leave it out")
    return faces, problems


def _coco_face(where: str, one: dict[str, Any], image: dict[str, Any], names: list[str] | None) -> Annotation:
    given = np.array(one["keypoints"], np.float64).ravel()
    if not given.size or given.size % 3:
        raise ValueError("keypoints are x, y, visibility of each")
    rows = given.reshape(-1, 3)
    keys = [str(name) for name in names] if names and len(names) == len(rows) else [str(i) for i in range(len(rows))]
    rows[rows[:, 2] == 0, :2] = np.nan
    points = _unique((key, (float(x), float(y))) for key, (x, y, _) in zip(keys, rows, strict=True))
    hidden = frozenset(key for key, row in zip(keys, rows, strict=True) if row[2] == 1)
    box = None
    if one.get("bbox"):
        x, y, width, height = (float(value) for value in one["bbox"])
        box = (x, y, x + width - 1, y + height - 1)
    said = {key: str(value) for key, value in {**image, **one}.items() if isinstance(value, str | int)}
    return Annotation(str(image["file_name"]), where, points, box, hidden, said)


def _table(path: Path, text: str) -> Found:
    """A line a face: image, x_1, y_1, ..., as it may be x0 y0 x1 y1 of a box, hidden_1 ..., and any other column."""
    lines = re.split("\r\n|\r|\n", text)
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    head, mark = _head(lines[first])
    image = next((head.index(name) for name in IMAGE_COLUMNS if name in head), None)
    columns = _point_columns(head)
    if image is None or not columns:
        columns_due = "the first line names the columns: image, x_1, y_1, x_2 ..., divided by comma, semicolon or tab"
        raise RarError(f"{path}: {columns_due}; {GUIDE}")
    if twice := [name for name in head if name and head.count(name) > 1]:
        raise RarError(f"{path}: two columns are called {twice[0]!r}: give each a name of its own")
    faces, problems = [], []
    for number, row in _rows(lines, first + 1, mark, len(head)):
        where = f"{path}, line {number}"
        try:
            if len(row) != len(head):
                raise ValueError(f"{len(row)} fields, not {len(head)}: put one with {mark!r} in quotes, and close them")
            faces.append(_table_face(where, dict(zip(head, row, strict=True)), head[image], columns))
        except ValueError as error:
            problems.append(f"{where}: {error}: mend it")
    return faces, problems


def _head(line: str) -> tuple[list[str], str]:
    """The columns, those known here in small letters, and the mark between them: the one with most known columns."""
    heads = {mark: [word.strip() for word in _fields(line, mark)] for mark in MARKS}
    best = max(MARKS, key=lambda mark: sum(bool(KNOWN.match(word) or POINT.fullmatch(word)) for word in heads[mark]))
    return [KNOWN.sub(lambda word: word[0].lower(), word) for word in heads[best]], best


def _rows(lines: list[str], start: int, mark: str, due: int) -> Iterator[tuple[int, list[str]]]:
    """The rows with their lines' numbers. A quote that is not closed costs its own line alone."""
    while start < len(lines):
        reader = csv.reader((f"{lines[number]}\n" for number in range(start, len(lines))), delimiter=mark)
        try:
            row = next(reader)
        except csv.Error:
            row = []
        used = reader.line_num if len(row) == due else 1
        if lines[start].strip():
            yield start + 1, row if used == reader.line_num else _fields(lines[start], mark)
        start += used


def _fields(line: str, mark: str) -> list[str]:
    """Of one line; none of a line that csv does not read."""
    try:
        return next(csv.reader([line], delimiter=mark), [])
    except csv.Error:  # a field of 128 KiB
        return []


def _point_columns(head: list[str]) -> dict[str, tuple[str, str]]:
    """The columns of x and y by landmark, of those that have both."""
    found: dict[str, dict[str, str]] = {}
    for name in head:
        if match := POINT.fullmatch(name):
            axis, landmark = (match[1], match[2]) if match[1] else (match[4], match[3])
            found.setdefault(landmark, {})[axis.lower()] = name
    return {landmark: (both["x"], both["y"]) for landmark, both in found.items() if len(both) == 2}


def _table_face(where: str, row: dict[str, str], image: str, columns: dict[str, tuple[str, str]]) -> Annotation:
    def value(name: str) -> float:
        try:
            return float(row[name]) if row[name].strip() else float("nan")
        except ValueError:
            raise ValueError(f"{name} is {row[name]!r}, no number such as 20.5") from None

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

