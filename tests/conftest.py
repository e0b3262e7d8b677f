"""Fixtures shared by every room's tests."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

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
