"""The demo: everything on drawn faces."""

from __future__ import annotations

from pathlib import Path

import click

from data_prep import prepare_300w
from data_prep.synthetic_faces.__main__ import main as draw_faces
from layers.common.errors import run_command
from tools.cli.steps import step
from tools.common.paths import in_project
from tools.model.presets import TINY

PATH = click.Path(path_type=Path)


@click.command()
@click.option("--out", type=PATH, help="folder for faces, data and run  [default: demo in the project]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def main(out: Path | None, seed: int) -> None:
    """All of it on drawn faces, no download: data, training of `tiny`, test, table, pictures. Minutes."""
    out = out or in_project("demo")
    faces, data, run = (str(out / part) for part in ("faces", "data", "run"))
    draw_faces(["--out", faces, "--seed", str(seed)], standalone_mode=False)
    words = ["--raw", faces, "--out", data, "--dataset", "synthetic", "--any-count", "--crop-size", TINY.crop_size]
    words += ["--copies", 6, "--validation", 0.05, "--seed", seed]
    prepare_300w.main(list(map(str, words)), standalone_mode=False)
    step("train", "--preset", TINY.name, "--data", data, "--out", run)
    step("test", "--preset", TINY.name, "--data", data, "--run", run)


if __name__ == "__main__":
    run_command(main)
