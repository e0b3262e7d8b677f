"""Draw the embedded data set: python3 -m data_prep.synthetic_faces --out DIR --train 600 --test 100 --seed 0."""

from __future__ import annotations

import time
from pathlib import Path

import click

from data_prep.parallel import cores
from data_prep.synthetic_faces.write import Parameters, folders, write
from layers.common.errors import run_command


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write, in the raw 300-W layout.")
@click.option("--train", type=click.IntRange(1), default=600, show_default=True, help="Training faces.")
@click.option("--test", type=click.IntRange(1), default=100, show_default=True, help="Test faces.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--workers", type=click.IntRange(0), default=cores, show_default="cores", help="Processes.")
def main(out: Path, train: int, test: int, seed: int, workers: int) -> None:
    """Draw synthetic faces with 68 points; the same parameters find the data set that is already there."""
    parameters = Parameters(train, test, seed)
    begin = time.monotonic()
    fresh = write(out, parameters, workers)
    spent = time.monotonic() - begin
    counts = ", ".join(f"{folder} {count}" for folder, count in folders(parameters).items())
    what = f"drawn in {spent:.1f} s ({(train + test) / spent:.0f} faces/s)" if fresh else "already there"
    click.echo(f"{out}: {train} training and {test} test faces {what}: {counts}")


if __name__ == "__main__":
    run_command(main)
