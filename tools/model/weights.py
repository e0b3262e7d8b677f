"""Weight files: loading one into a net after a check that it is meant for that net, and writing one without repeats."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
from google.protobuf.message import DecodeError

from layers.common.errors import RarError
from layers.common.files import finished_file
from layers.quiet import caffe

SAMPLES = "_samples"  # layers whose only blob is the place in the data


def read_weights(path: Path) -> Any:
    """The NetParameter of a caffemodel; RarError when it is absent, damaged or empty."""
    net = caffe.proto.caffe_pb2.NetParameter()
    try:
        net.ParseFromString(path.read_bytes())
    except OSError as error:
        raise RarError(f"no weights at {path} ({error.strerror}): train first, or give WEIGHTS=") from error
    except DecodeError as error:
        raise RarError(f"{path} is no caffemodel, or is cut short: copy it again") from error
    if not any(layer.blobs for layer in net.layer):
        raise RarError(f"{path} holds no weights: copy it again")
    return net


def stored_shapes(path: Path) -> dict[str, list[tuple[int, ...]]]:
    """The shapes of the weights in a file, by layer; RarError when it is absent, damaged or empty.

    Caffe's two formats: a caffemodel, and HDF5 (tools/model/half_precision.py), told apart by what is in them.
    """
    if not path.is_file() or not h5py.is_hdf5(path):
        return {layer.name: [tuple(blob.shape.dim) for blob in layer.blobs] for layer in read_weights(path).layer}
    try:
        with h5py.File(path) as file:
            layers = {name: [layer[str(i)] for i in range(len(layer))] for name, layer in file["data"].items()}
            return {name: [blob.shape for blob in blobs] for name, blobs in layers.items()}
    except (OSError, KeyError) as error:
        raise RarError(f"{path} is no weight file of Caffe, or is cut short ({error}): copy it again") from error


def owners(net: Any) -> Iterator[tuple[str, list[Any]]]:
    """The layers of a net that own weights, by name, with their blobs; layers that share another's are left out."""
    seen: set[int] = set()
    for name, blobs in net.params.items():
        addresses = {blob.data.__array_interface__["data"][0] for blob in blobs}
        if not addresses <= seen:
            yield name, list(blobs)
        seen |= addresses


def check_weights(net: Any, path: Path, names: tuple[str, ...] = ("",)) -> None:
    """RarError unless every layer that owns weights (and whose name starts with one of `names`) has them in the file.

    Caffe itself skips what it does not find, and would test a net of random weights without a word.
    """
    stored = stored_shapes(path)
    for name, blobs in owners(net):
        if name.endswith(SAMPLES) or not name.startswith(names):
            continue
        shapes = shapes_of(blobs)
        if not stored.get(name):
            raise RarError(f"{path} has no weights for the layer {name}: it is for another net")
        if stored[name] != shapes:
            raise RarError(f"{path}: {name} is {stored[name]}, the net wants {shapes}: it is for another net")


def load_weights(net: Any, path: Path, names: tuple[str, ...] = ("",), leave: tuple[str, ...] = ()) -> list[str]:
    """Check, then copy, the weights of a file into a net.

    Layers that do not fit, when their names start with none of `names`, and those whose names start with one of `leave`
    keep what they have; returns their names, but for a place in the data.
    """
    check_weights(net, path, names)
    stored = stored_shapes(path)
    misfits = [
        name
        for name, blobs in net.params.items()
        if name in stored and (name.startswith(leave) or stored[name] != shapes_of(blobs))
    ]
    if not misfits:
        net.copy_from(str(path))
        return []
    with tempfile.TemporaryDirectory() as folder:  # Caffe would end the process at the first layer of another size
        fitting = Path(folder, path.name)
        _copy_without(path, misfits, fitting)
        net.copy_from(str(fitting))
    return [name for name, _ in owners(net) if name in misfits and not name.endswith(SAMPLES)]


def _copy_without(path: Path, layers: list[str], to: Path) -> None:
    """A copy of a weight file without some of its layers."""
    if h5py.is_hdf5(path):
        shutil.copyfile(path, to)
        with h5py.File(to, "r+") as file:
            for name in layers:
                del file["data"][name]
        return
    weights = read_weights(path)
    for i in reversed(range(len(weights.layer))):
        if weights.layer[i].name in layers:
            del weights.layer[i]
    to.write_bytes(weights.SerializeToString())


def shapes_of(blobs: list[Any]) -> list[tuple[int, ...]]:
    """The blobs' shapes."""
    return [tuple(blob.shape) for blob in blobs]


def save_weights(net: Any, path: Path) -> None:
    """Write the weights of a net without those of layers that share another's: Caffe's own `save` repeats these."""
    stored = caffe.proto.caffe_pb2.NetParameter()
    for name, blobs in owners(net):
        layer = stored.layer.add(name=name, type=net.layer_dict[name].type)
        for blob in blobs:
            layer.blobs.add(shape={"dim": blob.shape}, data=blob.data.ravel())
    with finished_file(path) as part:
        part.write_bytes(stored.SerializeToString())


def drop_repeats(path: Path, net: Any) -> None:
    """Rewrite a caffemodel of `net` without the layers that share their blobs: Caffe writes those of an LSTM T times.

    The layers go, not their blobs alone: Caffe passes over a layer that is not in the file, but dies of an empty one.
    """
    stored = read_weights(path)
    owning = {name for name, _ in owners(net)}
    repeats = [i for i, layer in enumerate(stored.layer) if layer.blobs and layer.name not in owning]
    for i in reversed(repeats):
        del stored.layer[i]
    with finished_file(path) as part:
        part.write_bytes(stored.SerializeToString())
