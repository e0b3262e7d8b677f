"""Writing a prepared set: built beside its place in `<set>.partial`, then renamed, so a set is whole or absent."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import lmdb
import numpy as np

from data_prep.manifest import file_entry
from data_prep.rendering import Row
from layers.common.errors import RarError
from layers.common.prepared import IMAGES, LANDMARKS, row_key
from layers.common.schemes import Scheme

FILES = (f"{IMAGES}/data.mdb", LANDMARKS)
_COMMIT_EVERY = 512  # rows


def write_set(
    folder: Path, scheme: Scheme, crop_size: int, count: int, seed: int, rows: Iterable[Row]
) -> dict[str, dict[str, Any]]:
    """Write `count` rows, in whatever order they come, to the set `folder`, which must not exist.

    Returns size and checksum of its files, by path relative to the folder's parent. When it fails (a full disk, a
    photograph that has gone) nothing but a `.partial` folder is left.
    """
    partial = partial_folder(folder)
    partial.mkdir(parents=True)
    with _full_disk(folder):
        done = _write_rows(partial, folder.name, scheme, crop_size, count, seed, rows)
        if done != count:
            raise RarError(f"{folder}: {done} rows came, not {count}")
        files = {f"{folder.name}/{name}": file_entry(partial / name) for name in FILES}
        partial.rename(folder)
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


def _write_rows(
    folder: Path, name: str, scheme: Scheme, crop_size: int, count: int, seed: int, rows: Iterable[Row]
) -> int:
    room = (count + 16) * (3 * crop_size**2 + 65536)  # a JPEG is smaller than its pixels
    done = 0
    with (
        h5py.File(folder / LANDMARKS, "w") as file,
        lmdb.open(str(folder / IMAGES), map_size=room, metasync=False, sync=False, lock=False) as images,
    ):
        file.attrs.update({"scheme": scheme.name, "crop_size": crop_size, "set": name, "rows": count, "seed": seed})
        _create_datasets(file, count, scheme.landmarks)
        transaction = images.begin(write=True)
        for row in rows:
            transaction.put(row_key(row.row), row.datum, overwrite=False)
            for field in _FIELDS:
                file[field][row.row] = getattr(row, field)
            done += 1
            if done % _COMMIT_EVERY == 0:
                transaction.commit()
                transaction = images.begin(write=True)
        transaction.commit()
        images.sync(True)
    return done


_FIELDS = tuple(field.name for field in fields(Row) if field.name not in ("row", "datum"))


def _create_datasets(file: h5py.File, count: int, landmarks: int) -> None:
    points = (count, landmarks)
    file.create_dataset("shape", (*points, 2), np.float32)
    file.create_dataset("occluded", points, np.uint8)
    file.create_dataset("crop_to_image", (count, 2, 3), np.float64)
    file.create_dataset("image_shape", (*points, 2), np.float64)
    file.create_dataset("normaliser", (count, 2), np.float64)
    file.create_dataset("box", (count, 4), np.float64)
    file.create_dataset("name", (count,), h5py.string_dtype("utf-8"))
    file.create_dataset("mirrored", (count,), np.uint8)
    file.create_dataset("copy", (count,), np.uint16)


@contextmanager
def _full_disk(folder: Path) -> Iterator[None]:
    """Whatever LMDB and HDF5 say of a full disk becomes the error every command shows in one line."""
    try:
        yield
    except (lmdb.Error, OSError) as error:
        words = str(error)
        full = isinstance(error, lmdb.DiskError) or "No space left" in words or f"errno = {errno.ENOSPC}" in words
        if not full:
            raise RarError(f"{folder} cannot be written: {' '.join(words.split())}") from None
        raise OSError(errno.ENOSPC, "No space left on device", str(folder)) from None
