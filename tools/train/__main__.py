"""Train RAR: conv8 first (the warm-up), then everything end to end. Run again to go on where it stopped."""

from __future__ import annotations

from pathlib import Path

import click

from layers.common.errors import run_command
from tools.common.gpu import gpu_numbers
from tools.model.options import data_option, in_run, preset_option
from tools.train.run import train
from tools.train.wanted import Training

PATH = click.Path(path_type=Path)


@click.command(help=__doc__)
@preset_option("vgg19")
@data_option()
@in_run("--out", "", "folder of the run: snapshots, weights, log.csv")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1))
@click.option("--vgg19", type=PATH, help="initial weights of conv1-conv5, for vgg19 presets  [default: VGG-19's]")
@click.option("--warm-up", type=PATH, help="weights of a finished warm-up to start from, instead of an own one")
@click.option("--warm-up-iterations", type=click.IntRange(1), help="instead of the preset's")
@click.option("--iterations", type=click.IntRange(1), help="of the end-to-end phase, instead of the preset's")
@click.option("--new-steps", is_flag=True, help="the LSTMs start anew, though the weights of --warm-up have some")
@click.option("--gpus", default="", help="numbers of the GPUs, as 0 or 0,1; without it the CPU is used")
def main(
    name: str,
    data: Path,
    out: Path,
    seed: int,
    vgg19: Path | None,
    warm_up: Path | None,
    warm_up_iterations: int | None,
    iterations: int | None,
    new_steps: bool,
    gpus: str,
) -> None:
    wanted = Training(name, data, out, seed, vgg19, warm_up, warm_up_iterations, iterations, new_steps)
    train(wanted, gpu_numbers(gpus))


if __name__ == "__main__":
    run_command(main)
