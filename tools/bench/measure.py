"""The measurements: each returns plain numbers for the results file."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layers.common import paper
from tools.bench.contestants import Contestant, caffe_task, medians, rounds, torch_task
from tools.model.presets import preset as preset_of

LAYOUTS = ("contiguous_format", "channels_last")
BATCHES, STEPS, LANDMARKS = (1, 2, 4, 8), (1, 5, 15, 30), (5, 29, 68)


@dataclass(frozen=True)
class Bench:
    """Where and how to measure. torch: a Python that has PyTorch, or None. tf32: products on the GPU in TF32."""

    folder: Path
    repeats: int
    gpu: bool
    torch: str | None
    tf32: bool = False

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
        ours, others = [], []
        for task in ("cnn_forward", "detector", "cnn_training", "training"):
            ours.append(stack.enter_context(bench.caffe(f"{task} ours", task, preset)))
            others.append(stack.enter_context(bench.caffe(f"{task} stock", task, preset, stock=True)))
        ours[0].ask("export", path=str(arrays))
        difference, version = 0.0, ""
        for layout in LAYOUTS if bench.torch else ():
            for task, batch in (("cnn_forward", 1), ("cnn_training", paper.BATCH_SIZE)):
                name, training = f"{task} torch {layout}", task == "cnn_training"
                where = {"gpu": bench.gpu, "tf32": bench.tf32}
                twin = torch_task(name, str(bench.torch), arrays, layout, training=training, batch=batch, **where)
                others.append(stack.enter_context(twin))
                difference, version = max(difference, twin.ask("difference")), twin.ask("version")
        times = rounds([*ours, *others], bench.repeats)
        layers = {one.name: [one.ask("layers") for _ in range(3)] for one in (ours[1], ours[3])}
        peak = {one.name: one.ask("peak") for one in [*ours, *others]}
    return {
        "times_ms": times,
        "medians_ms": medians(times),
        "peak_mib": peak,
        "torch_difference": difference if bench.torch else None,
        "torch_version": version,
        "layers_ms": {name: median_layers(runs) for name, runs in layers.items()},
    }


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
            made = [stack.enter_context(bench.caffe(str(n), "detector", preset, **change)) for n, change in points]
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
