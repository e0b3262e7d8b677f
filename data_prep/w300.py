"""The 300-W faces in their official layout, in the paper's split (3,148 to train on, 689 to test)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from data_prep.boxes import FaceBoxes, image_key, read_boxes
from data_prep.pts import read_points
from data_prep.records import FaceRecord
from data_prep.subsets import Subset, SubsetScan
from layers.common.errors import RarError, named, readable
from layers.common.schemes import SCHEME_68

SCHEME = SCHEME_68
BOX_SOURCES = ("detector", "gt")
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")

SUBSETS = (
    Subset("afw", "train", 337),
    Subset("lfpw/trainset", "train", 811),
    Subset("helen/trainset", "train", 2000),
    Subset("helen/testset", "helen", 330),
    Subset("lfpw/testset", "lfpw", 224),
    Subset("ibug", "ibug", 135),
)
SETS = tuple(dict.fromkeys(subset.set for subset in SUBSETS))


def scan(raw: Path, sets: Iterable[str], box_source: str) -> list[SubsetScan]:
    """Read every annotation and box of the sets, images unopened; records in order of name.

    box_source: "detector", or "gt" for the box tight round the landmarks (computed where the file has none).
    RarError when there is no 300-W folder at all under `raw`; all else that is wrong becomes a problem line.
    """
    wanted = set(sets)
    scans = [_scan_subset(raw, subset, box_source) for subset in SUBSETS if subset.set in wanted]
    if not any(scan.found for scan in scans):
        folders = ", ".join(scan.subset.name for scan in scans)
        raise RarError(f"no annotated faces under {raw}: it must hold {folders}, with a .pts beside each image")
    return scans


def _scan_subset(raw: Path, subset: Subset, box_source: str) -> SubsetScan:
    result = SubsetScan(subset)
    folder = result.folder = _descend(raw, subset.name.split("/"))
    if folder is None:
        return result
    try:
        with named(folder):
            annotations = _by_key(folder, (".pts",), result)
            images = _by_key(folder, _IMAGE_SUFFIXES, result)
    except RarError as error:
        result.problems.append(str(error))
        return result
    result.found = len(annotations)
    for key in sorted(images.keys() - annotations.keys()):
        result.problems.append(f"{images[key]}: no .pts beside it: restore the annotation")
    boxes = _boxes(raw, subset, box_source, result) if annotations else {}
    for key, annotation in sorted(annotations.items()):
        if key in images and boxes is not None:
            _add_record(result, annotation, images[key], boxes.get(key), box_source)
        elif key not in images:
            result.problems.append(f"{annotation}: no image beside it: restore the photograph")
    return result


def _box_file(subset: Subset) -> str:
    return f"bounding_boxes_{subset.name.replace('/', '_')}.mat"


def _boxes(raw: Path, subset: Subset, box_source: str, result: SubsetScan) -> dict[str, FaceBoxes] | None:
    folder = next((entry for entry in _folders(raw) if _loose(entry.name) == "boundingboxes"), raw / "Bounding Boxes")
    try:
        return read_boxes(folder / _box_file(subset))
    except RarError as error:
        if box_source == "gt":
            return {}
        result.problems.append(f"all {result.found} faces of {subset.name} left out: {error}")
        return None


def _add_record(result: SubsetScan, annotation: Path, image: Path, boxes: FaceBoxes | None, box_source: str) -> None:
    stem = re.sub(r"\s+", "", readable(annotation.stem))
    try:
        with named(annotation):
            shape = read_points(annotation, SCHEME.landmarks)
            if box_source == "gt":
                box = boxes.ground_truth if boxes else np.concatenate([shape.min(axis=0), shape.max(axis=0)])
            elif boxes is None:
                raise RarError(f"{image}: {_box_file(result.subset)} has no box for it: add one or leave the face out")
            else:
                box = boxes.detector
            result.records.append(FaceRecord(f"{result.subset.name}/{stem}", image, result.subset.name, shape, box))
    except RarError as error:
        result.problems.append(str(error))


def _descend(folder: Path, parts: list[str]) -> Path | None:
    """The sub-folder, upper and lower case alike."""
    for part in parts:
        match = next((entry for entry in _folders(folder) if entry.name.lower() == part), None)
        if match is None:
            return None
        folder = match
    return folder


def _folders(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise RarError(f"{folder} is not a folder: give the root of the 300-W data set")
    return (entry for entry in sorted(folder.iterdir()) if entry.is_dir())


def _loose(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


def _by_key(folder: Path, suffixes: tuple[str, ...], result: SubsetScan) -> dict[str, Path]:
    """Files by `image_key`; of those that share one, as img_1.jpg and IMG_1.jpg, the first counts."""
    files: dict[str, Path] = {}
    found = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")]
    for path in sorted(found, key=lambda path: (suffixes.index(path.suffix.lower()), path.name)):
        first = files.setdefault(image_key(path.name), path)
        if first != path:
            taken = f"by its name it is taken for {readable(first.name)}"
            result.problems.append(f"{readable(path)}: {taken}: rename one of them")
    return files
