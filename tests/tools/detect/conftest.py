"""A detector of the small preset, a drawn photograph, and the face finder where it is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from tests.tools.small import SMALL
from tools.detect import Detector
from tools.detect.finder import FaceFinder
from tools.model import crop_detector, presets

Array = np.ndarray


@pytest.fixture
def small(small_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tiny` is the small preset."""
    monkeypatch.setattr(crop_detector, "PROTOTXT", small_project / "prototxt")
    monkeypatch.setitem(presets.PRESETS, "tiny", SMALL)


@pytest.fixture
def weights(small: None, trained: Path) -> Path:
    return trained / "rar_iter_12.caffemodel"


@pytest.fixture
def tiny(weights: Path) -> Detector:
    return Detector("tiny", weights, batch=2)


@pytest.fixture(scope="session")
def drawn(drawn_faces: Path) -> Path:
    """Drawn photographs in 300-W's layout."""
    return drawn_faces


@pytest.fixture
def picture(prepared: Path, drawn: Path) -> tuple[Path, Array]:
    """A drawn photograph and the box of its face."""
    faces = PreparedSet(prepared / "helen")
    return drawn / f"{faces.name[0]}.jpg", faces.box[0]


@pytest.fixture(scope="session")
def finder() -> FaceFinder:
    """The face finder, or a skip that names the target that installs it."""
    try:
        return FaceFinder()
    except RarError as error:
        pytest.skip(str(error))
