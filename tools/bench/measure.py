"""The measurements: each returns plain numbers for the results file."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layers.common import paper
from layers.common.errors import RarError
from tools.bench.contestants import Contestant, caffe_task, medians, rounds, started, torch_task
from tools.model.presets import preset as preset_of

LAYOUTS = ("contiguous_format", "channels_last")
# Allowed: the largest difference from our conv8 over its largest value. Of factors TF32 keeps 10 bits, bf16 7.
FLOAT_AGREES, TF32_AGREES, BF16_AGREES = 1e-4, 1e-2, 5e-2
TASKS = ("cnn_forward", "detector", "cnn_training", "training")
BATCHES, STEPS, LANDMARKS = (1, 2, 4, 8), (1, 5, 15, 30), (5, 29, 68)


@dataclass(frozen=True)
class Bench:
    """Where and how to measure. torch: a Python that has PyTorch, or None. tf32: products on the GPU in TF32.

    bf16: beside float, products in bf16 (CPU).
    """

    folder: Path
    repeats: int
    gpu: bool
    torch: str | None
    tf32: bool = False
    bf16: bool = False

    def data(self, preset: str) -> Path:
        """Prepared synthetic faces of the preset's crop size, made once a run."""
        size = preset_of(preset).crop_size
        out = self.folder / f"data_{size}"
        if not (out / "manifest.json").is_file():
            faces = self.folder / "faces"
            run("data_prep.synthetic_faces", "--out", faces, "--train", 130, "--test", 10)
            run("data_prep.prepare_300w", "--raw", faces, "--out", out, "--dataset", "synthetic", "--any-count",
                "--crop-size", size, "--copies", 1)  # fmt: skip
        return out

    def caffe(self, name: str, task: str, preset: str, **details: Any) -> Contestant:
        return caffe_task(name, task, preset, self.data(preset), gpu=self.gpu, tf32=self.tf32, **details)


def run(module: str, *arguments: object) -> str:
    """A command of ours, its output kept."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def speed(bench: Bench, preset: str) -> dict[str, Any]:
    """Our Caffe, stock Caffe and PyTorch on one preset: times of all tasks, in one set of rounds; ms."""
    arrays = bench.folder / f"{preset}.npz"
    with ExitStack() as stack:
        kinds: dict[str, dict[str, bool]] = {"ours": {}, "stock": {"stock": True}}
        if bench.bf16:
            kinds["bf16"] = {"bf16": True}
        made = (bench.caffe(f"{task} {kind}", task, preset, **how) for kind, how in kinds.items() for task in TASKS)
        all_ours = started(stack, made)
        ours, others = all_ours[: len(TASKS)], all_ours[len(TASKS) :]
        ours[0].ask("export", path=str(arrays))
        twins = started(stack, torch_twins(bench, arrays)) if bench.torch else []
        compared = {twin.name: twin.ask("difference") for twin in twins}
        if bench.bf16:
            forward = next(one for one in others if one.name == "cnn_forward bf16")
            compared[forward.name] = forward.ask("difference", path=str(arrays))
        check(compared, TF32_AGREES if bench.tf32 else FLOAT_AGREES)
        version = twins[0].ask("version") if twins else ""
        others += twins
        times = rounds([*ours, *others], bench.repeats)
        layers = {one.name: [one.ask("layers") for _ in range(3)] for one in (ours[1], ours[3])}
        peak = {one.name: one.ask("peak") for one in [*ours, *others]}
    return {
        "times_ms": times,
        "medians_ms": medians(times),
        "peak_mib": peak,
        "differences": compared,
        "torch_version": version,
        "layers_ms": {name: median_layers(runs) for name, runs in layers.items()},
    }


def torch_twins(bench: Bench, arrays: Path) -> Iterator[Contestant]:
    """The CNN in PyTorch, forward and in training, in both layouts; float, and bf16 where it is measured."""
    for bf16 in (False, True) if bench.bf16 else (False,):
        for layout in LAYOUTS:
            for task, batch in (("cnn_forward", 1), ("cnn_training", paper.BATCH_SIZE)):
                name = f"{task} torch_bf16 {layout}" if bf16 else f"{task} torch {layout}"
                how = {"training": task == "cnn_training", "gpu": bench.gpu, "tf32": bench.tf32, "bf16": bf16}
                yield torch_task(name, str(bench.torch), arrays, layout, batch=batch, **how)


def check(differences: dict[str, float], agrees: float) -> None:
    """RarError when a contestant's conv8 is not ours: differences, of our largest value, by the contestant's name."""
    for name, found in differences.items():
        allowed = BF16_AGREES if "bf16" in name else agrees
        if not found <= allowed:
            raise RarError(f"{name}: conv8 differs by {found:.1e} of its largest value, where {allowed:.0e} is allowed")


def median_layers(runs: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    """Layer by layer, the median over runs of [forward, backward]."""
    return {name: [statistics.median(one[name][direction] for one in runs) for direction in (0, 1)] for name in runs[0]}


def growth(bench: Bench, preset: str) -> dict[str, dict[int, dict[str, float]]]:
    """The detector's time (ms a call) and peak memory (MiB) as batch, T and L grow."""
    variants: dict[str, list[tuple[int, dict[str, Any]]]] = {
        "batch": [(n, {"batch": n}) for n in BATCHES],
        "T": [(n, {"steps": n}) for n in STEPS],
        "L": [(n, {"landmarks": n, "scheme": str(n)}) for n in LANDMARKS],
    }
    found: dict[str, dict[int, dict[str, float]]] = {}
    for axis, points in variants.items():
        with ExitStack() as stack:
            made = started(stack, (bench.caffe(str(n), "detector", preset, **change) for n, change in points))
            times = medians(rounds(made, bench.repeats))
            found[axis] = {int(one.name): {"ms": times[one.name], "mib": one.ask("peak")} for one in made}
    return found


def memory_over_images(bench: Bench, preset: str, images: int = 200) -> dict[int, float]:
    """MiB held after 20 images and after `images`: the same, unless something leaks."""
    with bench.caffe("detector", "detector", preset) as one:
        held: dict[int, float] = {}
        for count in (20, images):
            for _ in range(count - max(held, default=0)):
                one.ask("run")
            held[count] = one.ask("memory")
    return held


def data_preparation(bench: Bench) -> dict[str, float]:
    """Crops a second of `make data-300w` at 256 px, occlusion and all, on synthetic faces."""
    faces, out = bench.folder / "faces", bench.folder / "throughput"
    bench.data("vgg19")
    begin = time.monotonic()
    run("data_prep.prepare_300w", "--raw", faces, "--out", out, "--dataset", "synthetic", "--any-count",
        "--crop-size", 256, "--copies", 5)  # fmt: skip
    seconds = time.monotonic() - begin
    manifest = (out / "manifest.json").read_text()
    crops = sum(int(count) for count in re.findall(r'"rows": (\d+)', manifest))
    return {"crops": crops, "seconds": seconds, "crops_per_second": crops / seconds}
