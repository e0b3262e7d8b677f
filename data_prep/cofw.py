"""COFW (Burgos-Artizzu et al., 2013): 29 landmarks with occlusion flags on 1,345 training and 507 test faces.

COFW_train_color.mat and COFW_test_color.mat are MATLAB v7.3, that is HDF5. MATLAB counts columns first, so every array
appears transposed there:

    IsTr, IsT            cell array of n images, HDF5 references to u1 (3, W, H) RGB or (W, H) grey
    bboxesTr, bboxesT    (4, n): x, y, width, height of the face box, px from 1, tight round the landmarks
    phisTr, phisT        (87, n): 29 x, 29 y, px from 1, and 29 flags, 1 where the landmark is hidden
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from data_prep.images import Image
from data_prep.records import FaceRecord
from data_prep.subsets import Subset, SubsetScan
from layers.common.errors import RarError
from layers.common.schemes import SCHEME_29

SCHEME = SCHEME_29
BOXES = "cofw"
# Side of the crop over the longer side of the box. By COFW-68's annotations of the test faces, a box tight round these
# points gives with 1.45 a crop of 1.38 times the extent of the 68 landmarks, centred on them, as 300-W's detector boxes
# do with 1.4: a model trained on those sees these faces at the size it knows.
MARGIN = 1.45

_VARIABLES = {"train": ("IsTr", "bboxesTr", "phisTr"), "test": ("IsT", "bboxesT", "phisT")}
SUBSETS = (Subset("cofw/train", "train", 1345, "file"), Subset("cofw/test", "cofw", 507, "file"))
SETS = tuple(subset.set for subset in SUBSETS)

_REMEDY = "copy COFW's colour files again"
_NUMBERS = 3 * SCHEME.landmarks
_MEANINGS = {4: "x, y, width, height of a box", _NUMBERS: f"x, y and flag of {SCHEME.landmarks} points"}
_UNREADABLE = (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError)


@dataclass(frozen=True)
class CellImage:
    """Image `number`, from 0, of the cell array `variable` in a .mat file."""

    file: Path
    variable: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}, {self.variable}{{{self.number + 1}}}"

    def read(self) -> Image:
        """The photograph (H, W, 3) BGR; RarError when it is damaged."""
        try:
            with h5py.File(self.file) as file:
                stored = file[file[self.variable][()].ravel()[self.number]][()]
        except _UNREADABLE as error:
            raise RarError(f"{self}: unreadable ({_one_line(error)}): {_REMEDY}") from None
        colour = stored.ndim == 3 and stored.shape[0] == 3
        if stored.dtype != np.uint8 or not (colour or stored.ndim == 2) or 0 in stored.shape:
            raise RarError(f"{self}: an array of {stored.dtype} {stored.shape}, no grey or colour image: {_REMEDY}")
        image = np.ascontiguousarray(stored.T)
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR if colour else cv2.COLOR_GRAY2BGR), np.uint8)


def scan(raw: Path, sets: Iterable[str]) -> list[SubsetScan]:
    """Read the annotations and boxes of the sets, images unread, from COFW's files in `raw` or raw/COFW_color.

    RarError when neither file is there, or when one is cut short, lacks a variable or has another number of points.
    What is wrong with a single face becomes a problem line.
    """
    wanted = set(sets)
    scans = [_scan_file(raw, subset) for subset in SUBSETS if subset.set in wanted]
    if all(scan.folder is None for scan in scans):
        names = " or ".join(_file_name(scan.subset) for scan in scans)
        raise RarError(f"no {names} in {raw}: give the folder of COFW's colour files")
    return scans


def _file_name(subset: Subset) -> str:
    return f"COFW_{subset.name.partition('/')[2]}_color.mat"


def _scan_file(raw: Path, subset: Subset) -> SubsetScan:
    result = SubsetScan(subset)
    places = (raw / _file_name(subset), raw / "COFW_color" / _file_name(subset))
    path = result.folder = next((place for place in places if place.is_file()), None)
    if path is None:
        return result
    images, boxes, phis = _read(path, _VARIABLES[subset.name.partition("/")[2]])
    result.found = len(phis)
    for number, (image, box, phi) in enumerate(zip(images, boxes, phis, strict=True)):
        if not np.isfinite(phi).all():
            result.problems.append(f"{image}: a coordinate of its landmarks is not a finite number: {_REMEDY}")
        else:
            result.records.append(_record(f"{subset.name}/{number + 1:04d}", subset, image, box, phi))
    return result


def _record(
    name: str, subset: Subset, image: CellImage, box: NDArray[np.float64], phi: NDArray[np.float64]
) -> FaceRecord:
    x, y, hidden = phi.reshape(3, SCHEME.landmarks)
    corners = np.concatenate([box[:2], box[:2] + box[2:]])
    return FaceRecord(name, image, subset.name, np.stack([x, y], 1) - 1, corners - 1, (hidden > 0.5).astype(np.uint8))


def _read(
    path: Path, variables: tuple[str, str, str]
) -> tuple[list[CellImage], NDArray[np.float64], NDArray[np.float64]]:
    """Images, boxes (n, 4) and landmarks (n, 87) of a file, as stored."""
    try:
        with h5py.File(path) as file:
            for variable in variables:
                if variable not in file:
                    raise RarError(f"{path} has no variable {variable}: {_REMEDY}")
            cells, boxes, phis = (file[variable] for variable in variables)
            if cells.dtype != h5py.ref_dtype:
                raise RarError(f"{path}: {variables[0]} is no cell array of images: {_REMEDY}")
            count = cells.size
            arrays = [np.asarray(array[()], np.float64) for array in (boxes, phis)]
    except _UNREADABLE as error:
        reason = f"is cut short or no MATLAB v7.3 file ({_one_line(error)})"
        raise RarError(f"{path} {reason}: {_REMEDY}") from None
    for variable, array, numbers in zip(variables[1:], arrays, (4, _NUMBERS), strict=True):
        if array.shape != (numbers, count):
            found = " x ".join(map(str, array.shape))
            due = f"{_MEANINGS[numbers]}, hence {numbers} numbers, for each of {count} images"
            raise RarError(f"{path}: {variable} is {found} where it should hold {due}: {_REMEDY}")
    return [CellImage(path, variables[0], number) for number in range(count)], arrays[0].T, arrays[1].T


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
