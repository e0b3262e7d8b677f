"""RAR as one ONNX file: CNN, decoding, robust initialisation and all steps, for where Caffe cannot go.

Best run as make onnx, whose environment has the package onnx.
"""

from __future__ import annotations

from pathlib import Path

import click

from layers.common.errors import run_command
from tools.model.options import in_run, model_options
from tools.model.presets import preset
from tools.onnx.packages import check_packages

MIB = 1 << 20


@click.command(help=__doc__)
@model_options
@in_run("--out", "rar.onnx", "ONNX file to write")
@click.option("--rgb", is_flag=True, help="the input is 8-bit RGB images (N, S, S, 3), not mean-subtracted BGR planes")
@click.option("--half", is_flag=True, help="store weights in 16 bits: half the size")
def main(name: str, weights: Path, out: Path, rgb: bool, half: bool) -> None:
    check_packages()
    from tools.onnx.export import export  # after the check: it imports onnx

    model = export(preset(name), weights, out, rgb=rgb, half=half)
    print(f"{out}: {len(model.graph.node)} nodes, {out.stat().st_size / MIB:.1f} MiB")


if __name__ == "__main__":
    run_command(main)
