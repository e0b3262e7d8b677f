"""The occlusion test: discs that grow round one place, errors of hidden and visible landmarks apart."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.tools.small import SMALL
from tools.model import crop_detector, presets
from tools.test import occlusion as test_occlusion
from tools.test.occlusion import SIZES, Measured, disc


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


def test_errors_by_share_count_a_face_once_a_row() -> None:
    """30 faces at three sizes: nothing hidden at the first, a fifth at both others, with errors 4 and 6 per cent."""
    faces = np.ones(30)
    sizes = [
        Measured(2 * start * faces, start * faces, last * faces, faces, faces, share * faces)
        for start, last, share in ((0.03, 0.02, 0.0), (0.05, 0.04, 0.25), (0.07, 0.06, 0.2))
    ]
    table = test_occlusion.by_share("tiny", sizes, 2, 0)
    found = {row.label: dict(zip(table.columns, (cell.value for cell in row.cells), strict=True)) for row in table.rows}
    assert list(found) == ["none", "20 to 30 %"]
    none, some = found.values()
    assert none["faces"] == some["faces"] == 30
    assert [some[name] for name in ("S_d", "S_hat_0", "S_hat_2", "change")] == pytest.approx([12, 6, 5, -1])
    assert none["S_hat_2"] == pytest.approx(2)


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
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines() if line.startswith("tiny, ")]
    assert [row[1] for row in rows] == [f"{size:g}" for size in SIZES]
    shares = [float(row[2]) for row in rows]
    assert shares[0] == 0 and shares == sorted(shares) and shares[-1] > 10
    assert rows[0][6] == rows[0][5] and rows[0][7] == "-", "nothing hidden: the visible landmarks are all of them"
    assert "By the share of landmarks hidden, tiny" in printed
    assert cv2.imread(str(tmp_path / "occlusion.png")).std() > 5
    assert "sha256" in (tmp_path / "occlusion.md").read_text()
