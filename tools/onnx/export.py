"""A preset and its weights as an ONNX model: the deploy net layer by layer, and what a user needs to know of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from layers.common.errors import RarError
from layers.common.files import finished_file
from layers.common.schemes import scheme, stored_text
from layers.quiet import caffe
from layers.samples import VGG_MEAN
from tools.common.version import commit
from tools.model import network
from tools.model.about import about
from tools.model.caffe_net import net_from
from tools.model.presets import Preset
from tools.model.weight_file import Weights, read_weights
from tools.model.weights import load_weights
from tools.onnx import fit, native, ours  # noqa: F401  they register their translators
from tools.onnx.graph import Graph
from tools.onnx.layer import Layer, translate
from tools.onnx.value import Value, stack

BATCH = "N"
LICENCE = "the weights carry the terms of their training data; 300-W, and weights trained on it, are for research only"


def export(preset: Preset, weights: Path, out: Path, *, rgb: bool = False, half: bool = False) -> onnx.ModelProto:
    """Write the model to `out` and return it.

    rgb: its input is images (N, S, S, 3), RGB of 8 bits, instead of the deploy net's (N, 3, S, S).
    half: weights are stored in 16 bits.
    RarError when the weights are not those of the preset, for a layer that ONNX cannot say, and for a flip test.
    """
    if preset.flip_test:
        raise RarError("an ONNX model takes a crop as it is: leave out flip_test, and average over its mirror image")
    proto = network.deploy(preset)
    net = net_from(proto, caffe.TEST)
    stored = read_weights(weights)
    load_weights(net, stored)
    graph = Graph(half=half)
    data = rgb_input(graph, preset) if rgb else graph.input("data", np.float32, (BATCH, 3, *[preset.crop_size] * 2))
    add_outputs(graph, preset, translate_net(graph, proto, net, {"data": data}))
    model = graph.model(proto.name)
    helper.set_model_props(model, described(preset, stored, rgb=rgb))
    onnx.checker.check_model(model, full_check=True)
    with finished_file(out) as part:
        part.write_bytes(model.SerializeToString())
    return model


def translate_net(graph: Graph, proto: Any, net: Any, inputs: dict[str, Value]) -> dict[str, Value]:
    """Every blob of the net, by name; of one changed in place the last. inputs: what stands for its Input layers."""
    blobs = dict(inputs)
    for layer in proto.layer:
        if layer.type == "Input":
            continue
        arrays = [blob.data for blob in net.params[layer.name]] if layer.name in net.params else []
        shapes = [tuple(net.blobs[name].shape) for name in layer.bottom]
        bottoms = [blobs[name] for name in layer.bottom]
        tops = translate(Layer(graph, layer, arrays, shapes), bottoms)
        blobs.update(zip(layer.top, tops, strict=True))
    graph.scope = "outputs"
    return blobs


def rgb_input(graph: Graph, preset: Preset) -> Value:
    """The input `image` (N, S, S, 3), RGB of 8 bits, as the deploy net's `data`."""
    image = graph.input("image", np.uint8, (BATCH, preset.crop_size, preset.crop_size, 3))
    bgr = image.cast(np.float32).take([2, 1, 0], axis=-1)
    return (bgr - np.array(VGG_MEAN)).transpose(0, 3, 1, 2)


def add_outputs(graph: Graph, preset: Preset, blobs: dict[str, Value]) -> None:
    """What tools.detect gives for a face, in px of the crop."""
    landmarks, steps = preset.landmarks, preset.steps
    stages = [blobs[f"s_hat_{t}"] for t in range(steps + 1)]
    centres = [blobs[f"centre_{t}"].reshape(-1) for t in range(steps)]
    graph.output("points", stages[-1], (BATCH, landmarks, 2))
    graph.output("stages", stack(stages, 1), (BATCH, steps + 1, landmarks, 2))
    graph.output("s_d", blobs["s_d"], (BATCH, landmarks, 2))
    graph.output("confidence", blobs["peak"], (BATCH, landmarks))
    graph.output("centres", stack(centres, 1), (BATCH, steps))


def described(preset: Preset, weights: Weights, *, rgb: bool) -> dict[str, str]:
    """The model's own account of itself, its metadata_props."""
    size, trained = preset.crop_size, about(weights.path, preset)
    return {
        "made_by": "RAR-Caffe",
        "preset": preset.name,
        "scheme": stored_text(scheme(preset.scheme)),
        "crop_size": str(size),
        "crop_margin": f"{trained.margin:g}",
        "crop": "a square round the centre of the face box, crop_margin times its longer side, scaled to crop_size",
        "input": f"image (N, {size}, {size}, 3), 8 bits" if rgb else f"data (N, 3, {size}, {size}), mean subtracted",
        "colour_order": "RGB" if rgb else "BGR",
        "mean_bgr": " ".join(f"{value:g}" for value in VGG_MEAN),
        "unit": "px of the crop, 0-based, pixel centres at integers",
        "weights": weights.path.name,
        "weights_sha256": weights.sha256,
        "trained_on": trained.raw or "not known",
        "boxes": trained.boxes or "not known",
        "commit": commit(),
        "licence": LICENCE,
    }
