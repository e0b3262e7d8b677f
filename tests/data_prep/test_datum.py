"""Our Datum codec against Caffe's own message class."""

from __future__ import annotations

import numpy as np
import pytest

from layers.common.datum import Datum, decode, encode
from layers.common.errors import RarError

EXAMPLES = [
    Datum(3, 256, 256, bytes(range(256)) * 40, 31479, True),
    Datum(3, 1, 1, b"", 0, False),
    Datum(1, 2, 300000, b"\xff" * 127, -5, True),
    Datum(3, 128, 128, b"\0" * 128, 2**31 - 1, True),
]


@pytest.mark.parametrize("datum", EXAMPLES)
def test_round_trip(datum: Datum) -> None:
    assert decode(encode(datum)) == datum


@pytest.mark.parametrize("datum", EXAMPLES)
def test_same_bytes_as_caffe(datum: Datum) -> None:
    message_class = pytest.importorskip("caffe.proto.caffe_pb2", reason="Caffe is not built").Datum
    message = message_class(
        channels=datum.channels, height=datum.height, width=datum.width, data=datum.data, label=datum.label,
        encoded=datum.encoded,
    )  # fmt: skip
    assert encode(datum) == message.SerializeToString()


@pytest.mark.parametrize("packed", [False, True])
def test_passes_over_fields_of_no_use(packed: bool) -> None:
    message_class = pytest.importorskip("caffe.proto.caffe_pb2", reason="Caffe is not built").Datum
    message = message_class(channels=3, height=4, width=5, data=b"abc", label=7, float_data=[1.5, -2.0])
    stored = message.SerializeToString()
    if packed:  # as newer protobuf would write it
        floats = b"\x35" + np.float32(1.5).tobytes() + b"\x35" + np.float32(-2).tobytes()
        assert floats in stored
        stored = stored.replace(floats, b"\x32\x08" + floats[1:5] + floats[6:])
    assert decode(stored) == Datum(3, 4, 5, b"abc", 7, False)


@pytest.mark.parametrize(
    "message",
    [encode(EXAMPLES[0])[:-100], encode(EXAMPLES[0])[:3], b"\x0f\x00", b"\x08" + b"\xff" * 12, b"\x22\xff\xff\xff\x0f"],
    ids=["cut short", "cut shorter", "group", "endless number", "length beyond the end"],
)
def test_broken_messages(message: bytes) -> None:
    with pytest.raises(RarError, match="not a Caffe Datum"):
        decode(message)
