"""Photographs, whole and broken."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.images import check_image, is_truncated, read_image
from layers.common.errors import RarError
from tests.data_prep.conftest import draw, face_shape

# An EXIF segment that says "turn by 90 degrees".
EXIF = (
    b"\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    b"\x00\x00\x00\x00"
)


@pytest.fixture(params=[".jpg", ".png"])
def photograph(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / f"photograph{request.param}"
    cv2.imwrite(str(path), draw(face_shape()))
    return path


def test_reads_colour(photograph: Path) -> None:
    assert read_image(photograph).shape == (140, 150, 3)
    np.testing.assert_allclose(check_image(photograph), (150, 140), atol=8)


@pytest.mark.parametrize("part", [0.3, 0.9, 0.999])
def test_truncated(photograph: Path, part: float) -> None:
    whole = photograph.read_bytes()
    photograph.write_bytes(whole[: int(part * len(whole))])
    for read in (read_image, check_image):
        with pytest.raises(RarError, match="truncated") as error:
            read(photograph)
        assert str(photograph) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
def test_no_image(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photograph.jpg"
    path.write_bytes(content)
    with pytest.raises(RarError, match="no image"):
        read_image(path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(RarError, match="unreadable"):
        read_image(tmp_path / "gone.jpg")


def test_trailing_bytes_and_thumbnails_do_not_mislead(photograph: Path) -> None:
    whole = photograph.read_bytes()
    assert not is_truncated(whole + b"\0" * 20)
    if photograph.suffix == ".jpg":
        thumbnail = b"\xff\xe1\x00\x0a" + b"\xff\xd8\xff\xda\xff\xd9\0\0"
        assert is_truncated(whole[:2] + thumbnail + whole[2:-2])
        assert not is_truncated(whole[:2] + thumbnail + whole[2:])


def test_grey_photograph_becomes_three_channels(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), np.full((20, 30), 77, np.uint8))
    assert read_image(path).shape == (20, 30, 3)


def test_orientation_tag_turns_nothing(tmp_path: Path) -> None:
    """The annotation counts pixels as stored."""
    path = tmp_path / "turned.jpg"
    cv2.imwrite(str(path), draw(face_shape()))
    stored = path.read_bytes()
    path.write_bytes(stored[:2] + EXIF + stored[2:])
    assert cv2.imread(str(path)).shape == (150, 140, 3)  # the tag is a real one
    assert read_image(path).shape == (140, 150, 3)
