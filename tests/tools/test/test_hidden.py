"""Which landmarks are hidden goes from the prepared data into the results, where the annotation tells it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from data_prep.patches import open_set
from layers.common.prepared import PreparedSet
from tools.model.crop_detector import Detections
from tools.test.faces import test_set as run_set


@pytest.mark.parametrize("told", [False, True])
def test_flags_of_the_annotation(prepared: Path, told: bool) -> None:
    faces = open_set(prepared / "helen")
    flags = np.zeros_like(faces.occluded)
    flags[1, ::3] = told
    faces.occluded = flags

    def detect(crops: np.ndarray) -> Detections:
        n, points = len(crops), faces.scheme.landmarks
        return Detections(
            s_d=np.zeros((n, points, 2), np.float32), stages=np.zeros((n, 1, points, 2), np.float32),
            centres=np.zeros((n, 0), np.int64), confidence=np.zeros((n, 0, points), np.float32),
            peak=np.zeros((n, points), np.float32),
        )  # fmt: skip

    found = list(run_set(SimpleNamespace(detect=detect), faces, "helen", 3))  # type: ignore[arg-type]
    assert isinstance(faces, PreparedSet) and len(found) == len(faces)
    expected = [row.tolist() if told else None for row in flags]
    assert [None if face.hidden is None else face.hidden.tolist() for face in found] == expected
