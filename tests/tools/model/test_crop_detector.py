"""A deploy net as one object: the same shapes whatever the batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from layers import base
from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray, mirror_shape
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


def test_a_flip_test_averages_over_the_mirror_image(
    detector: CropDetector, weights: Path, deploy: Path, crops: Array
) -> None:
    """So of a face and of its mirror image it finds the same, mirrored; each alone differs."""
    both = CropDetector(replace(SMALL, flip_test=True), weights, deploy)
    mirrored = crops[:, :, ::-1]
    for name in ("s_d", "stages"):
        one, other = (getattr(both.detect(images), name) for images in (crops, mirrored))
        np.testing.assert_allclose(mirror_shape(other, scheme("68"), SMALL.crop_size), one, atol=1e-3)
        plain, turned = (getattr(detector.detect(images), name) for images in (crops, mirrored))
        assert np.abs(mirror_shape(turned, scheme("68"), SMALL.crop_size) - plain).max() > 0.1
        np.testing.assert_allclose(one, (plain + mirror_shape(turned, scheme("68"), SMALL.crop_size)) / 2, atol=1e-3)
    np.testing.assert_array_equal(both.detect(crops).centres, detector.detect(crops).centres)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"s_hat_3"', '"s_hat_4"', "no layer makes 's_hat_3'"),
        ("dim: 64 dim: 64", "dim: 32 dim: 32", "'data' is of (3, 32, 32), not of (3, 64, 64)"),
    ],
)
def test_another_net_than_the_presets(
    old: str, new: str, said: str, weights: Path, deploy: Path, tmp_path: Path
) -> None:
    """Caffe makes it, and the detector says what it lacks."""
    text = deploy.read_text()
    assert old in text
    (tmp_path / "deploy.prototxt").write_text(text.replace(old, new))
    with pytest.raises(RarError) as refused:
        CropDetector(SMALL, weights, tmp_path / "deploy.prototxt")
    assert str(refused.value).startswith(f"{tmp_path / 'deploy.prototxt'}: {said}: mend it")
