"""Fixtures shared by every room's tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real faces beside the checkout, or a skip that says what is missing."""
    path = Path(os.environ.get("RAR_SHARED_DATA", PROJECT.parent / "shared" / "data"))
    if not (path / "300w").is_dir():
        pytest.skip(f"no real faces at {path}: set RAR_SHARED_DATA to a folder with 300w/, mtfl/, cofw68/")
    return path
