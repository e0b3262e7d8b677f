"""Prepare the 300-W faces: python3 -m data_prep.prepare_300w --raw DIR --out DATA."""

from __future__ import annotations

from typing import Any

import click

from data_prep import w300
from data_prep.commands import Options, chosen_sets, preparation_options, prepare
from layers.common.errors import run_command


@click.command()
@preparation_options("Root of 300-W in its official layout.", margin=1.4, sets=w300.SETS, dataset="300w")
@click.option("--boxes", default="detector", show_default=True, type=click.Choice(w300.BOX_SOURCES))
def main(**options: Any) -> None:
    """Cut, augment and occlude the faces; write LMDB, HDF5, shape pool and manifest."""
    chosen = Options(**options)
    prepare(chosen, w300.scan(chosen.raw, chosen_sets(chosen.sets, w300.SETS), chosen.boxes), w300.SCHEME)


if __name__ == "__main__":
    run_command(main)
