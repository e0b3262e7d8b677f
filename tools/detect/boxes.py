"""Face boxes that the user gives: CSV, JSON, a folder of .pts, or one of 300-W's .mat files."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np

from data_prep.boxes import image_key
from data_prep.boxes import read_boxes as read_mat
from data_prep.pts import read_points
from layers.common.errors import RarError

Boxes = dict[str, list[list[float]]]


def read_boxes(path: Path, landmarks: int) -> Boxes:
    """Boxes x0 y0 x1 y1, 0-based px, by the picture's name, with or without its ending.

    path: CSV lines name,x0,y0,x1,y1; JSON {name: [[x0, y0, x1, y1], ...]}; a folder of .pts of `landmarks` points,
    whose extent is the box, NAME.pts or NAME_1.pts, NAME_2.pts ... for several faces; 300-W's bounding_boxes_*.mat, of
    which the detector's boxes are taken. RarError for anything else.
    """
    if path.is_dir():
        return _from_points(path, landmarks)
    if path.suffix.lower() == ".mat":
        return {name: [both.detector.tolist()] for name, both in read_mat(path).items()}
    try:
        text = path.read_text(encoding="utf-8-sig")
        return _from_json(text) if path.suffix.lower() == ".json" else _from_csv(text)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RarError(f"{path} is no list of boxes ({error}): lines name,x0,y0,x1,y1, or JSON by name") from error


def boxes_of(given: Boxes, picture: Path) -> list[list[float]]:
    """The boxes given for a picture; empty when there is none."""
    for name in (picture.name, picture.stem, image_key(picture.name)):
        if name in given:
            return given[name]
    faces = re.compile(re.escape(image_key(picture.name)) + r"_\d+")
    return [box for name, boxes in sorted(given.items()) if faces.fullmatch(name) for box in boxes]


def _from_json(text: str) -> Boxes:
    return {str(name): [[float(v) for v in box] for box in boxes] for name, boxes in json.loads(text).items()}


def _from_csv(text: str) -> Boxes:
    boxes: Boxes = {}
    for row in csv.reader(text.splitlines()):
        if row and row[0] not in ("image", "name"):
            name, *numbers = row[:5]
            boxes.setdefault(name.strip(), []).append([float(number) for number in numbers])
    return boxes


def _from_points(folder: Path, landmarks: int) -> Boxes:
    files = sorted(folder.glob("*.pts"))
    if not files:
        raise RarError(f"{folder} is no list of boxes: there is no .pts in this folder")
    shapes = {image_key(file.name): read_points(file, landmarks) for file in files}
    return {name: [np.concatenate([shape.min(0), shape.max(0)]).tolist()] for name, shape in shapes.items()}
