"""Convolutions in and out of a .caffemodel, through Caffe's own protocol buffers."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from layers.common.errors import RarError
from layers.common.files import finished_file
from tools.model.vgg19 import CONVOLUTIONS, KERNEL, Convolutions


def _caffe_pb2() -> ModuleType:
    """Caffe's message types; RarError when pycaffe is not on the path."""
    try:
        from caffe.proto import caffe_pb2
    except ImportError as error:
        raise RarError(f"cannot import caffe ({error}): make caffe, then export what make env prints") from error
    return caffe_pb2


def read_convolutions(path: Path) -> Convolutions:
    """The sixteen convolutions of a caffemodel that names them conv1_1 ... conv5_4, other layers ignored.

    Reads both the present layer messages and those of Caffe before 2015, in which the original
    VGG_ILSVRC_19_layers.caffemodel is written. RarError on a missing, unreadable or different file.
    """
    net = _caffe_pb2().NetParameter()
    try:
        net.ParseFromString(path.read_bytes())
    except OSError as error:
        raise RarError(f"cannot read {path} ({error.strerror}): give a VGG-19 caffemodel as VGG19=FILE") from error
    except DecodeError as error:
        raise RarError(f"{path} is not a caffemodel, or is cut short: fetch it again") from error
    layers = {layer.name: layer for layer in (*net.layer, *net.layers)}
    missing = [name for name in CONVOLUTIONS if name not in layers]
    if missing:
        raise RarError(f"{path} has no layer {missing[0]}: VGG19=FILE must name VGG-19's layers conv1_1 ... conv5_4")
    return {name: _convolution(path, layers[name]) for name in CONVOLUTIONS}


def _convolution(path: Path, layer: Any) -> tuple[Any, Any]:
    shape = (*CONVOLUTIONS[layer.name], KERNEL, KERNEL)
    sizes = [int(np.prod(shape)), shape[0]]
    blobs = [np.array(blob.data or blob.double_data, dtype=np.float32) for blob in layer.blobs]
    if [blob.size for blob in blobs] != sizes:
        found = [blob.size for blob in blobs]
        raise RarError(f"{path}: {layer.name} holds {found} numbers, VGG-19 has {sizes}: give a VGG-19 caffemodel")
    return blobs[0].reshape(shape), blobs[1]


def write_convolutions(path: Path, convolutions: Convolutions) -> None:
    """Write a NetParameter whose Convolution layers carry weights (out, in, 3, 3) and biases (out,); atomic.

    `caffe train -weights` copies them by layer name. The file depends on nothing but the numbers.
    """
    net = _caffe_pb2().NetParameter(name="VGG19_convolutions")
    for name, (weights, biases) in convolutions.items():
        layer = net.layer.add(name=name, type="Convolution")
        layer.convolution_param.num_output = weights.shape[0]
        layer.convolution_param.kernel_size.append(KERNEL)
        layer.convolution_param.pad.append(KERNEL // 2)
        for values in (weights, biases):
            blob = layer.blobs.add()
            blob.shape.dim.extend(values.shape)
            blob.data.extend(values.ravel().tolist())
    with finished_file(path) as part:
        part.write_bytes(net.SerializeToString())
