"""A small data set in the official 300-W layout, with a dot drawn on every landmark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from scipy.io import savemat

from data_prep.prepare_300w import main
from data_prep.pts import write_points
from layers.common.schemes import SCHEME_68

# Two faces of one photograph (10_1, 10_2), a PNG, and iBUG's image with a space in its name.
FACES = {
    "afw": ("10_1.jpg", "10_2.jpg", "11_1.jpg"),
    "lfpw/trainset": ("image_0001.png", "image_0002.png"),
    "helen/trainset": ("20_1.jpg", "21_1.jpg"),
    "helen/testset": ("31_1.jpg", "30_1.jpg"),
    "ibug": ("image_092 _01.jpg",),
}
SIZE = (150, 140)  # width, height


def face_shape(
    centre: tuple[float, float] = (75.0, 70.0), size: float = 34.0, turn: float = 0.0
) -> NDArray[np.float64]:
    """An upright face of 68 landmarks, eyes `size` px apart, turned by `turn` radians clockwise."""
    shape = np.zeros((68, 2))
    groups = SCHEME_68.groups
    angle = np.linspace(np.pi, 0, 17)
    shape[list(groups["contour"])] = np.stack([1.05 * np.cos(angle), 1.6 * np.sin(angle) ** 0.9 - 0.05], 1)
    x = np.linspace(-0.25, 0.25, 5)
    brow = np.stack([x, -0.3 - 0.8 * (0.06 - x**2)], 1)
    shape[list(groups["brows"])] = np.concatenate([brow - (0.5, 0), brow + (0.5, 0)])
    ridge = np.stack([np.zeros(4), np.linspace(0.05, 0.5, 4)], 1)
    base = np.stack([np.linspace(-0.2, 0.2, 5), [0.6, 0.63, 0.65, 0.63, 0.6]], 1)
    shape[list(groups["nose"])] = np.concatenate([ridge, base])
    eye = np.array([(-0.17, 0), (-0.07, -0.06), (0.07, -0.06), (0.17, 0), (0.07, 0.06), (-0.07, 0.06)])
    shape[list(groups["eyes"])] = np.concatenate([eye - (0.5, 0), eye + (0.5, 0)])
    around = np.linspace(np.pi, 3 * np.pi, 13)[:-1]
    inner = np.linspace(np.pi, 3 * np.pi, 9)[:-1]
    outer_lip = np.stack([0.36 * np.cos(around), 1.05 + 0.16 * np.sin(around)], 1)
    inner_lip = np.stack([0.27 * np.cos(inner), 1.05 + 0.06 * np.sin(inner)], 1)
    shape[list(groups["mouth"])] = np.concatenate([outer_lip, inner_lip])
    cos, sin = np.cos(turn), np.sin(turn)
    return size * shape @ np.array([[cos, sin], [-sin, cos]]) + centre


def draw(shape: NDArray[np.floating], size: tuple[int, int] = SIZE, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth grey picture with an anti-aliased white dot on each landmark."""
    width, height = size
    noise = np.random.default_rng(seed).integers(60, 120, (5, 6, 3)).astype(np.uint8)
    image = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    for x, y in shape:
        cv2.circle(image, (round(x * 16), round(y * 16)), 32, (250, 250, 250), -1, cv2.LINE_AA, 4)
    return np.asarray(image, np.uint8)


def write_boxes(raw: Path, subset: str, faces: list[tuple[str, NDArray[np.floating]]]) -> None:
    """The .mat of a subset; the detector's box is the landmarks' extent, 2 px larger on every side."""
    entries = np.empty((1, len(faces)), object)
    for number, (name, shape) in enumerate(faces):
        tight = np.concatenate([shape.min(axis=0), shape.max(axis=0)]) + 1
        loose = tight + (-2, -2, 2, 2)
        entries[0, number] = {"imgName": name, "bb_detector": loose[None], "bb_ground_truth": tight[None]}
    folder = raw / "Bounding Boxes"
    folder.mkdir(exist_ok=True)
    savemat(folder / f"bounding_boxes_{subset.replace('/', '_')}.mat", {"bounding_boxes": entries})


def write_raw(root: Path) -> None:
    """7 training faces, 2 of HELEN's and 1 of iBUG's test faces."""
    seed = 0
    for subset, names in FACES.items():
        folder = root / subset
        folder.mkdir(parents=True)
        faces = []
        for name in names:
            seed += 1
            shape = face_shape((74 + seed % 3, 66 + seed % 5), 30 + seed % 4, 0.1 * (seed % 3 - 1))
            cv2.imwrite(str(folder / name), draw(shape, seed=seed), [cv2.IMWRITE_JPEG_QUALITY, 98])
            write_points(folder / f"{Path(name).stem.replace(' ', '')}.pts", shape)
            faces.append((name.replace(" ", ""), shape))
        write_boxes(root, subset, faces)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """The root of the small data set."""
    write_raw(tmp_path / "raw")
    return tmp_path / "raw"


@contextmanager
def stored(folder: Path) -> Iterator[lmdb.Transaction]:
    """A writing transaction on the images of a prepared set."""
    with (
        lmdb.open(str(folder / "images.lmdb"), map_size=1 << 28, lock=False) as images,
        images.begin(write=True) as rows,
    ):
        yield rows


@pytest.fixture(scope="session")
def prepared_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("prepared")
    write_raw(root / "raw")
    options = ["--crop-size", "40", "--copies", "2", "--centres", "3", "--workers", "0", "--sets", "train"]
    result = CliRunner().invoke(main, ["--raw", str(root / "raw"), "--out", str(root / "data"), *options])
    assert result.exception is None
    return root / "data"


@pytest.fixture
def prepared_data(prepared_once: Path, tmp_path: Path) -> Path:
    """Prepared data to damage: a set `train` of 14 crops of 40 px, two of each of 7 faces, and a pool of 3 shapes."""
    return Path(shutil.copytree(prepared_once, tmp_path / "data"))
