"""Expected errors: learnt where confidence tells of error, kept beside the weights, used by the detector."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from data_prep.images import read_image
from layers.common.errors import RarError
from layers.common.files import sha256
from tests.data_prep.conftest import face_shape
from tools.detect import Detector, calibrate
from tools.detect.calibration import calibration_file, face_size, read_calibration, write_calibration
from tools.evaluate.results import FaceResult

Array = np.ndarray


def telling_faces(count: int, seed: int, size: float = 40) -> list[FaceResult]:
    """Faces whose landmarks are off by about 3 % of the face's size divided by their peak."""
    rng, truth = np.random.default_rng(seed), face_shape((100, 90), size)
    faces = []
    for number in range(count):
        peak = rng.uniform(0.1, 1, 68)
        reach = 0.03 * float(face_size(truth)) / peak
        final = truth + reach[:, None] * rng.normal(0, 0.6, (68, 2))
        s_d = final + rng.normal(0, 0.01 * size, (68, 2))
        faces.append(
            FaceResult(f"f{number}", "val", truth, s_d, np.stack([s_d, final]), np.array([3]), np.ones((1, 68)), peak,
                       np.array([0.0, 0, 200, 200]))
        )  # fmt: skip
    return faces


def test_it_predicts_the_error_of_other_faces() -> None:
    made = calibrate.learn(telling_faces(120, 1), "sha", "val")
    others = telling_faces(60, 2)
    expected, errors = made.per_cent(*calibrate.evidence(others)), calibrate.measured(others)
    for mean, measured, _ in calibrate.bins(expected, errors):
        assert abs(mean - measured) < 0.15 * measured
    assert spearmanr(expected, errors, axis=None).statistic > 0.5
    assert np.all(np.diff(made.errors) >= 0) and np.all(np.diff(made.scores) > 0)


def test_it_is_in_the_unit_of_the_shapes() -> None:
    """A face twice as large is as far off in per cent, and twice as far in px."""
    made = calibrate.learn(telling_faces(40, 1), "sha", "val")
    small, large = (calibrate.evidence(telling_faces(4, 3, size)) for size in (30, 60))
    np.testing.assert_allclose(made.per_cent(*small), made.per_cent(*large), rtol=1e-6)
    np.testing.assert_allclose(2 * made.expected_error(*small), made.expected_error(*large), rtol=1e-6)


@pytest.fixture
def own_weights(weights: Path, tmp_path: Path) -> Path:
    """A copy of the weights, to put a calibration beside."""
    return Path(shutil.copy(weights, tmp_path / "own.caffemodel"))


def test_the_detector_uses_it(own_weights: Path, picture: tuple[Path, Array]) -> None:
    image, box = read_image(picture[0]), picture[1]
    assert Detector("tiny", own_weights).detect(image, [box])[0].expected_error is None
    made = calibrate.learn(telling_faces(40, 1), sha256(own_weights), "val")
    assert write_calibration(own_weights, made) == calibration_file(own_weights)
    assert read_calibration(own_weights) == made
    (face,) = Detector("tiny", own_weights).detect(image, [box])
    assert face.expected_error is not None and face.expected_error.shape == (68,)
    np.testing.assert_allclose(
        face.expected_error, made.expected_error(face.confidence, face.s_d, face.points), rtol=1e-6
    )


def test_one_of_other_weights_or_damaged_is_named(own_weights: Path) -> None:
    made = calibrate.learn(telling_faces(40, 1), "of others", "val")
    path = write_calibration(own_weights, made)
    with pytest.raises(RarError, match="own.calibration.json was measured with other weights: run make calibrate"):
        Detector("tiny", own_weights)
    stored = json.loads(path.read_text())
    for damage in ("{", "[]", json.dumps({**stored, "scores": []}), json.dumps({**stored, "more": 1})):
        path.write_text(damage)
        with pytest.raises(RarError, match="own.calibration.json is no calibration"):
            Detector("tiny", own_weights)


def test_the_command(own_weights: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--preset", "tiny", "--weights", str(own_weights), "--data", str(prepared), "--out", str(tmp_path / "out")]
    with pytest.raises(RarError, match="val has . faces, too few to learn from: 20 are the least"):
        calibrate.main(words, standalone_mode=False)
    with pytest.raises(RarError, match="no elsewhere in .*: prepare the data with VALIDATION=0.06"):
        calibrate.main([*words, "--fit", "elsewhere"], standalone_mode=False)
    calibrate.main([*words, "--fit", "train"], standalone_mode=False)
    made = read_calibration(own_weights)
    assert made is not None and made.data == "data/train" and made.faces > 50
    said = capsys.readouterr().out
    assert "rank correlation (Spearman) of expected and measured error" in said and "10 of 10" in said
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"calibration.md", "calibration.png"}
