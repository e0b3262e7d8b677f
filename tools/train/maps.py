"""Store the maps of a CNN that is left as it is, so that steps can be trained without it (tools.train.steps)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from tqdm import tqdm

from layers.common import heatmaps
from layers.common.errors import RarError, run_command
from layers.common.prepared import CROPS, PreparedSet, kind_of
from layers.common.shapes import FloatArray
from tools.model.caffe_net import forward
from tools.model.crop_detector import CropDetector
from tools.model.options import PATH, data_option, model_options_for
from tools.model.presets import preset

BATCH = 8
REMEDY = "store them with python3 -m tools.train.maps"


@dataclass(frozen=True)
class Maps:
    """What a frozen CNN makes of N crops.

    deconv7 (N, C, H, W) and conv8 (N, L, H, W), in half precision; log_partition (N, L) of conv8; s_d and the true
    shape, (N, L, 2), px of the crop.
    """

    deconv7: np.ndarray
    conv8: np.ndarray
    log_partition: FloatArray
    peak: FloatArray
    s_d: FloatArray
    shape: FloatArray

    def __len__(self) -> int:
        return len(self.shape)


def read_maps(folder: Path, part: str) -> Maps:
    """The maps of `part`, train or val; the large ones stay on the disc until they are read. RarError without them."""
    try:
        with np.load(folder / f"{part}.npz") as small:
            large = {name: np.load(folder / f"{part}_{name}.npy", mmap_mode="r") for name in ("deconv7", "conv8")}
            return Maps(**large, **small)
    except OSError as error:
        raise RarError(f"no maps of {part} in {folder} ({error}): {REMEDY}") from error


def store(detector: CropDetector, faces: PreparedSet, rows: np.ndarray, folder: Path, part: str) -> None:
    """Run the CNN over these rows. The small file is written last: with it the part is whole."""
    net, chosen, size = detector.net, detector.preset, detector.preset.crop_size
    end = next(name for name in net._layer_names if "s_d" in net.top_names[name])
    large = {}
    for name, channels in (("deconv7", chosen.deconv7), ("conv8", chosen.landmarks)):
        path = folder / f"{part}_{name}.npy"
        shape = (len(rows), channels, size, size)
        large[name] = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    small: dict[str, list[Any]] = {"s_d": [], "peak": [], "log_partition": []}
    for at in batches(len(rows), part):
        detector.feed(np.stack([faces.image(int(row)) for row in rows[at]]))
        forward(net, end=end)
        for name, kept in large.items():
            kept[at] = net.blobs[name].data
        scores = large["conv8"][at].astype(np.float32)
        small["s_d"].append(net.blobs["s_d"].data.copy())
        small["peak"].append(net.blobs["peak"].data.copy())
        small["log_partition"].append(heatmaps.log_partition(scores))
    found = {name: np.concatenate(values) for name, values in small.items()}
    np.savez(folder / f"{part}.npz", shape=faces.shape[rows], **found)


def batches(count: int, title: str) -> Iterator[slice]:
    """Slices of BATCH."""
    for first in tqdm(range(0, count, BATCH), desc=title, unit="batch", mininterval=5):
        yield slice(first, min(first + BATCH, count))


@click.command(help=__doc__)
@model_options_for("compact")
@data_option()
@click.option("--out", type=PATH, required=True, help="folder for the maps: 2 MB a crop of 96 px")
@click.option("--crops", default=5000, show_default=True, help="of the training set, drawn at random")
@click.option("--seed", default=0, show_default=True)
def main(name: str, weights: Path, data: Path, out: Path, crops: int, seed: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    detector = CropDetector(preset(name), weights)
    for part in ("train", "val"):
        if (out / f"{part}.npz").is_file():
            continue
        if kind_of(data / part) != CROPS:
            raise RarError(f"{data / part} holds no crops: prepare with AUGMENT=fixed")
        faces = PreparedSet(data / part)
        if part == "train":
            rows = np.random.default_rng(seed).permutation(len(faces))[:crops]
        else:
            rows = np.flatnonzero(faces.copy == 0)
        store(detector, faces, rows, out, part)


if __name__ == "__main__":
    run_command(main)
