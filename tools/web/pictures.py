"""A visitor's picture: from a file that nobody has looked at to pixels, in memory only and within limits."""

from __future__ import annotations

from io import BytesIO

import PIL.Image

from data_prep.images import Image, decode_upright
from layers.common.errors import RarError
from tools.web.limits import FORMATS, KINDS, MOST_BYTES, MOST_PIXELS

PIL.Image.MAX_IMAGE_PIXELS = None  # Pillow reads nothing but headers here; the limit is ours
PIL.Image.init()  # else it looks for its parsers on the disk at the first file that is none of the common kinds


def open_picture(name: str, stored: bytes) -> Image:
    """The picture (H, W, 3) BGR in the file `stored`, upright, 8 bits. RarError with a sentence for the visitor.

    The size is looked up in the header first, so that a small file of a huge picture is never unpacked.
    """
    if not stored:
        raise RarError(f"{name} is empty: choose another file")
    if len(stored) > MOST_BYTES:
        raise RarError(f"{name} has more than {MOST_BYTES >> 20} MB: make the picture smaller")
    width, height = _size(name, stored)
    if width * height > MOST_PIXELS:
        most = MOST_PIXELS // 1_000_000
        raise RarError(f"{name} has {width} x {height} pixels, more than {most} million: make the picture smaller")
    return decode_upright(stored, name)


def _size(name: str, stored: bytes) -> tuple[int, int]:
    try:
        with PIL.Image.open(BytesIO(stored), formats=[kind.upper() for kind in FORMATS]) as header:
            return header.size
    except Exception:  # Pillow lets whatever its parsers stumble over through
        raise RarError(f"{name} is no picture that can be read here: choose a {KINDS} file") from None
