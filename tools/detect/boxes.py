"""Face boxes that the user gives: CSV, JSON, a folder of .pts, or one of 300-W's .mat files."""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.boxes import image_key
from data_prep.boxes import read_boxes as read_mat
from data_prep.pts import read_points
from layers.common.errors import RarError, named, reason
from layers.common.json_types import parsed
from layers.common.text_files import read_text
from tools.detect.arguments import checked_box

NAMES = ("name", "image", "file", "filename", "path")  # how the column of names may be called
CORNERS = ("x0", "y0", "x1", "y1")
LAYOUT = "lines name,x0,y0,x1,y1, or JSON by name"

Box = list[float]
Entry = tuple[str, str, Any]  # where it stands in the file, the picture's name, the box as given


class Boxes:
    """Boxes x0 y0 x1 y1, 0-based px, by the name of their picture, and a line for every entry that holds none.

    bad: these lines by name.

    loose: the names are of annotations, whose spelling and case may differ from the pictures'; several faces of one
    picture may be called NAME_1, NAME_2 ...
    """

    def __init__(self, entries: Iterable[Entry], loose: bool = False) -> None:
        self.by_name: dict[str, list[Box]] = {}
        self.problems: list[str] = []
        self.bad: dict[str, list[str]] = {}
        self.loose = loose
        for place, name, given in entries:
            try:
                with named(place):
                    box = checked_box(given)
            except RarError as error:
                self.problems.append(str(error))
                self.bad.setdefault(_composed(name), []).append(str(error))
            else:
                self.by_name.setdefault(_composed(name), []).append(box)

    def of(self, picture: Path) -> list[Box]:
        """The boxes of a picture, which is looked up by its path, its name, and its name without the ending."""
        for name in _names(picture):
            if name in self.by_name:
                return self.by_name[name]
        if found := self._by_path.get(_composed(str(picture.absolute()))):
            return found
        return self._of_annotations(picture) if self.loose else []

    def problem(self, picture: Path) -> str:
        """Why a picture has no box: the line of the first that is none, or that the list has none."""
        lines = (self.bad[name][0] for name in _names(picture) if name in self.bad)
        return next(lines, "no face in the list of boxes")

    @cached_property
    def _by_path(self) -> dict[str, list[Box]]:
        return {_composed(str(Path(name).absolute())): boxes for name, boxes in self.by_name.items() if os.sep in name}

    @cached_property
    def _by_key(self) -> dict[str, list[Box]]:
        """By image_key, where that is of one name alone."""
        names: dict[str, list[str]] = {}
        for name in self.by_name:
            names.setdefault(image_key(name), []).append(name)
        return {key: self.by_name[spelt[0]] for key, spelt in names.items() if len(spelt) == 1}

    @cached_property
    def _faces(self) -> dict[str, dict[int, list[Box]]]:
        """NAME_1, NAME_2 ... by NAME and number."""
        found: dict[str, dict[int, list[Box]]] = {}
        for key, boxes in self._by_key.items():
            if match := re.fullmatch(r"(.+)_(\d{1,6})", key):
                found.setdefault(match[1], {})[int(match[2])] = boxes
        return found

    def _of_annotations(self, picture: Path) -> list[Box]:
        key = image_key(picture.name)
        if key in self._by_key:
            return self._by_key[key]
        faces = self._faces.get(key, {})
        several = len(faces) > 1 and set(faces) == set(range(1, len(faces) + 1))
        if not several or any(picture.parent.glob(f"{escape(picture.stem)}_1.*")):  # that is a picture of its own
            return []
        return [box for _, boxes in sorted(faces.items()) for box in boxes]


def _names(picture: Path) -> list[str]:
    """By which a list may name a picture."""
    return [_composed(name) for name in (str(picture), picture.name, picture.stem)]


def _composed(name: str) -> str:
    """A name with each accent in its letter, as most write it; macOS stores them apart."""
    return unicodedata.normalize("NFC", name)


def read_boxes(path: Path, landmarks: int) -> Boxes:
    """The boxes of a file or a folder.

    path: CSV with the columns name,x0,y0,x1,y1 or, with a line of headings, these among others (faces.csv is such a
    file); JSON {name: [[x0, y0, x1, y1], ...]}, or faces.json; a folder of .pts of `landmarks` points, whose extent is
    the box, NAME.pts or NAME_1.pts, NAME_2.pts ... for several faces; 300-W's bounding_boxes_*.mat, of which the
    detector's boxes are taken. RarError for anything else, and when there is no box in it.
    """
    try:
        boxes = _read(path, landmarks)
    except (OSError, ValueError, TypeError, AttributeError, KeyError, csv.Error) as error:
        raise RarError(f"{path} is no list of boxes ({reason(error)}): {LAYOUT}") from error
    if not boxes.by_name:
        why = boxes.problems[0] if boxes.problems else "it is empty"
        raise RarError(f"{path} is no list of boxes ({why}): {LAYOUT}")
    return boxes


def _read(path: Path, landmarks: int) -> Boxes:
    if path.is_dir():
        return Boxes(_from_points(path, landmarks), loose=True)
    if path.suffix.lower() == ".mat":
        mat = read_mat(path)
        return Boxes(((f"{path}, {name}", name, both.detector) for name, both in mat.items()), loose=True)
    text = read_text(path)
    return Boxes(_from_json(path, parsed(text)) if path.suffix.lower() == ".json" else _from_csv(path, text))


def _from_json(path: Path, stored: Any) -> Iterator[Entry]:
    """{name: boxes}; or a list of faces, as in faces.json."""
    if isinstance(stored, list):
        for number, face in enumerate(stored, start=1):
            place, whole = f"{path}, face {number}", isinstance(face, dict) and isinstance(face.get("image"), str)
            yield (place, face["image"], face.get("box")) if whole else (place, "", RarError('it has no "image"'))
        return
    for name, boxes in stored.items():
        several = isinstance(boxes, list) and (not boxes or any(isinstance(box, list) for box in boxes))
        for number, box in enumerate(boxes if several else [boxes], start=1):
            yield f"{path}, {name}, box {number}", name, box


def _from_csv(path: Path, text: str) -> Iterator[Entry]:
    reader = csv.reader(io.StringIO(text, newline=""))
    rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    columns: tuple[int, ...] = (0, 1, 2, 3, 4)
    due = len(columns)
    if rows and not any(map(_is_number, rows[0][1][1:])):
        (_, head), *rows = rows
        columns, due = _columns(head), len(head)
    for line, row in rows:
        name, *corners = (row[i] for i in columns) if len(row) == due else ("", *row)
        yield f"{path}, line {line}", name.strip(), corners


def _columns(head: list[str]) -> tuple[int, ...]:
    """The places of the name and the corners; ValueError when there are not these columns, each once."""
    found = [cell.strip().lower() for cell in head]
    name = next((name for name in NAMES if name in found), NAMES[0])
    if any(found.count(wanted) != 1 for wanted in (name, *CORNERS)):
        raise ValueError(f"its columns are {', '.join(found[:8])}")
    return tuple(found.index(wanted) for wanted in (name, *CORNERS))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _from_points(folder: Path, landmarks: int) -> Iterator[Entry]:
    """The extent of every shape; for a damaged file what is wrong with it, which checked_box refuses in its turn."""
    files = sorted(folder.glob("*.pts"))
    if not files:
        raise ValueError("there is no .pts in this folder")
    for file in files:
        try:
            shape = read_points(file, landmarks)
            yield str(file), file.stem, np.concatenate([shape.min(0), shape.max(0)]).tolist()
        except RarError as error:
            yield str(file), file.stem, error
