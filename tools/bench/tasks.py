"""What is timed, as nets in this process: each task opens once, runs many times."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from layers.common import paper
from layers.common.shape_pool import read_shape_pool
from layers.quiet import caffe
from tools.model import network
from tools.model.caffe_net import backward, forward, net_from
from tools.model.presets import Preset

L = caffe.layers  # Caffe's own short name

SEED = 0


class Task:
    """A net and one run of it; `run` ends when its numbers are there: Caffe's timer waits for them on a GPU."""

    def __init__(self, net: Any, last: str, *, backward: bool) -> None:
        self.net, self.backward, self.timer = net, backward, caffe.Timer()
        if backward:
            diff = net.blobs[last].diff
            diff[...] = np.random.default_rng(SEED).standard_normal(diff.shape)

    def run(self) -> None:
        self._timed(self._passes)

    def _passes(self) -> None:
        forward(self.net)
        if self.backward:
            backward(self.net)

    def _timed(self, work: Callable[[], object]) -> float:
        """Do the work, and wait for it; milliseconds."""
        begin = time.perf_counter()
        self.timer.start()
        work()
        self.timer.stop()
        _ = self.timer.ms  # waits for the GPU; on the CPU it knows whole milliseconds only
        return 1e3 * (time.perf_counter() - begin)

    def layers(self) -> dict[str, list[float]]:
        """Milliseconds of every layer, [forward, backward]."""
        names = list(self.net._layer_names)
        spent = {name: [0.0, 0.0] for name in names}
        passes = [(0, self.net._forward, range(len(names)))]
        if self.backward:
            passes.append((1, self.net._backward, range(len(names) - 1, -1, -1)))
        for direction, run, order in passes:
            for i in order:
                spent[names[i]][direction] = self._timed(partial(run, i, i))
        return spent


def cnn(preset: Preset, batch: int, *, training: bool) -> Task:
    """conv1 ... conv8 alone, with or without the backward pass down to conv1's weights."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [batch, 3, preset.crop_size, preset.crop_size]})
    network.cnn(n, n.data, preset, recurrent=False)
    proto = n.to_proto()
    proto.force_backward = training
    for layer in proto.layer[:2]:
        layer.propagate_down.extend([False] * len(layer.bottom))  # no gradient of the image
    caffe.set_random_seed(SEED)
    net = net_from(proto, caffe.TRAIN if training else caffe.TEST)
    fill(net)
    return Task(net, "conv8", backward=training)


def detector(preset: Preset, batch: int, data: Path) -> Task:
    """The whole deploy net: a crop in, s_hat_T out."""
    net = net_from(network.deploy(preset), caffe.TEST)
    net.blobs["data"].reshape(batch, 3, preset.crop_size, preset.crop_size)
    net.reshape()
    pool = read_shape_pool(data / "shape_pool.h5")
    basis, mean = net.params["initialisation"]
    basis.data[...], mean.data[...] = pool.centres[:, : preset.landmarks], pool.mean_shape[: preset.landmarks]
    fill(net)
    return Task(net, f"s_hat_{preset.steps}", backward=False)


def training(preset: Preset, data: Path) -> Task:
    """The training net end to end on prepared faces, mini-batch 2: forward and backward, no update."""
    os.environ |= {"DATA": str(data), "TEST_SET": "helen"}
    caffe.set_random_seed(SEED)
    return Task(net_from(network.train_val(preset, warm_up=False)), "loss_conv8", backward=True)


def fill(net: Any) -> None:
    """A made-up image, VGG's mean subtracted."""
    data = net.blobs["data"].data
    data[...] = np.random.default_rng(SEED).uniform(-110, 140, data.shape)


def open_task(name: str, preset: Preset, batch: int, data: Path) -> Task:
    """The task called `name`: cnn_forward, cnn_training, detector or training."""
    if name == "detector":
        return detector(preset, batch, data)
    if name == "training":
        return training(preset, data)
    return cnn(preset, paper.BATCH_SIZE if name == "cnn_training" else batch, training=name == "cnn_training")


def export(task: Task, path: Path) -> None:
    """The CNN as arrays for a twin: its layers in order, weights, the image, and conv8 after a forward pass."""
    net = task.net
    net.forward()
    image = net.blobs["scaled" if "scaled" in net.blobs else "data"].data
    arrays = {"data": image, "conv8": net.blobs["conv8"].data}
    for name, blobs in net.params.items():
        arrays |= {f"{name}/{i}": blob.data for i, blob in enumerate(blobs)}
    types = {"Convolution", "Deconvolution", "ReLU", "Pooling"}
    order = [
        f"{layer.type} {name}" for name, layer in zip(net._layer_names, net.layers, strict=True) if layer.type in types
    ]
    np.savez(path, layers=np.array(order), **arrays)


def difference(task: Task, path: Path) -> float:
    """How far conv8 is from that of `export`, the largest difference over the largest value."""
    task.net.forward()
    wanted = np.load(path)["conv8"]
    return float(np.abs(task.net.blobs["conv8"].data - wanted).max() / np.abs(wanted).max())
