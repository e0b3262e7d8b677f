"""Messages between the server and its worker: bytes after their number, nothing that would have to be unpacked."""

from __future__ import annotations

import struct
from asyncio import StreamReader
from typing import BinaryIO

LENGTH = struct.Struct(">I")


def framed(message: bytes | bytearray) -> tuple[bytes, bytes | bytearray]:
    """What to send for a message, in two pieces: it may be large."""
    return LENGTH.pack(len(message)), message


def read(file: BinaryIO) -> bytes | None:
    """The next message; None at the end."""
    head = file.read(LENGTH.size)
    return file.read(*LENGTH.unpack(head)) if len(head) == LENGTH.size else None


async def receive(reader: StreamReader) -> bytes:
    """The next message; asyncio.IncompleteReadError when the other end is gone."""
    return await reader.readexactly(*LENGTH.unpack(await reader.readexactly(LENGTH.size)))
