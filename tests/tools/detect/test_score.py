"""The detector on a raw set: found boxes against given ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_prep import w300
from layers.common.errors import RarError
from tools.detect import Detector, score
from tools.detect.finder import FaceFinder

Array = np.ndarray


def test_a_face_by_both_boxes(tiny: Detector, drawn: Path, finder: FaceFinder) -> None:
    (scan,) = w300.scan(drawn, ["helen"], "detector")
    record = scan.records[1]
    scored = score.score(tiny, record)
    assert scored.by_found is not None and scored.others == 0
    np.testing.assert_array_equal(scored.truth, record.shape)
    assert scored.by_found.shape == scored.by_given.shape == (68, 2) and (scored.by_found != scored.by_given).any()
    assert 0 < scored.finding < scored.whole


def test_the_table_tells_found_from_given() -> None:
    """Two faces, one of them not found; the found box's shape is 2 px off, the given one's 1 px."""
    truth = np.random.default_rng(0).uniform(0, 200, (68, 2))
    off = np.array([0.6, 0.8])
    one = score.Scored(truth, truth + 2 * off, truth + off, 3, 5.0, 100.0)
    two = score.Scored(truth, None, truth + 5 * off, 0, 7.0, 300.0)
    table = score.table([one, two], "helen, 2 faces", ())
    errors = [row.cells[1].value for row in table.rows]
    assert [row.cells[0].value for row in table.rows] == [1, 1, 2]
    assert errors[0] == pytest.approx(2 * (errors[1] or 0)) and errors[2] == pytest.approx(3 * (errors[1] or 0))
    assert table.notes[0] == "found: 1 of 2 faces; boxes elsewhere: 3"
    assert table.notes[1].startswith("median of a photograph from file to landmarks: 200 ms, of which finding 6 ms")
    with pytest.raises(RarError, match="no face of helen was found"):
        score.table([two], "helen", ())


def test_the_command(
    weights: Path, drawn: Path, finder: FaceFinder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--preset", "tiny", "--weights", weights, "--raw", drawn, "--set", "ibug", "--out", tmp_path]
    score.main([str(word) for word in words], standalone_mode=False)
    assert "given boxes, all faces" in capsys.readouterr().out and (tmp_path / "detect.md").is_file()
    with pytest.raises(RarError, match="no annotated faces under"):
        score.main([str(word) for word in (*words[:5], tmp_path, *words[6:])], standalone_mode=False)
