"""MTFL (Zhang et al., ECCV 2014): five landmarks, 10,000 faces to train on, 2,995 of AFLW to test on.

A line of training.txt or testing.txt is a path, x1 ... x5, y1 ... y5 (eyes, nose tip, mouth corners; left in the image
first) and four attributes, which are not used. Paths have either slash; blank lines mean nothing.

Coordinates count from 1: read from 0, the points of the training faces lie 0.8 to 1 px to the right of them (measured
on mean frontal faces and their mirror images, which any error of reading moves apart). They are moved to 0-based px
here, and otherwise left as they are. Those of testing.txt lie another 1 to 1.7 px to the right, of some 44 px between
the eyes. That is part of the protocol, so nothing is done about it; tools.evaluate prints what it costs.

The release has no face boxes. Two recipes give boxes as 300-W's detector gives them (medians over 2,344 faces of 300-W:
the side 3.63 times the root mean square distance of the five points from their mean, the centre 0.067 sides below it):

    points  from the five points by these numbers, then moved and resized at random as much as the authors' own test
            crops are about their faces. For the training faces always: their pictures are whole photographs.
    frame   from the borders of the picture, which the authors cut round each test face, 5.26 such distances wide: the
            box is 0.69 of it. It knows nothing of the annotation. For the test faces unless told otherwise.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from data_prep.images import read_image
from data_prep.parallel import DIES, in_order
from data_prep.records import FaceRecord
from data_prep.subsets import Subset, SubsetScan
from layers.common.errors import RarError, named, readable, reason
from layers.common.schemes import SCHEME_5
from layers.common.text_files import read_text

SCHEME = SCHEME_5
BOX_SOURCES = ("frame", "points")
TRAINING_BOXES = "points"  # always
SUBSETS = (Subset("training.txt", "train", 10000, "file"), Subset("testing.txt", "aflw", 2995, "file"))
SETS = tuple(subset.set for subset in SUBSETS)

SIDE_OF_SPREAD = 3.63  # of the box, in root mean square distances of the points from their mean
SIDE_OF_FRAME = 0.69
BELOW = 0.067  # box sides, of the box's centre under the points' or the frame's
# One deviation of the authors' test crops about their faces: of the centre in box sides, of the log of the size.
CENTRE_SCATTER, SIZE_SCATTER = 0.06, 0.067
_LIMIT = 2.0  # deviations

_COORDINATES = 2 * SCHEME.landmarks
_ATTRIBUTES = 4
_REMEDY = "mend the line or take it out"


def scan(raw: Path, sets: Iterable[str], test_boxes: str, workers: int) -> list[SubsetScan]:
    """Read the lists of the sets and the size of every picture; records in the lists' order.

    test_boxes: recipe of the test faces' boxes, one of BOX_SOURCES. workers: as `parallel.in_order` takes it.
    RarError when there is no list at all under `raw` or one is unreadable; what is wrong with a line or a picture
    becomes a problem line.
    """
    wanted = set(sets)
    scans = [_scan_list(raw, subset, test_boxes, workers) for subset in SUBSETS if subset.set in wanted]
    if not any(result.found for result in scans):
        names = " or ".join(result.subset.name for result in scans)
        raise RarError(f"no faces listed under {raw}: give the folder of MTFL with {names} in it")
    return scans


def points_box(shape: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """The box (4,) x0 y0 x1 y1 of recipe `points` for a shape (5, 2), px; its scatter depends on the name alone."""
    mean = shape.mean(axis=0)
    side = SIDE_OF_SPREAD * np.sqrt(((shape - mean) ** 2).sum(axis=1).mean())
    lot = np.clip(np.random.default_rng(zlib.crc32(name.encode())).standard_normal(3), -_LIMIT, _LIMIT)
    side *= np.exp(SIZE_SCATTER * lot[0])
    return _box(mean + CENTRE_SCATTER * side * lot[1:], side)


def frame_box(width: int, height: int) -> NDArray[np.float64]:
    """The box (4,) x0 y0 x1 y1 of recipe `frame` for a picture of that size, px."""
    return _box(np.array([width - 1, height - 1]) / 2, SIDE_OF_FRAME * max(width, height))


def _box(above: NDArray[np.float64], side: float) -> NDArray[np.float64]:
    centre = above + (0, BELOW * side)
    return np.concatenate([centre - side / 2, centre + side / 2])


def _scan_list(raw: Path, subset: Subset, test_boxes: str, workers: int) -> SubsetScan:
    result = SubsetScan(subset)
    path = raw / subset.name
    if not path.is_file():
        return result
    result.folder = path
    recipe = TRAINING_BOXES if subset.set == "train" else test_boxes
    lines = list(_lines(path))
    result.found = len(lines)
    seen: set[str] = set()
    for outcome in in_order(partial(_record, raw, path, recipe), lines, workers, partial(_killer, path)):
        if isinstance(outcome, str):
            result.problems.append(outcome)
        elif outcome.name in seen:
            result.problems.append(f"{path}: {outcome.name} is listed twice: {_REMEDY}")
        else:
            seen.add(outcome.name)
            result.records.append(outcome)
    return result


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise RarError(f"{path}: unreadable ({reason(error)}): copy MTFL again") from None
    return ((number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip())


def _killer(path: Path, line: tuple[int, str]) -> str:
    return f"{path}, line {line[0]}, {line[1].partition(' ')[0]}: {DIES}"


def _record(raw: Path, path: Path, recipe: str, line: tuple[int, str]) -> FaceRecord | str:
    """The face of a line (number, text), or what is wrong with it."""
    number, text = line
    try:
        with named(text.partition(" ")[0]):
            return _face(raw, recipe, *text.split())
    except RarError as error:
        return f"{path}, line {number}: {error}"


def _face(raw: Path, recipe: str, picture: str, *words: str) -> FaceRecord:
    place = PurePosixPath(picture.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts:
        raise RarError(f"{picture} leads out of {raw}: {_REMEDY}")
    shape = _shape(words)
    height, width = read_image(raw / place).shape[:2]
    # A px beyond the border is let pass: it is the release's own doubt about where px begin.
    for x, y in shape[((shape < -1) | (shape > (width, height))).any(axis=1)]:
        raise RarError(f"a landmark ({x + 1:g}, {y + 1:g}) is off {place}, {width} x {height} px: {_REMEDY}")
    if (shape[0] == shape[1]).all():
        raise RarError(f"both eyes are in one place: {_REMEDY}")
    name = readable(place.with_suffix(""))
    box = frame_box(width, height) if recipe == "frame" else points_box(shape, name)
    return FaceRecord(name, raw / place, readable(place.parent), shape, box)


def _shape(words: tuple[str, ...]) -> NDArray[np.float64]:
    """(5, 2) 0-based px from what follows the path."""
    if len(words) not in (_COORDINATES, _COORDINATES + _ATTRIBUTES):
        due = f"{_COORDINATES} coordinates and {_ATTRIBUTES} attributes"
        raise RarError(f"{len(words)} numbers after the path, not {due}: {_REMEDY}")
    try:
        numbers = np.array(words[:_COORDINATES], np.float64)
    except ValueError as error:
        raise RarError(f"{error}: {_REMEDY}") from None
    if not np.isfinite(numbers).all():
        raise RarError(f"a coordinate is not a finite number: {_REMEDY}")
    return np.asarray(numbers.reshape(2, SCHEME.landmarks).T - 1)
