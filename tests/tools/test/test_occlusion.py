"""The occlusion test: discs that grow round one place, errors of hidden and visible landmarks apart."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.tools.small import SMALL
from tools.model import crop_detector, presets
from tools.test import occlusion as test_occlusion
from tools.test.occlusion import SIZES, disc


@pytest.fixture
def face() -> np.ndarray:
    return np.random.default_rng(0).uniform(20, 44, (68, 2))


def test_a_disc_is_the_faces_own_and_grows_round_its_centre(face: np.ndarray) -> None:
    cover, again, other = (disc(face, name, 64, 0) for name in ("a", "a", "b"))
    np.testing.assert_array_equal(cover.filling, again.filling)
    assert not np.array_equal(cover.centre, other.centre)
    assert not np.array_equal(cover.centre, disc(face, "a", 64, 1).centre)
    hidden = [cover.hides(face, size) for size in SIZES]
    assert not hidden[0].any()
    assert all((small <= large).all() for small, large in zip(hidden, hidden[1:], strict=False))


def test_a_disc_covers_its_share_of_the_face(face: np.ndarray) -> None:
    cover = disc(face, "a", 64, 0)._replace(centre=np.array([32.0, 32.0]))
    black = np.zeros((64, 64, 3), np.uint8)
    covered = (cover.over(black, 0.4) > cover.filling / 2).all(-1).sum() / np.ptp(face, axis=0).prod()
    assert covered == pytest.approx(0.4, rel=0.05)
    np.testing.assert_array_equal(cover.over(black, 0), black)


def test_the_command_measures_every_size(
    trained: Path,
    small_project: Path,
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(crop_detector, "PROTOTXT", small_project / "prototxt")
    monkeypatch.setitem(presets.PRESETS, "tiny", SMALL)
    model = ["--model", "tiny", str(trained / "rar_iter_12.caffemodel")]
    arguments = [*model, "--data", str(prepared / "helen"), "--out", str(tmp_path)]
    test_occlusion.main(arguments, standalone_mode=False)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("tiny, ")]
    assert [row[1] for row in rows] == [f"{size:g}" for size in SIZES]
    shares = [float(row[2]) for row in rows]
    assert shares[0] == 0 and shares == sorted(shares) and shares[-1] > 10
    assert rows[0][6] == rows[0][5] and rows[0][7] == "-", "nothing hidden: the visible landmarks are all of them"
    assert cv2.imread(str(tmp_path / "occlusion.png")).std() > 5
    assert "sha256" in (tmp_path / "occlusion.md").read_text()
