"""What a video file is, by its first bytes, and whether it has been cut short, by what it says of its own length.

Neither is a guess: files of other forms, such as lists that name other files and addresses, are never handed to FFmpeg,
and a whole file is never called cut. MP4 and its kin, AVI, Matroska and WebM and WMV say how long they are, MPEG-TS how
long its packets are. FLV and MPEG-PS say neither; there the last packet tells, if it is cut itself
(tools/detect/video_files.py).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

BOXES = {b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"sidx", b"mfra", b"meta", b"styp", b"pnot",
         b"udta"}  # fmt: skip
SEGMENT, CLUSTER = 0x18538067, 0x1F43B675  # of Matroska: what holds the rest, and what holds the pictures
START = 1500  # bytes by which a file is known: some packets of MPEG-TS
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # its object with the properties of the file
TS_PACKETS = {188: 0, 192: 4}  # bytes of a packet, and where in it its mark is: of broadcasts, of camcorders


class Container(NamedTuple):
    """FFmpeg's name for the form of a video file, and whether it has been cut short; False where none can tell."""

    form: str
    cut: bool


def container(path: Path) -> Container | None:
    """What kind of video a file is by its first bytes; None when it is none. OSError as reading."""
    with path.open("rb") as file:
        start = file.read(START)
        size = file.seek(0, 2)
        for form, known, check in FORMS:
            if known(start):
                return Container(form, bool(check and check(file, size)))
    return None


def _boxes(file: BinaryIO, size: int) -> bool:
    """Boxes one after the other: length (32 bits, or 1 and then 64), kind. A length of 0 is to the end of the file."""
    place = 0
    while place + 8 <= size:
        length, kind, header = *struct.unpack(">I4s", _read(file, place, 8)), 8
        if length == 1 and place + 16 <= size:
            (length,), header = struct.unpack(">Q", _read(file, place + 8, 8)), 16
        if kind not in BOXES or length < header:
            return False  # something else behind the video, or a length of 0
        place += length
    return place > size


def _riff(file: BinaryIO, size: int) -> bool:
    """RIFF, length of what follows; recorders that were interrupted leave 0."""
    return struct.unpack("<I", _read(file, 4, 4))[0] + 8 > size


def _matroska(file: BinaryIO, size: int) -> bool:
    """Elements: identity, length, content. Those of unknown length are gone through."""
    place = 0
    while place < size:
        head = _read(file, place, 12)
        identity = _number(head, marked=True)
        length = _number(head[identity[1] :], marked=False) if identity else None
        if identity is None or length is None:
            return place + len(head) >= size  # cut within a head, or no Matroska at all
        place += identity[1] + length[1]
        if length[0] == (1 << 7 * length[1]) - 1 and identity[0] in (SEGMENT, CLUSTER):
            continue
        place += length[0]
    return place > size


def _number(head: bytes, *, marked: bool) -> tuple[int, int] | None:
    """A number of variable length and its length in bytes; None when the bytes end before it, or are none."""
    length = 9 - head[0].bit_length() if head else 9
    if length > min(8, len(head)):
        return None
    value = int.from_bytes(head[:length], "big")
    return (value if marked else value & ((1 << 7 * length) - 1)), length


def _asf(file: BinaryIO, size: int) -> bool:
    """The size that the header's object of file properties states; a broadcast states none."""
    head = _read(file, 0, 1 << 16)
    place = head.find(ASF_FILE)
    if place < 0 or place + 92 > len(head):
        return place < 0 and size < 1 << 16
    (stated,), (flags,) = struct.unpack_from("<Q", head, place + 40), struct.unpack_from("<I", head, place + 88)
    return not flags & 1 and stated > size


def _packet(start: bytes) -> int | None:
    """The length of MPEG-TS's packets, each of which has its mark; None for all else."""
    found = (length for length, mark in TS_PACKETS.items() if set(start[mark::length]) == {ord("G")})
    return next(found, None) if len(start) > min(TS_PACKETS) else None


def _transport(file: BinaryIO, size: int) -> bool:
    """Packets of one length."""
    return size % (_packet(_read(file, 0, START)) or size) > 0


def _read(file: BinaryIO, place: int, length: int) -> bytes:
    file.seek(place)
    return file.read(length)


Known = Callable[[bytes], bool]
Check = Callable[[BinaryIO, int], bool]
FORMS: tuple[tuple[str, Known, Check | None], ...] = (
    ("mp4", lambda start: start[4:8] in BOXES, _boxes),
    ("avi", lambda start: start[:4] == b"RIFF" and start[8:12] == b"AVI ", _riff),
    ("matroska", lambda start: start[:4] == b"\x1aE\xdf\xa3", _matroska),
    ("asf", lambda start: start.startswith(ASF_HEADER), _asf),
    ("flv", lambda start: start[:3] == b"FLV", None),
    ("mpeg", lambda start: start[:4] == b"\x00\x00\x01\xba", None),
    ("mpegvideo", lambda start: start[:4] == b"\x00\x00\x01\xb3", None),
    ("mpegts", lambda start: _packet(start) is not None, _transport),
)
