"""Fixtures shared by every room's tests."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from data_prep import prepare_300w
from data_prep.synthetic_faces.write import Parameters, write

os.environ.setdefault("GLOG_minloglevel", "2")  # before caffe is imported: its log is thousands of lines a net

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real faces beside the checkout, or a skip that says what is missing."""
    path = Path(os.environ.get("RAR_SHARED_DATA", PROJECT.parent / "shared" / "data"))
    if not (path / "300w").is_dir():
        pytest.skip(f"no real faces at {path}: set RAR_SHARED_DATA to a folder with 300w/, mtfl/, cofw68/")
    return path


@pytest.fixture(scope="session")
def real_shapes(shared_data: Path) -> np.ndarray:
    """Annotated shapes (330, 68, 2) of the Helen test faces."""
    files = sorted((shared_data / "300w" / "helen" / "testset").glob("*.pts"))
    return np.stack([np.loadtxt(path, skiprows=3, comments="}") for path in files])


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data of drawn faces, made as `make demo` makes them: 64 px crops in train/, val/, helen/, lfpw/, ibug/.

    train/ holds the 50 faces or more that a shape pool of the presets' size wants. Not to be written to.
    """
    folder = tmp_path_factory.mktemp("prepared")
    write(folder / "faces", Parameters(train=60, test=8, seed=1))
    options = "--dataset synthetic --any-count --crop-size 64 --copies 1 --occluded 0 --validation 0.1 --workers 0"
    arguments = ["--raw", str(folder / "faces"), "--out", str(folder / "data"), *options.split()]
    prepare_300w.main(arguments, standalone_mode=False)
    return folder / "data"
