"""A weight file, read whole: every number in it has been seen, and found to be one, before Caffe sees any.

Caffe's two formats, told apart by what is in them: a caffemodel, and HDF5 (tools/model/half_precision.py). Caffe itself
ends the process at the first thing that it does not expect in one.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from layers.common.errors import RarError
from layers.quiet import caffe
from tools.model.checksums import expected_sha256

CONTENT = "content_sha256"  # attribute of an HDF5 file of ours: the checksum of what is in it
LARGEST = 2**31 - 1  # numbers in a blob, as in Caffe
_SIGNATURE = b"\x89HDF\r\n\x1a\n"

Blobs = dict[str, list[NDArray[np.float32]]]


@dataclass(frozen=True)
class Weights:
    """What a file holds: the blobs of each layer, by name, finite numbers all; sha256 of the file they are from."""

    path: Path
    sha256: str
    layers: Blobs

    def shapes(self, layer: str) -> list[tuple[int, ...]]:
        """Of the blobs of a layer; none when it is not in the file."""
        return [blob.shape for blob in self.layers.get(layer, [])]


def read_weights(path: Path) -> Weights:
    """The weights in a file.

    RarError when it is absent, empty, cut short, damaged or of another kind; when a number is not finite; and when a
    model card or a run's record beside it says that it is another file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RarError(f"no weights at {path} ({error.strerror}): train first, or give WEIGHTS=") from error
    if not content:
        raise RarError(f"{path} is empty, it holds no weights: copy it again")
    checksum = hashlib.sha256(content).hexdigest()
    expected = expected_sha256(path)
    if expected and expected.sha256 != checksum:
        raise RarError(
            f"{path} is not the file that {expected.said_by} is about (sha256 {checksum[:12]}, not "
            f"{expected.sha256[:12]}): copy it again, or move it away from there when it is another model"
        )
    layers = dict(_from_hdf5(path, content) if content.startswith(_SIGNATURE) else _from_caffemodel(path, content))
    if not any(layers.values()):
        raise RarError(f"{path} holds no weights: copy it again")
    for name, blobs in layers.items():
        if not all(np.isfinite(blob).all() for blob in blobs):
            raise RarError(f"{path}: a weight of {name} is not finite: copy it again, or train again")
    return Weights(path, checksum, layers)


def parsed(path: Path, content: bytes) -> Any:
    """The NetParameter of a caffemodel; RarError when it is none."""
    net = caffe.proto.caffe_pb2.NetParameter()
    if not parse(net, content):
        raise RarError(f"{path} is no caffemodel, or is cut short: copy it again")
    return net


def parse(message: Any, content: bytes) -> bool:
    """Read a message of protobuf; False when the bytes are none, to the last."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # protobuf's, of the bytes it has left
            return message.ParseFromString(content) == len(content)
    except DecodeError:
        return False


def _from_caffemodel(path: Path, content: bytes) -> Iterator[tuple[str, list[NDArray[np.float32]]]]:
    for layer in parsed(path, content).layer:
        yield layer.name, [_blob(path, layer.name, blob) for blob in layer.blobs]


def _blob(path: Path, layer: str, blob: Any) -> NDArray[np.float32]:
    if blob.HasField("shape") or not blob.HasField("num"):
        shape = tuple(blob.shape.dim)
    else:  # of a Caffe before 2014
        shape = (blob.num, blob.channels, blob.height, blob.width)
    values = np.array(blob.double_data, np.float32) if blob.double_data else _floats(blob)
    if min(shape, default=1) < 0 or math.prod(shape) != len(values):
        raise RarError(f"{path}: {layer} holds {len(values)} numbers for the shape {shape}: copy it again")
    return values.reshape(shape)


def _floats(blob: Any) -> NDArray[np.float32]:
    """The numbers of a BlobProto's `data`, from its packed form: one by one, 20 million would take seconds."""
    alone = type(blob)(data=blob.data).SerializeToString()
    return np.frombuffer(alone[len(alone) - 4 * len(blob.data) :], "<f4")


def _from_hdf5(path: Path, content: bytes) -> Blobs:
    try:
        with h5py.File(h5py.h5f.open_file_image(content)) as file:
            stored = file.attrs.get(CONTENT)
            layers = {name: [_array(layer[str(i)]) for i in range(len(layer))] for name, layer in file["data"].items()}
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, MemoryError) as error:
        said = " ".join(str(error).split())
        raise RarError(f"{path} is no weight file of Caffe, or is damaged ({said}): copy it again") from None
    if stored is not None and stored != content_sha256(layers):
        raise RarError(f"{path} is damaged, its checksum differs: copy it again")
    return layers


def _array(dataset: Any) -> NDArray[np.float32]:
    if dataset.dtype.kind != "f" or dataset.size > LARGEST:
        raise ValueError(f"{dataset.name} is {dataset.dtype} {dataset.shape}")
    return np.asarray(dataset[()], np.float32)


def content_sha256(layers: Blobs) -> str:
    """Checksum of names, shapes and numbers, whatever the order of the layers."""
    digest = hashlib.sha256()
    for name, blobs in sorted(layers.items()):
        for blob in blobs:
            digest.update(f"{name} {blob.shape} ".encode() + np.ascontiguousarray(blob, "<f4").tobytes())
    return digest.hexdigest()
