"""Face boxes of a user's own faces: of the annotations, round the points, or as a face finder draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_prep.images import Image, read_image
from data_prep.records import FaceRecord
from layers.common.errors import RarError

SOURCES = ("file", "points", "finder")
OVERLAP = 0.1  # of the areas of a found box and of the points: under it they are of two faces

Box = NDArray[np.float64]
Finder = Callable[[Image], Box]  # boxes (n, 4) of a picture


def points_box(shape: NDArray[np.float64]) -> Box:
    """The square (4,) round a shape (L, 2), of its longer side."""
    low, high = shape.min(axis=0), shape.max(axis=0)
    centre, half = (low + high) / 2, (high - low).max() / 2
    return np.concatenate([centre - half, centre + half])


def found_boxes(records: Sequence[FaceRecord], find: Finder) -> tuple[list[FaceRecord], int]:
    """The records with the finder's boxes, and how many faces it did not find.

    Those get the box that it would have drawn, by the median over the others of where it lies from the points.
    RarError when it finds no face at all.
    """
    boxes: list[Box | None] = [None] * len(records)
    by_photograph: dict[str, list[int]] = {}
    for number, record in enumerate(records):
        by_photograph.setdefault(record.photograph, []).append(number)
    for numbers in tqdm(by_photograph.values(), "finding faces", unit="picture", disable=None, leave=False):
        try:
            found = find(read_image(records[numbers[0]].image))
        except RarError:
            continue  # what is wrong with the picture is said when it is checked
        for number, box in _matches([points_box(records[n].shape) for n in numbers], found).items():
            boxes[numbers[number]] = box
    relations = [_relation(points_box(r.shape), box) for r, box in zip(records, boxes, strict=True) if box is not None]
    if not relations:
        raise RarError("the face finder finds none of these faces: take --boxes points, and give boxes to detect")
    usual = np.median(relations, axis=0)
    given = [
        replace(record, box=_from_relation(points_box(record.shape), usual) if box is None else box)
        for record, box in zip(records, boxes, strict=True)
    ]
    return given, len(records) - len(relations)


def _matches(tight: list[Box], found: Box) -> dict[int, Box]:
    """The found box of each face, the best pairs first; a box is of one face."""
    overlaps = sorted(((_overlap(a, b), i, j) for i, a in enumerate(tight) for j, b in enumerate(found)), reverse=True)
    pairs: dict[int, int] = {}
    for overlap, face, box in overlaps:
        if overlap >= OVERLAP and face not in pairs and box not in pairs.values():
            pairs[face] = box
    return {face: np.asarray(found[box], np.float64) for face, box in pairs.items()}


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    common = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(common / max((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - common, 1e-9))


def _relation(tight: Box, box: Box) -> Box:
    """Centre and side of a found box from the tight one, in its longer side."""
    side = max((tight[2:] - tight[:2]).max(), 1e-9)
    centre = ((box[:2] + box[2:]) - (tight[:2] + tight[2:])) / 2 / side
    return np.array([*centre, (box[2:] - box[:2]).max() / side])


def _from_relation(tight: Box, relation: Box) -> Box:
    side = (tight[2:] - tight[:2]).max()
    centre = (tight[:2] + tight[2:]) / 2 + relation[:2] * side
    half = relation[2] * side / 2
    return np.concatenate([centre - half, centre + half])
