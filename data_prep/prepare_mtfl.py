"""Prepare the MTFL faces: python3 -m data_prep.prepare_mtfl --raw DIR --out DATA."""

from __future__ import annotations

from typing import Any

import click

from data_prep import mtfl
from data_prep.commands import Options, chosen_sets, preparation_options, prepare
from layers.common.errors import run_command


@click.command()
@preparation_options(
    "Folder of MTFL, with training.txt, testing.txt and the pictures.", margin=1.4, sets=mtfl.SETS, dataset="mtfl"
)
@click.option(
    "--boxes",
    default="frame",
    show_default=True,
    type=click.Choice(mtfl.BOX_SOURCES),
    help="Of the test faces: from the border of their pictures, or from their five points.",
)
def main(**options: Any) -> None:
    """Cut, augment and occlude the faces; write LMDB, HDF5, shape pool and manifest.

    Occluders need no more than five points: they hang on the eyes and the mouth, and a mask on a typical jaw.
    """
    chosen = Options(**options)
    scans = mtfl.scan(chosen.raw, chosen_sets(chosen.sets, mtfl.SETS), chosen.boxes, chosen.workers)
    prepare(chosen, scans, mtfl.SCHEME, mtfl.TRAINING_BOXES)


if __name__ == "__main__":
    run_command(main)
