"""What our build of Caffe does at the border to Python: its lock, and the life of layers."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import Any

import caffe
import numpy as np
import pytest
from caffe.proto import caffe_pb2
from google.protobuf import text_format

from tools.model.caffe_net import net_from

LIVING: weakref.WeakSet[Any] = weakref.WeakSet()


class Witness(caffe.Layer):
    """A layer that is known while it lives."""

    def setup(self, bottom: Any, top: Any) -> None:
        LIVING.add(self)

    def reshape(self, bottom: Any, top: Any) -> None:
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom: Any, top: Any) -> None:
        if bottom[0].data[0] < 0:
            raise ValueError("below zero")
        top[0].data[...] = bottom[0].data


WITNESS = """
input: "x" input_shape { dim: 1 }
layer { name: "y" type: "Python" bottom: "x" top: "y" python_param { module: "%s" layer: "Witness" } }
"""


class Counted(Witness):
    """A layer that counts its reshapes, and says that they depend on nothing but the size of its bottom."""

    reshapes_once = True
    reshapes = 0

    def reshape(self, bottom: Any, top: Any) -> None:
        Counted.reshapes += 1
        super().reshape(bottom, top)


def net_of(text: str) -> Any:
    """The net that a prototxt describes."""
    return net_from(text_format.Parse(text, caffe_pb2.NetParameter()), caffe.TEST)


def test_other_threads_of_python_run_while_a_net_computes() -> None:
    layer = 'layer { name: "c%d" type: "Convolution" bottom: "x" top: "c%d" convolution_param { %s } }'
    size = "num_output: 64 kernel_size: 5"
    inputs = 'input: "x" input_shape { dim: 1 dim: 64 dim: 128 dim: 128 }'
    net = net_of(inputs + "".join(layer % (i, i, size) for i in range(8)))
    count, stop = [0], threading.Event()

    def work() -> None:
        while not stop.is_set():
            count[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    before = count[0]
    net._forward(0, len(net.layers) - 1)
    counted = count[0] - before
    stop.set()
    thread.join()
    assert counted > 1000


def test_a_layer_may_be_reshaped_only_when_a_size_has_changed() -> None:
    net = net_of((WITNESS % __name__).replace("Witness", "Counted"))
    Counted.reshapes = 0
    for size, calls in ((1, 0), (1, 0), (3, 1), (3, 1), (2, 2)):
        net.blobs["x"].reshape(size)
        net.blobs["x"].data[...] = size
        assert net.forward()["y"].tolist() == [size] * size
        assert Counted.reshapes == calls


def test_an_array_outlives_its_blobs_memory() -> None:
    net = net_of('layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }')
    blob = net.blobs["x"]
    blob.data[...] = 7
    kept = blob.data[1:]
    blob.reshape(200, 300)
    blob.data[...] = 5
    del net, blob
    np.testing.assert_array_equal(kept, np.full((1, 3), 7))


@pytest.mark.filterwarnings("error")
def test_a_layer_goes_with_its_net() -> None:
    net = net_of(WITNESS % __name__)
    (layer,) = LIVING
    assert net.layers[1] is layer  # the very object, for those who set something on it
    del layer, net
    gc.collect()
    assert not LIVING


def test_an_error_of_a_layer_is_pythons(capfd: pytest.CaptureFixture[str]) -> None:
    net = net_of(WITNESS % __name__)
    net.blobs["x"].data[...] = -1
    with pytest.raises(ValueError, match="below zero"):
        net.forward()
    net.blobs["x"].data[...] = 2
    assert net.forward()["y"] == 2
    assert sys.exc_info() == (None, None, None)
