"""Caffe's Datum message on the wire, so that prepared data can be written and read before Caffe is built.

Fields of `Datum` in caffe.proto (proto2): channels 1, height 2, width 3, data 4, label 5, float_data 6, encoded 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from layers.common.errors import RarError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DATA = 4
_NUMBERS = {1: "channels", 2: "height", 3: "width", 5: "label", 7: "encoded"}


@dataclass(frozen=True)
class Datum:
    """One image as Caffe's `Data` layer reads it; `data` is the whole JPEG file when `encoded`."""

    channels: int
    height: int
    width: int
    data: bytes
    label: int = 0
    encoded: bool = True


def encode(datum: Datum) -> bytes:
    """Serialise, byte for byte as protobuf does (fields in order of their numbers)."""
    head = b"".join(_field(n, getattr(datum, _NUMBERS[n])) for n in (1, 2, 3))
    data = _varint(_DATA << 3 | _BYTES) + _varint(len(datum.data)) + datum.data
    return head + data + _field(5, datum.label) + _field(7, int(datum.encoded))


def decode(message: bytes) -> Datum:
    """Parse; fields that images do not use (float_data) are passed over. RarError when it is not a Datum."""
    numbers, data = dict.fromkeys(_NUMBERS.values(), 0), b""
    try:
        for field, value in _fields(message):
            if field == _DATA and isinstance(value, bytes):
                data = value
            elif field in _NUMBERS and isinstance(value, int):
                numbers[_NUMBERS[field]] = value
    except (IndexError, ValueError) as error:
        raise RarError(f"not a Caffe Datum: {error}") from None
    encoded = bool(numbers.pop("encoded"))
    return Datum(**numbers, data=data, encoded=encoded)


def _field(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # protobuf writes a negative int32 as ten bytes
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return (value - (1 << 64) if value >> 63 else value), at
        if shift > 63:
            raise ValueError("a number of more than ten bytes")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value: int | bytes
            value, at = _read_varint(message, at)
        else:
            if kind == _BYTES:
                length, at = _read_varint(message, at)
            elif kind in (_FIXED32, _FIXED64):
                length = 4 if kind == _FIXED32 else 8
            else:
                raise ValueError(f"wire type {kind}")
            if length < 0 or at + length > len(message):
                raise ValueError("cut short")
            value, at = message[at : at + length], at + length
        yield key >> 3, value
