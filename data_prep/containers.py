"""What the bytes of a picture's file say before they are decoded: whole or not, worth decoding or not."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from io import BytesIO

import PIL.Image

JPEG, PNG, RIFF = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF"
MOST_SCANS = 100  # of a JPEG; a progressive one has about ten, and each costs as much as a whole picture
_ORIENTATION = 0x0112
_START_OF_SCAN, _END = 0xDA, 0xD9
# Those with a length, and the end: neither a stuffed ff nor a restart.
_MARKER = re.compile(rb"\xff+([^\x00\xff\x01\xd0-\xd8])", re.DOTALL)


def fault(stored: bytes) -> str | None:
    """What is wrong with a JPEG or PNG, which decoders pass over: they fill what is missing with grey and say nothing.

    None for one that is whole, whatever follows its end, and for files of other kinds.
    """
    if stored.startswith(JPEG):
        return _fault_of_jpeg(stored)
    if stored.startswith(PNG):
        return _fault_of_png(stored)
    return None


def webp_orientation(stored: bytes) -> int:
    """1 to 8 as Exif has it, where OpenCV turns nothing: of a WebP; 1 for all else."""
    if not stored.startswith(RIFF):
        return 1
    try:
        with PIL.Image.open(BytesIO(stored), formats=["WEBP"]) as header:
            return int(header.getexif().get(_ORIENTATION, 1))
    except Exception:  # of a damaged tag, Pillow lets whatever it stumbles over through
        return 1


def _fault_of_jpeg(stored: bytes) -> str | None:
    """From marker to marker to the picture's own end: a thumbnail in it, or bytes behind it, have marks as well."""
    at, scans = len(JPEG), 0
    while found := _MARKER.search(stored, at):
        marker, at = found[1][0], found.end()
        if marker == _END:
            return None if scans else "truncated, the file has no picture data"
        at += int.from_bytes(stored[at : at + 2], "big")
        scans += marker == _START_OF_SCAN
        if scans > MOST_SCANS:
            return f"a JPEG of more than {MOST_SCANS} scans, which takes minutes"
    return "truncated, the file has no end mark"


def _fault_of_png(stored: bytes) -> str | None:
    """The checksum of every part that matters for the pixels, to the last."""
    for kind, content, checksum in _parts(stored):
        if kind[:1].isupper() and zlib.crc32(kind + content) != checksum:
            return f"damaged, the checksum of its part {kind.decode('ascii', 'replace')} is wrong"
        if kind == b"IEND":
            return None
    return "truncated, the file has no end mark"


def _parts(stored: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Name, content and checksum of every whole chunk of a PNG."""
    at = len(PNG)
    while at + 12 <= len(stored):
        end = at + 8 + int.from_bytes(stored[at : at + 4], "big")
        if end + 4 > len(stored):
            return
        yield stored[at + 4 : at + 8], stored[at + 8 : end], int.from_bytes(stored[end : end + 4], "big")
        at = end + 4
