"""Landmark files, well-formed and broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_prep.pts import read_points, write_points
from layers.common.errors import RarError

POINTS = np.array([(1.0, 2.0), (3.5, 4.25), (-0.5, 6.0)])
HEADER = "version: 1\nn_points:  3\n{\n1 2\n3.5 4.25\n-0.5 6\n}\n"


@pytest.mark.parametrize(
    "text",
    [
        HEADER,
        "1 2\n3.5 4.25\n-0.5 6\n",
        "\ufeff" + HEADER,
        HEADER.replace("\n", "\r\n"),
        "1, 2\n3.5, 4.25\n\n  -0.5\t6  ",
        "version: 1\n{\n1e0 2\n3.5 4.25\n-0.5 6}",
    ],
    ids=["header", "bare", "byte order mark", "windows", "commas", "no count"],
)
def test_reads_one_based_points_as_zero_based(tmp_path: Path, text: str) -> None:
    path = tmp_path / "face.pts"
    path.write_bytes(text.encode())
    np.testing.assert_allclose(read_points(path, 3), POINTS - 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEADER.replace("3.5 4.25\n", ""), "2 points, not 3"),
        (HEADER.replace("n_points:  3", "n_points: 4"), "4 points, not 3"),
        (HEADER.replace("4.25", "nan"), "not a number under 1,000,000"),
        (HEADER.replace("4.25", "inf"), "not a number under 1,000,000"),
        (HEADER.replace("}", ""), "cut short"),
        (HEADER.replace("4.25", ""), "not a list of x y pairs"),
        (HEADER.replace("4.25", "left"), "not a list of x y pairs"),
        ("", "not a list of x y pairs"),
    ],
)
def test_names_file_and_fault(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "face.pts"
    path.write_text(text)
    with pytest.raises(RarError, match=words) as error:
        read_points(path, 3)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00\x01"], ids=["missing", "binary"])
def test_unreadable(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "face.pts"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RarError, match="unreadable"):
        read_points(path, 3)


def test_round_trip(tmp_path: Path) -> None:
    shape = np.random.default_rng(0).uniform(-5, 400, (68, 2))
    write_points(tmp_path / "face.pts", shape)
    np.testing.assert_allclose(read_points(tmp_path / "face.pts", 68), shape, atol=1e-4)
