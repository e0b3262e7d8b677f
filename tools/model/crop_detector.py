"""A deploy net and its weights as one object: crops in, every shape of the recurrence out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from layers.common.errors import RarError
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray, mirror_shape
from layers.quiet import caffe
from layers.samples import VGG_MEAN
from tools import PROJECT
from tools.model import network
from tools.model.caffe_net import forward, net_from
from tools.model.net_files import REMEDY, made_net
from tools.model.presets import COMMITTED, Preset
from tools.model.prototxt import unchanged
from tools.model.weight_file import read_weights
from tools.model.weights import load_weights

PROTOTXT = PROJECT / "prototxt"


class Detections(NamedTuple):
    """What RAR finds on N crops, px of the crop.

    s_d (N, L, 2); stages (N, T+1, L, 2), s_hat_0 ... s_hat_T; centres (N, T); confidence (N, T, L), A-LSTM's;
    peak (N, L).
    """

    s_d: FloatArray
    stages: FloatArray
    centres: NDArray[np.int64]
    confidence: FloatArray
    peak: FloatArray


class CropDetector:
    """RAR on crops of the preset's size, with the weights of `file`, whose checksum is `sha256`."""

    def __init__(self, preset: Preset, weights: Path, deploy: Path | None = None) -> None:
        """RarError when the weights are not those of this preset."""
        self.preset = preset
        file = deploy or PROTOTXT / preset.name / "deploy.prototxt"
        variant = preset.name not in COMMITTED and not deploy
        self.net = net_from(network.deploy(preset), caffe.TEST) if variant else self._made(file)
        stored = read_weights(weights)
        load_weights(self.net, stored)
        self.file, self.sha256 = weights, stored.sha256

    def _made(self, file: Path) -> Any:
        """The net of a file, which a person may have changed."""
        preset = self.preset
        net = made_net(file, caffe.TEST, unchanged(preset, file.name))
        last = (f"s_hat_{preset.steps}", f"centre_{preset.steps - 1}", f"a_lstm_h_{preset.steps}")
        sizes = {"data": (3, preset.crop_size, preset.crop_size)}
        for name in ("data", "s_d", "peak", *last):
            if name not in net.blobs:
                raise RarError(f"{file}: no layer makes {name!r}: {REMEDY}")
            found = tuple(net.blobs[name].shape)[1:]
            if found != sizes.get(name, found):
                raise RarError(f"{file}: {name!r} is of {found}, not of {sizes[name]}: {REMEDY}")
        return net

    def feed(self, crops: NDArray[np.uint8]) -> None:
        """Crops (N, S, S, 3), BGR, as the net's input; RarError for crops of another size."""
        size = self.preset.crop_size
        if crops.shape[1:] != (size, size, 3):
            raise RarError(f"preset {self.preset.name} takes {size} px crops, not {crops.shape[1:]}: prepare them anew")
        data = self.net.blobs["data"]
        if data.shape[0] != len(crops):
            data.reshape(len(crops), 3, size, size)
            self.net.reshape()
        np.subtract(crops.transpose(0, 3, 1, 2), np.reshape(VGG_MEAN, (3, 1, 1)), out=data.data, casting="unsafe")

    def detect(self, crops: NDArray[np.uint8]) -> Detections:
        """All shapes on crops (N, S, S, 3), BGR; RarError for crops of another size, and shapes that are no numbers.

        With the preset's flip_test: the means of the shapes on a crop and on its mirror image. Centres, confidence and
        peak are the crop's own.
        """
        found = self._pass(crops)
        if self.preset.flip_test:
            flipped, kind = self._pass(crops[:, :, ::-1]), scheme(self.preset.scheme)
            back = partial(mirror_shape, scheme=kind, width=self.preset.crop_size)
            s_d, stages = (found.s_d + back(flipped.s_d)) / 2, (found.stages + back(flipped.stages)) / 2
            found = found._replace(s_d=s_d, stages=stages)
        if not all(np.isfinite(values).all() for values in found):
            raise RarError(
                f"{self.file} makes shapes that are no numbers: it is damaged, or has diverged; take other weights"
            )
        return found

    def _pass(self, crops: NDArray[np.uint8]) -> Detections:
        self.feed(crops)
        forward(self.net)
        return self._found()

    def _found(self) -> Detections:
        steps = range(self.preset.steps)
        return Detections(
            s_d=self._blob("s_d"),
            stages=np.stack([self._blob(f"s_hat_{t}") for t in range(self.preset.steps + 1)], axis=1),
            centres=np.stack([self._blob(f"centre_{t}")[:, 0] for t in steps], axis=1).astype(np.int64),
            confidence=np.stack([self._blob(f"a_lstm_h_{t + 1}")[0] for t in steps], axis=1),
            peak=self._blob("peak"),
        )

    def _blob(self, name: str) -> Any:
        return self.net.blobs[name].data.copy()
