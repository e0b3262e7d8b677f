"""An exported model beside Caffe on faces of prepared data: landmarks apart in px of the crop, and the time a face.

Best run as make test-onnx, whose environment has the package onnxruntime.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from layers.common.errors import RarError, run_command
from layers.common.prepared import PreparedSet
from layers.samples import VGG_MEAN
from tools.build.environment import usable_cores
from tools.model.crop_detector import CropDetector, Detections
from tools.model.options import data_option, in_run, model_options
from tools.model.presets import preset
from tools.onnx.packages import check_packages

Array = NDArray[Any]
Outputs = dict[str, Array]
SAME = 0.01  # px
TURN = 10  # faces at a time for Caffe, then for onnxruntime: a busy moment of the machine is then both's


def open_model(path: Path, threads: int) -> Any:
    """The InferenceSession of a model; RarError when it, or onnxruntime, cannot be had."""
    check_packages()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options)
    except Exception as error:  # onnxruntime's own have no common base
        raise RarError(f"{path} is no ONNX model of ours ({error}): run make onnx") from error


def detect(model: Any, crops: NDArray[np.uint8]) -> Outputs:
    """The outputs of a model by name on crops (N, S, S, 3), BGR, whichever of the two inputs it takes."""
    (given,) = model.get_inputs()
    rgb = given.name == "image"
    data = crops[..., ::-1] if rgb else (crops - np.array(VGG_MEAN, np.float32)).transpose(0, 3, 1, 2)
    names = [output.name for output in model.get_outputs()]
    return dict(zip(names, model.run(names, {given.name: np.ascontiguousarray(data)}), strict=True))


def timed(run: Callable[[Array], Any], crops: list[Array]) -> tuple[list[Any], list[float]]:
    """What `run` finds on each of the crops, and the milliseconds that each took."""
    found, times = [], []
    for crop in crops:
        start = time.perf_counter()
        found.append(run(crop))
        times.append(1000 * (time.perf_counter() - start))
    return found, times


def apart(found: Outputs, wanted: Detections) -> dict[str, float]:
    """The farthest landmark of one face, px, for S_d, s_hat_0 and s_hat_T; and of the centres how many differ."""
    pairs = {"S_d": (found["s_d"], wanted.s_d)}
    pairs |= {f"s_hat_{t}": (found["stages"][:, t], wanted.stages[:, t]) for t in (0, wanted.stages.shape[1] - 1)}
    farthest = {name: float(np.linalg.norm(a - b, axis=-1).max()) for name, (a, b) in pairs.items()}
    return farthest | {"centres": float((found["centres"] != wanted.centres).sum())}


def report(rows: list[dict[str, float]], names: list[str]) -> None:
    """Medians and maxima, and the faces that are not the same."""
    *shapes, centres = rows[0]
    for shape in shapes:
        values = [row[shape] for row in rows]
        print(f"{shape:9} farthest landmark of a face: median {np.median(values):.1e} px, maximum {max(values):.1e} px")
    print(f"{centres:9} {sum(row[centres] for row in rows):g} differ")
    for row, name in zip(rows, names, strict=True):
        if row[shapes[-1]] > SAME:
            print(f"over {SAME} px: {name}, {', '.join(f'{shape} {row[shape]:.2g}' for shape in shapes)}")


@click.command(help=__doc__)
@model_options
@in_run("--onnx", "rar.onnx", "what `onnx` made of it")
@data_option(subset="helen")
@click.option("--faces", default=50, show_default=True, type=click.IntRange(1), help="how many")
@click.option(
    "--threads",
    default=usable_cores(),
    show_default=True,
    type=click.IntRange(1),
    help="of onnxruntime; Caffe's: OMP_NUM_THREADS",
)
def main(name: str, weights: Path, onnx: Path, data: Path, faces: int, threads: int) -> None:
    ready, detector, given = open_model(onnx, threads), CropDetector(preset(name), weights), PreparedSet(data)
    chosen = np.flatnonzero(given.copy == 0)[:faces].tolist()
    rows: list[dict[str, float]] = []
    times: list[tuple[float, float]] = []
    for first in tqdm(range(0, len(chosen), TURN), unit=f"{TURN} faces"):
        crops = [given.image(row)[None] for row in chosen[first : first + TURN]]
        wanted, caffe_times = timed(detector.detect, crops)
        found, onnx_times = timed(partial(detect, ready), crops)
        rows += [apart(*pair) for pair in zip(found, wanted, strict=True)]
        times += zip(caffe_times, onnx_times, strict=True)
    report(rows, [str(given.name[row]) for row in chosen])
    caffe, ours = np.median(times, axis=0)
    print(f"{len(rows)} faces, medians: Caffe {caffe:.0f} ms a face, onnxruntime {ours:.0f} ms")


if __name__ == "__main__":
    run_command(main)
