"""Measure RAR on this machine: our Caffe, stock Caffe and PyTorch in turns; results as JSON, a table and a picture."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from layers.common.errors import RarError, run_command
from layers.common.files import finished_file
from tools.bench import report
from tools.bench.measure import Bench, data_preparation, growth, memory_over_images, speed
from tools.bench.sharing import sharing
from tools.common.gpu import check_gpu
from tools.common.paths import in_project
from tools.common.version import commit
from tools.model.presets import PRESETS

PATH = click.Path(path_type=Path)
MEASURED = ("vgg19", "vgg19_128", "compact", "tiny")


def machine(gpu: bool) -> dict[str, Any]:
    """What was measured on."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    name = ""
    if gpu:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    return {"cpu": model.group(1) if model else "unknown", "cores": int(os.environ["OMP_NUM_THREADS"]), "gpu": name}


def has_amx() -> bool:
    """Whether this CPU has what CAFFE_BF16=1 asks for."""
    return re.search(r"^flags\b.*\bamx_bf16\b", Path("/proc/cpuinfo").read_text(), re.MULTILINE) is not None


def checked_torch(python: str | None) -> str | None:
    """The Python that has PyTorch, or None when there is none; RarError when one was named and has not."""
    if not python:
        return None
    try:
        subprocess.run([python, "-c", "import torch"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise RarError(f"{python} cannot import torch: install it there, or leave TORCH_PYTHON out") from None
    return python


@click.command(help=__doc__)
@click.option("--preset", "presets", type=click.Choice(list(PRESETS)), multiple=True, default=MEASURED)
@click.option("--repeats", default=7, show_default=True, type=click.IntRange(1), help="rounds; medians over them")
@click.option("--torch-python", envvar="TORCH_PYTHON", help="a Python that has PyTorch, to compare with")
@click.option("--gpu", is_flag=True, help="measure on the GPU, with TF32 off and on")
@click.option("--growth/--no-growth", "grow", default=True, help="how time and memory grow; data preparation")
@click.option("--sharing/--no-sharing", "share", default=True, help="two programs at once, and beside others' (CPU)")
@click.option(
    "--out", type=PATH, default=partial(in_project, "bench"), show_default="bench", help="for results.json, a picture"
)
def main(
    presets: tuple[str, ...], repeats: int, torch_python: str | None, gpu: bool, grow: bool, share: bool, out: Path
) -> None:
    if gpu:
        check_gpu(0)
    out.mkdir(parents=True, exist_ok=True)
    torch = checked_torch(torch_python)
    results: dict[str, Any] = {"machine": machine(gpu), "commit": commit(), "repeats": repeats, "speed": {}}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), repeats, gpu, torch, bf16=not gpu and has_amx())
        for name in presets:
            for tf32 in (False, True) if gpu else (False,):
                label = f"{name}, TF32" if tf32 else name
                click.echo(f"{label} ...", err=True)
                results["speed"][label] = speed(replace(bench, tf32=tf32), name)
        for name in presets if share and not gpu else ():
            click.echo(f"{name}, the machine shared ...", err=True)
            results.setdefault("sharing", {})[name] = sharing(bench, name)
        if grow:
            click.echo("growth ...", err=True)
            results["growth_preset"] = presets[-1] if len(presets) == 1 else "vgg19_128"
            results["growth"] = growth(bench, results["growth_preset"])
            results["memory_over_images"] = memory_over_images(bench, results["growth_preset"])
            results["data_preparation"] = data_preparation(bench)
    with finished_file(out / "results.json") as part:
        part.write_text(json.dumps(results, indent=1) + "\n")
    picture = report.plot(results, out / "bench.png")
    text = report.table(results)
    (out / "results.md").write_text(text)
    click.echo(text)
    click.echo(f"{out / 'results.json'} {picture}")


if __name__ == "__main__":
    run_command(main)
