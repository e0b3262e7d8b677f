"""Prepare the COFW faces: python3 -m data_prep.prepare_cofw --raw DIR --out DATA."""

from __future__ import annotations

from typing import Any

import click

from data_prep import cofw
from data_prep.commands import Options, chosen_sets, preparation_options, prepare
from layers.common.errors import run_command


@click.command()
@preparation_options(
    "Folder of COFW_train_color.mat and COFW_test_color.mat.", margin=cofw.MARGIN, sets=cofw.SETS, dataset="cofw"
)
def main(**options: Any) -> None:
    """Cut, augment and occlude COFW's faces by its own boxes; write LMDB, HDF5, shape pool and manifest.

    The crops serve 29-point models, and 68-point models whose shapes `tools.evaluate cofw` maps to the 29 points.
    """
    chosen = Options(boxes=cofw.BOXES, **options)
    prepare(chosen, cofw.scan(chosen.raw, chosen_sets(chosen.sets, cofw.SETS)), cofw.SCHEME)


if __name__ == "__main__":
    run_command(main)
