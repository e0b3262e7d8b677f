"""Picture files of every kind that a visitor may send: good, odd, broken, hostile."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from zipfile import ZipFile

import numpy as np
import PIL.Image
import skimage.data

FACE = skimage.data.astronaut()  # (512, 512, 3) RGB, one face
ORIENTATION = 0x0112  # Exif's tag
NO_PICTURE = "is no picture that can be read here: choose a JPEG, PNG, WebP, BMP or TIFF file."


def stored(picture: PIL.Image.Image, kind: str, **options: object) -> bytes:
    """The file of a picture."""
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def jpeg(image: np.ndarray) -> bytes:
    """The JPEG file of an image (H, W, 3) RGB."""
    return stored(PIL.Image.fromarray(image), "JPEG", quality=95)


def rotated() -> bytes:
    """Stored lying on its side, with the orientation tag that says so."""
    picture = PIL.Image.fromarray(FACE).rotate(90, expand=True)
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 6  # turn clockwise to see it upright
    return stored(picture, "JPEG", quality=95, exif=exif.tobytes())


def deep() -> bytes:
    """PNG of 16 bits a channel, which Pillow cannot write."""
    rows = FACE.astype(">u2") * 257
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    return png(FACE.shape[1], FACE.shape[0], depth=16, colour=2, lines=lines)


def bomb(side: int = 30_000) -> bytes:
    """PNG of 900 million pixels in half a megabyte."""
    return png(side, side, depth=1, colour=0, lines=bytes(side * (side // 8 + 1)))


def png(width: int, height: int, depth: int, colour: int, lines: bytes) -> bytes:
    """A PNG file of its filtered lines."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(lines, 1)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def many_scans(scans: int = 95, side: int = 6300) -> bytes:
    """Progressive JPEG of a grey picture whose last scan is repeated: small, lawful, and slow to open.

    OpenCV refuses more than a hundred scans, and the page more pixels.
    """
    picture = stored(PIL.Image.new("L", (side, side), 128), "JPEG", progressive=True, quality=50)
    last = picture.rindex(b"\xff\xda")
    return picture[:last] + picture[last:-2] * scans + picture[-2:]


def archive() -> bytes:
    file = BytesIO()
    with ZipFile(file, "w") as made:
        made.writestr("face.jpg", jpeg(FACE))
    return file.getvalue()


def good() -> dict[str, bytes]:
    """Files by name; the face of FACE, at its place, is to be found in each."""
    face = PIL.Image.fromarray(FACE)
    return {
        "colour.jpg": jpeg(FACE),
        "grey.png": stored(face.convert("L"), "PNG"),
        "deep.png": deep(),
        "deep_grey.tif": stored(PIL.Image.fromarray(np.asarray(face.convert("L")).astype(np.uint16) * 257), "TIFF"),
        "rgba.png": stored(face.convert("RGBA"), "PNG"),
        "palette.png": stored(face.quantize(256), "PNG"),
        "cmyk.jpg": stored(face.convert("CMYK"), "JPEG", quality=95),
        "rotated.jpg": rotated(),
        "web.webp": stored(face, "WEBP", quality=95),
        "plain.bmp": stored(face, "BMP"),
        "no suffix": stored(face, "PNG"),
    }


def bad() -> dict[str, tuple[bytes, str]]:
    """Files by name and what the page says of each."""
    face = PIL.Image.fromarray(FACE)
    whole, webp = jpeg(FACE), stored(face, "WEBP")
    return {
        "notes.jpg": (b"no picture at all\n" * 40, NO_PICTURE),
        "archive.png": (archive(), NO_PICTURE),
        "moving.gif": (stored(face, "GIF"), NO_PICTURE),
        "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', NO_PICTURE),
        "<b>bold<b>.jpg": (b"x", NO_PICTURE),
        "empty.jpg": (b"", "is empty: choose another file."),
        "cut.jpg": (whole[: len(whole) // 2], "truncated, the file has no end mark: replace it."),
        "cut.png": (deep()[:5000], "truncated, the file has no end mark: replace it."),
        "cut.webp": (webp[: len(webp) // 2], NO_PICTURE),
        "head.jpg": (whole[:20], NO_PICTURE),
        "bomb.png": (bomb(), "has 30000 x 30000 pixels, more than 40 million: make the picture smaller."),
        "large.jpg": (whole + bytes(20 << 20), "has more than 20 MB: make the picture smaller."),
        "grey.jpg": (stored(PIL.Image.new("L", (200, 200), 128), "JPEG"), "No face was found in grey.jpg"),
        "dot.png": (stored(PIL.Image.new("L", (1, 1)), "PNG"), "No face was found in dot.png"),
        "thread.png": (stored(PIL.Image.new("L", (60_000, 5)), "PNG"), "No face was found in thread.png"),
    }
