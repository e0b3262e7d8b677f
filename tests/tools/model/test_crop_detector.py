"""A deploy net as one object: the same shapes whatever the batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layers import base
from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from layers.common.shapes import FloatArray
from tests.layers import strict_arrays
from tests.tools.small import SMALL
from tools.model.crop_detector import CropDetector
from tools.model.presets import TINY

Array = np.ndarray


@pytest.fixture(scope="module")
def weights(trained: Path) -> Path:
    return trained / "rar_iter_12.caffemodel"


@pytest.fixture(scope="module")
def deploy(small_project: Path) -> Path:
    return small_project / "prototxt" / "tiny" / "deploy.prototxt"


@pytest.fixture(scope="module")
def detector(weights: Path, deploy: Path) -> CropDetector:
    return CropDetector(SMALL, weights, deploy)


@pytest.fixture(scope="module")
def crops(prepared: Path) -> Array:
    """Five crops."""
    faces = PreparedSet(prepared / "train")
    return np.stack([faces.image(row) for row in range(5)])


def test_everything_the_recurrence_finds(detector: CropDetector, crops: Array) -> None:
    found = detector.detect(crops)
    sizes = {name: value.shape for name, value in found._asdict().items()}
    steps = SMALL.steps
    assert sizes == {
        "s_d": (5, 68, 2), "stages": (5, steps + 1, 68, 2), "centres": (5, steps),
        "confidence": (5, steps, 68), "peak": (5, 68),
    }  # fmt: skip
    np.testing.assert_array_equal(found.centres, found.confidence.argmax(-1))
    assert all(np.isfinite(value).all() for value in found)
    assert (found.stages[:, 1:] != found.stages[:, :-1]).any(axis=(2, 3)).all(), "every step moves the shape"


def test_with_cupys_kind_of_arrays_no_map_travels(
    detector: CropDetector, weights: Path, deploy: Path, crops: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way a GPU would go, on the host: the same landmarks, and nothing larger than the image is copied."""
    wanted = detector.detect(crops)
    monkeypatch.setattr(base, "memory_here", strict_arrays.StrictMemory)
    strict = CropDetector(SMALL, weights, deploy)
    strict.detect(crops)
    touched = strict_arrays.record_touches(monkeypatch)
    strict_arrays.MOVED.clear()
    found = strict.detect(crops)
    assert max(touched) == crops.size < min(strict.net.blobs[name].count for name in ("conv8", "deconv7"))
    assert strict_arrays.MOVED and max(strict_arrays.MOVED) < crops.size
    np.testing.assert_allclose(found.s_d, wanted.s_d, atol=1e-3)
    assert (np.linalg.norm(found.stages - wanted.stages, axis=-1) < 0.05).mean() > 0.95


def test_the_batch_does_not_matter(detector: CropDetector, crops: Array) -> None:
    together = detector.detect(crops)
    batches = [detector.detect(crops[:4]), detector.detect(crops[4:])]
    singles = [detector.detect(crops[i : i + 1]) for i in range(5)]
    for parts in (batches, singles):
        for name in together._fields:
            found: FloatArray = np.concatenate([getattr(part, name) for part in parts])
            np.testing.assert_allclose(found, getattr(together, name), atol=2e-4, err_msg=name)


def test_what_was_found_stays_as_it_was(detector: CropDetector, crops: Array) -> None:
    """The net's memory is used again by the next faces; what was returned is not."""
    first = detector.detect(crops[:1])
    kept = first.stages.copy()
    detector.detect(crops[1:2])
    np.testing.assert_array_equal(first.stages, kept)


def test_crops_of_another_size_are_refused(detector: CropDetector) -> None:
    with pytest.raises(RarError, match=r"preset tiny takes 64 px crops, not \(128, 128, 3\): prepare them anew"):
        detector.detect(np.zeros((1, 128, 128, 3), np.uint8))


def test_weights_of_another_preset_are_refused(weights: Path) -> None:
    """The committed net of `tiny` is larger than the small one these weights are for."""
    with pytest.raises(RarError, match="it is for another net"):
        CropDetector(TINY, weights)
