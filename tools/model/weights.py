"""Weights into a net, after a check that they are meant for it, and out of one without repeats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layers.common.errors import RarError
from layers.common.files import finished_file
from layers.quiet import caffe
from tools.model.weight_file import Weights, parsed

SAMPLES = "_samples"  # layers whose only blob is the place in the data


def owners(net: Any) -> Iterator[tuple[str, list[Any]]]:
    """The layers of a net that own weights, by name, with their blobs; layers that share another's are left out."""
    seen: set[int] = set()
    for name, blobs in net.params.items():
        addresses = {blob.data.__array_interface__["data"][0] for blob in blobs}
        if not addresses <= seen:
            yield name, list(blobs)
        seen |= addresses


def check_weights(net: Any, stored: Weights, names: tuple[str, ...] = ("",)) -> None:
    """RarError unless every layer that owns weights (and whose name starts with one of `names`) has them in the file.

    Caffe itself skips what it does not find, and would test a net of random weights without a word.
    """
    for name, blobs in owners(net):
        if name.endswith(SAMPLES) or not name.startswith(names):
            continue
        found, wanted = stored.shapes(name), shapes_of(blobs)
        if not found:
            raise RarError(f"{stored.path} has no weights for the layer {name}: it is for another net")
        if found != wanted:
            raise RarError(f"{stored.path}: {name} is {found}, the net wants {wanted}: it is for another net")


def load_weights(net: Any, stored: Weights, names: tuple[str, ...] = ("",), leave: tuple[str, ...] = ()) -> list[str]:
    """Check weights against a net, then copy them into it.

    Layers that do not fit, when their names start with none of `names`, and those whose names start with one of `leave`
    keep what they have; returns their names, but for a place in the data.
    """
    check_weights(net, stored, names)
    kept = []
    for name, blobs in owners(net):
        if (leave and name.startswith(leave)) or stored.shapes(name) != shapes_of(blobs):
            kept.append(name)
            continue
        for blob, values in zip(blobs, stored.layers[name], strict=True):
            blob.data[...] = values
    return [name for name in kept if name in stored.layers and not name.endswith(SAMPLES)]


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
    stored = parsed(path, path.read_bytes())
    owning = {name for name, _ in owners(net)}
    repeats = [i for i, layer in enumerate(stored.layer) if layer.blobs and layer.name not in owning]
    for i in reversed(repeats):
        del stored.layer[i]
    with finished_file(path, durable=True) as part:
        part.write_bytes(stored.SerializeToString())
