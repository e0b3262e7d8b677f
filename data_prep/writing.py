"""Writing a prepared set: built beside its place in `<set>.partial`, then renamed, so a set is whole or absent."""

from __future__ import annotations

import errno
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import h5py
import lmdb
import numpy as np

from data_prep.patches import OCCLUDERS
from data_prep.rendering import Row
from layers.common.errors import RarError
from layers.common.files import file_entry, sync
from layers.common.prepared import IMAGES, LANDMARKS, row_key
from layers.common.schemes import Scheme, stored_text

FILES = (f"{IMAGES}/data.mdb", LANDMARKS)
Files = dict[str, dict[str, Any]]  # size and checksum, by the path relative to the set's parent
_COMMIT_EVERY = 512  # rows
_SLACK = 1 << 20  # bytes for what HDF5 and the file system keep beside the data


@dataclass(frozen=True)
class Header:
    """What holds for all rows of a set.

    name_bytes: the longest name in UTF-8. picture_size: the longest side of a picture, px. row: what the rows are.
    attributes: more to say about the set. occluders: (kind, picture) of a user's cut-outs to keep in it.
    """

    scheme: Scheme
    crop_size: int
    rows: int
    seed: int
    name_bytes: int
    picture_size: int
    row: type[Row] = Row
    attributes: dict[str, Any] = field(default_factory=dict)
    occluders: Sequence[tuple[str, Path]] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The arrays of landmarks.h5."""
        return tuple(column.name for column in fields(self.row) if column.name not in ("row", "datum"))


def write_set(folder: Path, header: Header, rows: Iterable[Row], enter: Callable[[Files], object]) -> Files:
    """Write the rows, in whatever order they come, to the set `folder`, which must not exist.

    Returns its files. When it fails (a full disk, a photograph that has gone) nothing but a `.partial` folder is left.
    enter: is given the files before the folder gets its name, so that whatever ends this, no set is unknown.
    """
    partial = partial_folder(folder)
    partial.mkdir(parents=True)
    with _full_disk(folder):
        _create_landmarks(partial / LANDMARKS, folder.name, header)
        done = _write_rows(partial, header, rows)
        if done != header.rows:
            raise RarError(f"{folder}: {done} rows came, not {header.rows}")
        names = [*FILES, *_keep_occluders(partial, header.occluders)]
        files = {f"{folder.name}/{name}": file_entry(partial / name) for name in names}
        for path in (*(partial / name for name in names), partial):
            sync(path)
        enter(files)
        partial.rename(folder)
        sync(folder.parent)
    return files


def partial_folder(folder: Path) -> Path:
    """Where a set is built."""
    return folder.with_name(folder.name + ".partial")


def clear_partial(folder: Path) -> bool:
    """Remove what an interrupted run left of a set; True if there was something."""
    partial = partial_folder(folder)
    if not partial.exists():
        return False
    shutil.rmtree(partial)
    return True


def _keep_occluders(partial: Path, occluders: Sequence[tuple[str, Path]]) -> Iterator[str]:
    """Copy a user's cut-outs into the set, so that it goes wherever it is trained on; yields the names, by kind."""
    for number, (kind, path) in enumerate(occluders):
        name = f"{OCCLUDERS}/{kind}/{number:05}.png"
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, partial / name)
        yield name


def _write_rows(folder: Path, header: Header, rows: Iterable[Row]) -> int:
    room = (header.rows + 16) * (3 * header.picture_size**2 + 65536)  # a JPEG is smaller than its pixels
    done = 0
    with (
        h5py.File(folder / LANDMARKS, "r+") as file,
        lmdb.open(str(folder / IMAGES), map_size=room, metasync=False, sync=False, lock=False) as images,
    ):
        datasets = {column: file[column] for column in header.columns}
        transaction = images.begin(write=True)
        for row in rows:
            done += transaction.put(row_key(row.row), row.datum, overwrite=False)
            for column, dataset in datasets.items():
                dataset[row.row] = getattr(row, column)
            if done % _COMMIT_EVERY == 0:
                transaction.commit()
                transaction = images.begin(write=True)
        transaction.commit()
        images.sync(True)
    return done


def _create_landmarks(path: Path, name: str, header: Header) -> None:
    """The file in its full size, so that it is here or nowhere that the disk is too small for it."""
    count, points = header.rows, (header.rows, header.scheme.landmarks)
    known = {
        "shape": ((*points, 2), np.float32),
        "occluded": (points, np.uint8),
        "crop_to_image": ((count, 2, 3), np.float64),
        "image_shape": ((*points, 2), np.float64),
        "normaliser": ((count, 2), np.float64),
        "box": ((count, 4), np.float64),
        "name": ((count,), h5py.string_dtype("utf-8", header.name_bytes)),
        "mirrored": ((count,), np.uint8),
        "copy": ((count,), np.uint16),
        "patch_to_image": ((count, 2, 3), np.float64),
    }
    datasets = {column: known[column] for column in header.columns}
    size = sum(math.prod(shape) * np.dtype(kind).itemsize for shape, kind in datasets.values())
    require_space(path, size)
    with h5py.File(path, "w") as file:
        kind = stored_text(header.scheme)
        file.attrs.update(scheme=kind, crop_size=header.crop_size, set=name, rows=count, seed=header.seed)
        file.attrs.update(header.attributes)
        for column, (shape, kind) in datasets.items():
            blank = np.zeros((), kind)[()]
            file.create_dataset(column, shape, kind, fillvalue=blank)[0] = blank  # the first write allocates all of it


def require_space(path: Path, size: int) -> None:
    """OSError (no space left) unless `size` bytes can be had at `path`: HDF5 itself crashes on a full disk."""
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size + _SLACK)
    path.unlink()


@contextmanager
def _full_disk(folder: Path) -> Iterator[None]:
    """Whatever LMDB and HDF5 say of a full disk becomes the error every command shows in one line."""
    try:
        yield
    except (lmdb.Error, OSError) as error:
        # LMDB calls a write that stops short an input/output error.
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        if full or shutil.disk_usage(partial_folder(folder)).free < _SLACK:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder)) from None
        raise RarError(f"{folder} cannot be written: {' '.join(str(error).split())}") from None
