"""Reading a prepared set: images from LMDB, everything else from HDF5, row by row in one order."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import h5py
import lmdb
import numpy as np
from numpy.typing import NDArray

from layers.common import datum, schemes
from layers.common.errors import RarError

IMAGES = "images.lmdb"
LANDMARKS = "landmarks.h5"
REMEDY = "prepare the data again (make data-300w)"
CROPS, PATCHES = "crops", "patches"  # the kinds of pictures a set can hold
OTHER_KIND = {
    CROPS: "crops are drawn from them in training (make train-300w), or prepare with AUGMENT=fixed",
    PATCHES: "prepare with AUGMENT=live",
}

_NUMBERS = ("shape", "occluded", "crop_to_image", "image_shape", "normaliser", "box", "mirrored", "copy")
_environments: dict[tuple[int, str, int], lmdb.Environment] = {}


def row_key(row: int) -> bytes:
    """LMDB key of a row: decimal, so that the keys' order is the rows' order."""
    return b"%08d" % row


def open_images(folder: Path) -> lmdb.Environment:
    """The set's LMDB, read only; one environment per file and process, for LMDB allows no second."""
    path = folder / IMAGES
    try:
        key = (os.getpid(), str(path.resolve()), (path / "data.mdb").stat().st_ino)
        if key not in _environments:
            found = lmdb.open(str(path), readonly=True, lock=False, readahead=False, max_readers=1)
            whole = (found.info()["last_pgno"] + 1) * found.stat()["psize"]
            if (path / "data.mdb").stat().st_size < whole:  # reading beyond the end of a map ends the process
                found.close()
                raise RarError(f"{path / 'data.mdb'} is cut short: {REMEDY}")
            _environments[key] = found
        return _environments[key]
    except OSError:
        raise RarError(f"no images at {path}: {REMEDY}") from None
    except lmdb.Error as error:
        raise RarError(f"{path} is damaged ({error}): {REMEDY}") from None


def kind_of(folder: Path) -> str | None:
    """CROPS or PATCHES; None when that cannot be told, for want of a set or because it is damaged."""
    try:
        with h5py.File(folder / LANDMARKS) as file:
            return _kind(file)
    except OSError:
        return None


def _kind(file: h5py.File) -> str:
    return str(file.attrs.get("kind", CROPS))


class PreparedSet:
    """One prepared set of crops, e.g. DATA/train, for n rows of L landmarks.

    Attributes, one row per image:
        shape (n,L,2) f4: landmarks in crop px.
        occluded (n,L) u1: 1 where a synthetic occluder or, by its annotation, the photograph hides the landmark.
        crop_to_image (n,2,3) f8: from crop px to px of the original image (of its mirror image where `mirrored`).
        image_shape (n,L,2) f8: ground truth in those px.
        normaliser (n,2) f8: pupil and outer-corner distance in image px (NaN where the scheme has none).
        box (n,4) f8: the face box x0 y0 x1 y1 the crop was cut by, image px.
        name (n,) str, mirrored (n,) u1, copy (n,) u2: 0 for the plain crop, else the number of the augmented copy.
    scheme, crop_size (px), set, seed: as prepared. RarError when files are missing, damaged or disagree, or when the
    set holds patches, from which crops are yet to be drawn (data_prep/patches.py reads both kinds).
    """

    kind = CROPS
    shape: NDArray[np.float32]
    occluded: NDArray[np.uint8]
    crop_to_image: NDArray[np.float64]
    image_shape: NDArray[np.float64]
    normaliser: NDArray[np.float64]
    box: NDArray[np.float64]
    name: NDArray[np.object_]
    mirrored: NDArray[np.uint8]
    copy: NDArray[np.uint16]

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise RarError(f"no prepared set at {self.folder}: {REMEDY}")
        self._read_landmarks(self.folder / LANDMARKS)
        self._environment = open_images(self.folder)
        images = self._environment.stat()["entries"]
        if images != len(self):
            raise RarError(f"{self.folder}: {images} images but {len(self)} rows of landmarks: {REMEDY}")
        self._transaction = self._environment.begin(buffers=True)

    def _read_landmarks(self, path: Path) -> None:
        try:
            with h5py.File(path) as file:
                if _kind(file) != self.kind:
                    raise RarError(f"{self.folder} holds {_kind(file)}, not {self.kind}: {OTHER_KIND[self.kind]}")
                self.set = str(file.attrs["set"])
                self.seed = int(file.attrs["seed"])
                self.crop_size = int(file.attrs["crop_size"])
                self.scheme = schemes.scheme(str(file.attrs["scheme"]))
                rows = int(file.attrs["rows"])
                for field in _NUMBERS:
                    setattr(self, field, file[field][:])
                self.name = file["name"].asstr()[:]
                self.read_more(file)
        except FileNotFoundError:
            raise RarError(f"no landmarks at {path}: {REMEDY}") from None
        except (OSError, KeyError, RuntimeError) as error:
            raise RarError(f"{path} is damaged ({' '.join(str(error).split())}): {REMEDY}") from None
        points = (rows, self.scheme.landmarks)
        expected = {
            "shape": (*points, 2), "occluded": points, "crop_to_image": (rows, 2, 3), "image_shape": (*points, 2),
            "normaliser": (rows, 2), "box": (rows, 4), "mirrored": (rows,), "copy": (rows,), "name": (rows,),
        }  # fmt: skip
        for field, size in expected.items():
            if getattr(self, field).shape != size:
                raise RarError(f"{path}: {field} has shape {getattr(self, field).shape}, not {size}: {REMEDY}")

    def read_more(self, file: h5py.File) -> None:
        """What another kind of set keeps beside this; KeyError where it is missing."""

    def __len__(self) -> int:
        return len(self.shape)

    def datum(self, row: int) -> datum.Datum:
        """The stored message of one row."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        try:
            message = self._transaction.get(row_key(row))
        except lmdb.Error as error:
            raise RarError(f"{self.folder / IMAGES} is damaged at row {row} ({error}): {REMEDY}") from None
        if message is None:
            raise RarError(f"{self.folder / IMAGES} has no row {row}: {REMEDY}")
        try:
            return datum.decode(bytes(message))
        except RarError as error:
            raise RarError(f"{self.folder / IMAGES}, row {row}: {error}: {REMEDY}") from None

    def image(self, row: int) -> NDArray[np.uint8]:
        """The crop (crop_size, crop_size, 3), BGR."""
        return self.picture(row, (self.crop_size, self.crop_size, 3))

    def picture(self, row: int, size: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
        """The picture (H, W, 3), BGR, as it is stored. RarError when there is none, or none of that size."""
        stored = np.frombuffer(self.datum(row).data, np.uint8)
        image = cv2.imdecode(stored, cv2.IMREAD_COLOR) if stored.size else None
        if image is None or (size and image.shape != size):
            wanted = f"{size[0]} px image" if size else "image"
            raise RarError(f"{self.folder / IMAGES}, row {row}: no {wanted} in it: {REMEDY}")
        return np.asarray(image, np.uint8)

    def close(self) -> None:
        """End the reading transaction; the environment stays open for the process's other readers."""
        self._transaction.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
