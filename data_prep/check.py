"""Check prepared data from end to end: python3 -m data_prep.check DATA. One line per problem, exit status 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_prep import manifest
from data_prep.containers import fault
from data_prep.patches import PatchSet, open_set
from data_prep.rendering import normaliser
from data_prep.shape_pool import normalise_frame
from layers.common import schemes
from layers.common.errors import RarError, run_command
from layers.common.files import mismatch
from layers.common.prepared import IMAGES, LANDMARKS, PreparedSet, kind_of
from layers.common.shape_pool import FILE as POOL
from layers.common.shapes import affine_apply

_SHOWN = 20  # problem lines per set
_ROUNDING = 1e-3  # crop px: landmarks are stored in single precision


def check(data: Path, say: Callable[[str], object] = lambda line: None) -> Iterator[str]:
    """Every problem of the prepared data in one line each, as it is found; none when all is well.

    say: takes a line about every set that is well. Files that are not those of the manifest are not opened: a map of a
    file that is cut short would end the process.
    """
    book = manifest.read_manifest(data)
    yield from _leftovers(data, book)
    for name, entry in book["sets"].items():
        damaged = manifest.faults(data, book, name) if (data / name).is_dir() else []
        found = iter(damaged) if damaged else _set(data / name, entry)
        first = list(islice(found, 1))
        yield from chain(first, islice(found, _SHOWN - 1))
        if more := sum(1 for _ in found):
            yield f"{data / name}: {more} more problems"
        if not first:
            say(f"{name}: {entry['rows']} {kind_of(data / name)} of {entry['faces']} faces, all well")
    if POOL in book["files"] or "train" in book["sets"]:
        words = mismatch(data / POOL, book["files"][POOL]) if POOL in book["files"] else None
        yield from [f"{data / POOL}: {words}"] if words else _pool(data / POOL)


def _leftovers(data: Path, book: dict[str, Any]) -> Iterator[str]:
    for path in sorted(data.iterdir()):
        if path.name.endswith(".partial"):
            yield f"{path}: left by an interrupted run, prepare again or remove it"
        elif (path / LANDMARKS).exists() and path.name not in book["sets"]:
            yield f"{path}: a set the manifest does not know"


def _set(folder: Path, entry: dict[str, Any]) -> Iterator[str]:
    try:
        with open_set(folder) as rows:
            if len(rows) != entry["rows"]:
                yield f"{folder}: {len(rows)} rows, the manifest says {entry['rows']}"
            yield from _arrays(rows, entry)
            yield from _images(rows)
    except RarError as error:
        yield str(error)


def _arrays(rows: PreparedSet, entry: dict[str, Any]) -> Iterator[str]:
    """Landmarks, transforms and normalisers must be finite and agree with each other, row by row."""
    path = rows.folder / LANDMARKS
    corners = rows.normaliser[:, : 2 if rows.scheme.corners else 1]
    finite = np.ones(len(rows), bool)
    arrays: list[NDArray[np.floating]] = [rows.shape, rows.image_shape, rows.crop_to_image, rows.box, corners]
    if isinstance(rows, PatchSet):
        arrays.append(rows.patch_to_image)
    for array in arrays:
        finite &= np.isfinite(array.reshape(len(rows), -1)).all(axis=1)
    for row in np.flatnonzero(~finite):
        yield f"{path}, row {row}: a number is not finite"
    scale = np.sqrt(np.abs(np.linalg.det(np.where(finite[:, None, None], rows.crop_to_image[..., :2], np.eye(2)))))
    apart = np.abs(affine_apply(rows.crop_to_image, rows.shape.astype(np.float64)) - rows.image_shape).max(axis=(1, 2))
    wrong = finite & (apart > _ROUNDING * np.maximum(scale, 1))
    for row in np.flatnonzero(wrong):
        yield f"{path}, row {row}: crop and image landmarks do not match its transform"
    for row in np.flatnonzero(finite):
        if not np.allclose(rows.normaliser[row], normaliser(rows.image_shape[row], rows.scheme), equal_nan=True):
            yield f"{path}, row {row}: the normaliser is not that of its landmarks"
    if isinstance(rows, PatchSet):
        yield from _patches(rows, finite)
    for row in np.flatnonzero((rows.occluded > 1).any(axis=1)):
        yield f"{path}, row {row}: a flag is neither 0 nor 1"
    copies = entry["settings"]["augmentation"]["copies"]
    seen = Counter(zip(rows.name, rows.copy, strict=True))
    if len(seen) != len(rows) or len(set(rows.name)) * copies != len(rows) or rows.copy.max(initial=0) >= copies:
        yield f"{path}: not {copies} different copies of every face"


def _patches(rows: PatchSet, finite: NDArray[np.bool_]) -> Iterator[str]:
    """A patch is an upright part of the photograph, no finer than it, and begins before its face box ends."""
    path = rows.folder / LANDMARKS
    for row in np.flatnonzero(finite):
        (across, down), box = rows.patch_to_image[row], rows.box[row]
        upright = across[1] == down[0] == 0 and across[0] >= 1 - _ROUNDING and down[1] >= 1 - _ROUNDING
        if not upright or across[2] > box[2] or down[2] > box[3]:
            yield f"{path}, row {row}: the patch's place in the photograph cannot be"


def _images(rows: PreparedSet) -> Iterator[str]:
    """Every image must be whole, of the right size, and in the row its label says."""
    path = rows.folder / IMAGES
    size: tuple[int, ...] = (rows.crop_size, rows.crop_size)
    patches = isinstance(rows, PatchSet)
    wanted = "the colour JPEG in it" if patches else f"a {rows.crop_size} px colour JPEG"
    for row in tqdm(range(len(rows)), rows.folder.name, unit="picture", disable=None, leave=False):
        try:
            datum = rows.datum(row)
            image = rows.picture(row) if patches else rows.image(row)
        except RarError as error:
            yield str(error)
            continue
        if patches:
            size = image.shape[:2]
        if datum.label != row:
            yield f"{path}, row {row}: holds the image of row {datum.label}"
        elif wrong := fault(datum.data):
            yield f"{path}, row {row}: the JPEG is {wrong}"
        elif not datum.encoded or (datum.channels, datum.height, datum.width) != (3, *size):
            yield f"{path}, row {row}: the Datum does not describe {wanted}"


def _pool(path: Path) -> Iterator[str]:
    try:
        with h5py.File(path) as file:
            centres, mean = file["centres"][:], file["mean_shape"][:]
            scheme = schemes.scheme(str(file.attrs["scheme"]))
    except (OSError, KeyError, RarError) as error:
        yield f"{path}: unreadable ({' '.join(str(error).split())})"
        return
    if centres.shape[1:] != (scheme.landmarks, 2) or mean.shape != (scheme.landmarks, 2):
        yield f"{path}: not shapes of {scheme.landmarks} landmarks"
    elif not (np.isfinite(centres).all() and np.isfinite(mean).all()):
        yield f"{path}: a number is not finite"
    elif np.abs(normalise_frame(centres.mean(axis=0), scheme) - centres.mean(axis=0)).max() > 0.2:
        yield f"{path}: the shapes are not in the frame of the mean shape"


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
def main(data: Path) -> None:
    """Verify DATA: manifest, checksums, images, landmarks, transforms, order."""
    problems = 0
    for problem in check(data, partial(print, flush=True)):
        print(problem, flush=True)
        problems += 1
    if problems:
        raise RarError(f"{problems} problems in {data}: prepare it again (make data-300w)")


if __name__ == "__main__":
    run_command(main)
