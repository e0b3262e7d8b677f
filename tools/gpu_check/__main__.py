"""All that a GPU can tell in the minutes given: tests, speed beside PyTorch, a training for the rest of the time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from layers.common.errors import RarError, run_command
from tools import PROJECT
from tools.gpu_check import summary
from tools.gpu_check.handover import PIECES
from tools.gpu_check.stages import Check, Stage
from tools.gpu_check.training import PHASES, Wanted, train_all
from tools.model.presets import preset

PATH = click.Path(path_type=Path)
TESTS = ("tests/gpu", "tests/layers")
DRY_TESTS = ("tests/layers/test_base.py",)
SHORT = 60  # iterations of a phase in a dry run


@click.command(help=__doc__)
@click.option("--minutes", default=9.0, show_default=True, type=click.FloatRange(min=1), help="that all of it may take")
@click.option("--out", type=PATH, required=True, help="folder for the results: 8 files at most, of 15 MiB at most")
@click.option(
    "--preset",
    "names",
    multiple=True,
    default=["vgg19"],
    show_default=True,
    help="what is trained; several: side by side. The first is measured",
)
@click.option("--data", type=PATH, help="prepared data; without them nothing is trained")
@click.option("--start", type=PATH, help="weights that the training starts from")
@click.option("--phase", default="warm_up", show_default=True, type=click.Choice(list(PHASES)))
@click.option(
    "--share",
    default=0.6,
    show_default=True,
    type=click.FloatRange(0.05, 0.95),
    help="of the training's time for the warm-up, with --phase both",
)
@click.option("--torch-python", envvar="TORCH_PYTHON", help="a Python with PyTorch  [default: python3, if it has it]")
@click.option("--tf32/--fp32", default=True, show_default=True, help="the arithmetic of the training")
@click.option("--skip", multiple=True, type=click.Choice(["tests", "bench", "training"]))
@click.option("--dry-run", is_flag=True, help="the same steps on the CPU, shortened")
def main(
    minutes: float,
    out: Path,
    names: tuple[str, ...],
    data: Path | None,
    start: Path | None,
    phase: str,
    share: float,
    torch_python: str | None,
    tf32: bool,
    skip: tuple[str, ...],
    dry_run: bool,
) -> None:
    for name in names:
        preset(name)
    if len(set(names)) < len(names) or len(names) > PIECES:
        raise RarError(f"--preset takes {PIECES} different presets at most")
    for path in filter(None, (data, start)):
        if not path.exists():
            raise RarError(f"no {path}: give data and weights that are there, or leave them out")
    out.mkdir(parents=True, exist_ok=True)
    if tf32:
        os.environ["CAFFE_TF32"] = "1"
    with tempfile.TemporaryDirectory(prefix="rar-gpu-check-") as folder:
        check = Check(out.absolute(), Path(folder), 60 * minutes, ", ".join(names))
        for stage in stages(names[0], check.work, torch_python or with_torch(), dry_run):
            if stage.name not in skip:
                check.run(stage, {"CAFFE_TF32": "0"})
                summary.write(check)
        if data and "training" not in skip:
            gpus, most = ("", SHORT) if dry_run else ("0", sys.maxsize)
            begin = start and start.absolute()
            train_all(
                check,
                [Wanted(name, PHASES[phase], data.absolute(), begin, gpus, share, most) for name in names],
            )
        path = summary.write(check)
    print(path)
    if any(outcome.status for outcome in check.outcomes):
        raise RarError(f"not all stages passed: see {path}")


def stages(name: str, work: Path, torch_python: str, dry_run: bool) -> list[Stage]:
    """All but the training, each with its limit."""
    tests = [str(PROJECT / test) for test in (DRY_TESTS if dry_run else TESTS)]
    gpu = [] if dry_run else ["--gpu"]
    options = ("--tb=short", "-p", "no:cacheprovider", f"--rootdir={PROJECT}")
    once = ("--repeats", "1" if dry_run else "3", "--no-growth", "--no-sharing", "--out", str(work / "bench"))
    torch = ("--torch-python", torch_python) if torch_python and not dry_run else ()
    query = [] if dry_run else [Stage("card", ("run", "caffe", "device_query", "-gpu", "0"), 30, tail=12)]
    return [
        Stage("machine", ("doctor",), 60, tail=40),
        *query,
        Stage("tests", ("run", "python3", "-m", "pytest", *gpu, *options, *tests), 240, tail=12),
        Stage("bench", ("bench", *gpu, "--preset", name, *once, *torch), 150, tail=30),
    ]


def with_torch() -> str:
    """The first python3 on the path, when it has PyTorch; else nothing."""
    command = ["python3", "-c", "import sys, torch; print(sys.executable)"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return done.stdout.strip()


if __name__ == "__main__":
    run_command(main)
