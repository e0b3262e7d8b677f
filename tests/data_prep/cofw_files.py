"""Small COFW files, laid out as MATLAB lays out v7.3: HDF5, every array transposed, cells as object references."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from tests.data_prep.conftest import SIZE, draw, face_shape

VARIABLES = {"COFW_train_color.mat": ("IsTr", "bboxesTr", "phisTr"), "COFW_test_color.mat": ("IsT", "bboxesT", "phisT")}
# Points of the 68 that are, or nearly are, COFW's points in its order.
NEAR = (
    17,
    26,
    21,
    22,
    19,
    19,
    24,
    24,
    36,
    45,
    39,
    42,
    37,
    41,
    44,
    46,
    36,
    45,
    31,
    35,
    30,
    33,
    48,
    54,
    51,
    62,
    66,
    57,
    8,
)


def cofw_shape(
    centre: tuple[float, float] = (75.0, 70.0), size: float = 34.0, turn: float = 0.0
) -> NDArray[np.float64]:
    """A face of 29 landmarks, eye centres `size` px apart; see `face_shape`."""
    face = face_shape(centre, size, turn)
    shape = face[list(NEAR)]
    down = (face[8] - face[27]) / np.linalg.norm(face[8] - face[27])
    shape[[5, 7]] += 0.08 * size * down  # the lower edges of the brows
    shape[16], shape[17] = face[36:42].mean(axis=0), face[42:48].mean(axis=0)
    return shape


def write_mat(
    path: Path, images: list[NDArray[np.uint8]], boxes: NDArray[np.float64], phis: NDArray[np.float64]
) -> None:
    """images: (H, W, 3) RGB or (H, W); boxes (n, 4) and phis (n, 87) as MATLAB shows them."""
    cells, *numbers = VARIABLES[path.name]
    with h5py.File(path, "w", userblock_size=512) as file:
        references = np.empty((1, len(images)), h5py.ref_dtype)
        for number, image in enumerate(images):
            cell = file.create_dataset(f"#refs#/{number}", data=image.T, compression="gzip")
            cell.attrs["MATLAB_class"] = np.bytes_("uint8")
            references[0, number] = cell.ref
        file[cells] = references
        file[cells].attrs["MATLAB_class"] = np.bytes_("cell")
        for name, array in zip(numbers, (boxes, phis), strict=True):
            file[name] = array.T
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as header:
        header.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM")


def made_faces(count: int, seed: int) -> tuple[list[NDArray[np.uint8]], NDArray[np.float64], NDArray[np.float64]]:
    """Pictures with a white dot on each landmark, every third grey; tight boxes; landmarks with flags; px from 1."""
    rng = np.random.default_rng(seed)
    images, boxes, phis = [], [], []
    for number in range(count):
        shape = cofw_shape(
            (74 + rng.uniform(-2, 2), 62 + rng.uniform(-2, 2)), rng.uniform(30, 36), rng.uniform(-0.1, 0.1)
        )
        picture = draw(shape, SIZE, seed + number)
        images.append(picture[..., 0] if number % 3 == 2 else picture[..., ::-1])
        low, high = shape.min(axis=0), shape.max(axis=0)
        boxes.append(np.concatenate([low + 1, high - low]))
        phis.append(np.concatenate([shape[:, 0] + 1, shape[:, 1] + 1, rng.random(29) < 0.3]))
    return images, np.array(boxes), np.array(phis)


def write_cofw(folder: Path, train: int = 4, test: int = 3) -> None:
    """Both files with so many faces."""
    folder.mkdir(parents=True, exist_ok=True)
    write_mat(folder / "COFW_train_color.mat", *made_faces(train, 10))
    write_mat(folder / "COFW_test_color.mat", *made_faces(test, 20))
