"""Photographs, whole and broken."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from data_prep.containers import MOST_SCANS, fault
from data_prep.images import as_bytes, check_image, read_image, read_upright
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


@pytest.mark.parametrize("trailer", [b"\xff\xda", b"\0" * 80, b"IEND" * 20, b"\xff\xd8\xff\xda and \xff\xd9\xff\xda"])
def test_bytes_behind_the_end_are_nothing(photograph: Path, trailer: bytes) -> None:
    """As motion photos have."""
    whole = photograph.read_bytes()
    rng = np.random.default_rng(0)
    for more in (trailer, trailer + rng.bytes(100_000)):
        photograph.write_bytes(whole + more)
        assert read_image(photograph).shape == (140, 150, 3)
        photograph.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(RarError, match="truncated"):
            read_image(photograph)


def test_a_thumbnail_does_not_mislead(tmp_path: Path) -> None:
    whole = cv2.imencode(".jpg", draw(face_shape()))[1].tobytes()
    thumbnail = b"\xff\xe1\x00\x0a" + b"\xff\xd8\xff\xda\xff\xd9\0\0"
    assert fault(whole[:2] + thumbnail + whole[2:-2]) and not fault(whole[:2] + thumbnail + whole[2:])


@pytest.mark.parametrize("flags", [[cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 1]])
def test_every_way_to_write_a_jpeg_is_whole(flags: list[int]) -> None:
    whole = cv2.imencode(".jpg", draw(face_shape()), flags)[1].tobytes()
    assert fault(whole) is None
    assert all(fault(whole[:length]) for length in range(2, len(whole) - 1, 97))


def test_a_jpeg_of_endless_scans_is_refused(tmp_path: Path) -> None:
    """A few kilobytes that take minutes to decode."""
    whole = cv2.imencode(".jpg", draw(face_shape()), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last = whole.rindex(b"\xff\xda")
    (tmp_path / "a.jpg").write_bytes(whole[:last] + whole[last:-2] * MOST_SCANS + b"\xff\xd9")
    with pytest.raises(RarError, match="a.jpg: a JPEG of more than 100 scans"):
        read_image(tmp_path / "a.jpg")


def test_a_flipped_bit_in_a_png_is_told_by_its_checksum(tmp_path: Path) -> None:
    whole = bytearray(cv2.imencode(".png", draw(face_shape()))[1].tobytes())
    whole[len(whole) // 2] ^= 1
    (tmp_path / "a.png").write_bytes(whole)
    with pytest.raises(RarError, match="a.png: damaged, the checksum of its part IDAT is wrong"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_every_kind(kind: str, orientation: int, tmp_path: Path) -> None:
    image = np.zeros((32, 48, 3), np.uint8)
    image[:16, :16] = 255
    image[16:, :16] = 120
    picture = Pillow.fromarray(image)
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.png", exif=exif)
    with Pillow.open(tmp_path / "a.png") as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored))
    picture.save(tmp_path / "a", kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    assert np.abs(read_upright(tmp_path / "a").astype(int) - upright).max() < 20


@pytest.mark.parametrize(("bits", "name"), [(8, "a.png"), (10, "a.png"), (12, "a.tif"), (14, "a.png"), (16, "a.tif")])
def test_fewer_bits_in_a_file_of_16(bits: int, name: str, tmp_path: Path) -> None:
    image = draw(face_shape())
    image[0, 0] = 255
    cv2.imwrite(str(tmp_path / name), image.astype(np.uint16) << (bits - 8))
    np.testing.assert_array_equal(read_upright(tmp_path / name), image)


@pytest.mark.parametrize("top", [1, 255])
def test_fractions(top: int, tmp_path: Path) -> None:
    image = draw(face_shape())
    cv2.imwrite(str(tmp_path / "a.tif"), np.float32(image / 255 * top))
    np.testing.assert_allclose(read_upright(tmp_path / "a.tif"), image, atol=8)  # OpenCV writes them so


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 3000), (0, np.nan)])
def test_a_range_that_is_none_is_named(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="its values go from .* to .*, not from 0 to 1 or 255"):
        as_bytes(np.array([[low, high]], np.float32))


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    for path in (tmp_path / "a.jpg", Path("/dev/zero"), tmp_path):
        with pytest.raises(RarError, match="a folder or a device, not a file"):
            read_image(path)


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
