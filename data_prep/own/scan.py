"""Annotations and pictures of a user's own -> faces, by the sets they go to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.own.annotation import Annotation, Order, scheme_by_number
from data_prep.own.boxes import Finder, found_boxes, points_box
from data_prep.own.pictures import Pictures, Upright
from data_prep.own.readers import read_annotations
from data_prep.preparation import split_by_photograph
from data_prep.records import FaceRecord
from data_prep.subsets import Subset, SubsetScan
from layers.common.errors import RarError
from layers.common.schemes import Scheme
from layers.common.shapes import pupil_distance

SETS = ("train", "val", "test")
WORDS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
         "test": "test", "testing": "test"}  # fmt: skip
FEWEST_PHOTOGRAPHS = 3  # of which one can be tested on


@dataclass(frozen=True)
class Wanted:
    """What is asked for. split: a column whose words are train, val, test; "" for by photograph, `test` of the faces.

    boxes: one of SOURCES, "" for those of the file where each face has one, else round the points. stored: the
    annotations are in px of the picture as stored, whatever its orientation tag says.
    """

    images: Path
    annotations: Path
    scheme: Scheme | None
    boxes: str
    split: str
    test: float
    seed: int
    first_pixel: int
    stored: bool


@dataclass(frozen=True)
class Scanned:
    """The scheme, the scans by set, the source of the boxes, and lines that the user should read."""

    scheme: Scheme
    scans: list[SubsetScan]
    boxes: str
    remarks: list[str]


def scan(wanted: Wanted, find: Finder | None) -> Scanned:
    """Read the annotations, images unread but by the finder. RarError when none of the faces can be used."""
    faces, problems = read_annotations(wanted.annotations, wanted.first_pixel)
    scheme = wanted.scheme or scheme_by_number(faces)
    source = wanted.boxes or ("file" if faces and all(face.box for face in faces) else "points")
    records, splits, lines = _records(wanted, faces, scheme, source)
    problems += lines
    if not records:
        for problem in problems[:3]:
            raise RarError(f"{problem} (none of {len(problems)} faces can be used)")
        raise RarError(f"{wanted.annotations} holds no face: docs/own-data.md shows the forms")
    remarks = []
    if source == "finder":
        assert find
        records, absent = found_boxes(records, find)
        if absent:
            remarks.append(f"{absent} of {len(records)} faces were not found: their boxes lie as the others' do")
    by_set = _by_column(records, splits, remarks) if wanted.split else _by_share(records, wanted, remarks)
    scans = [_scan(name, wanted, by_set.get(name, [])) for name in SETS if by_set.get(name)]
    scans[0].problems += problems
    scans[0].found += len(problems)
    return Scanned(scheme, scans, source, remarks)


def _records(
    wanted: Wanted, faces: Sequence[Annotation], scheme: Scheme, source: str
) -> tuple[list[FaceRecord], list[str], list[str]]:
    """The faces that can be used, the set each is to go to by its column, and a line for each other face."""
    pictures, order = Pictures(wanted.images, {face.image for face in faces}), Order(scheme, faces)
    records: list[FaceRecord] = []
    splits, problems, counts = list[str](), [*pictures.problems], dict[Path, int]()
    for face in faces:
        try:
            shape, file = order.shape(face), pictures.find(face.image, face.several)
            splits.append(_set_of(face, wanted.split) if wanted.split else "")
            if not pupil_distance(shape, scheme) > 0:
                raise RarError(f"what {scheme.name} is normalised by ({scheme.normaliser}) has a length of 0: mend it")
            if source == "file" and face.box is None:
                raise RarError("no box: add one, or take --boxes points")
        except RarError as error:
            del splits[len(records) :]
            problems.append(f"{face.where}: {error}")
            continue
        counts[file] = counts.get(file, 0) + 1
        name = f"{pictures.name(file)}@{counts[file]}" if counts[file] > 1 else pictures.name(file)
        box = np.array(face.box, np.float64) if source == "file" else points_box(shape)
        image = file if wanted.stored else Upright(file)
        records.append(FaceRecord(name, image, "own", shape, box, order.flags(face), str(file)))
    return records, splits, problems


def _set_of(face: Annotation, column: str) -> str:
    if column not in face.fields:
        raise RarError(f"no {column!r} to split by: give another --split, or leave it out")
    word = face.fields[column].strip().lower()
    if word not in WORDS:
        raise RarError(f"{column} is {face.fields[column]!r}: it says train, val or test")
    return WORDS[word]


def _by_column(records: list[FaceRecord], splits: list[str], remarks: list[str]) -> dict[str, list[FaceRecord]]:
    sets: dict[str, set[str]] = {}
    for record, chosen in zip(records, splits, strict=True):
        sets.setdefault(record.photograph, set()).add(chosen)
    if divided := sorted(photograph for photograph, chosen in sets.items() if len(chosen) > 1):
        remarks.append(f"faces of one photograph are in several sets, as of {divided[0]} ({len(divided)} such)")
    return {name: [r for r, chosen in zip(records, splits, strict=True) if chosen == name] for name in SETS}


def _by_share(records: list[FaceRecord], wanted: Wanted, remarks: list[str]) -> dict[str, list[FaceRecord]]:
    photographs = len({record.photograph for record in records})
    if not wanted.test:
        return {"train": records}
    if photographs < FEWEST_PHOTOGRAPHS:
        remarks.append(f"{photographs} photographs: all of them are to train on, so none is left to test on")
        return {"train": records}
    train, test = split_by_photograph(records, wanted.test, wanted.seed + 1)
    return {"train": train, "test": test}


def _scan(name: str, wanted: Wanted, records: list[FaceRecord]) -> SubsetScan:
    return SubsetScan(Subset(f"own/{name}", name, len(records)), wanted.images, len(records), records)
