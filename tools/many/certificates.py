"""Certificates for many pictures on several machines.

Writes the certificate of a new authority (ca.pem), and the one certificate with its key that scheduler, workers and
command show each other (peer.pem, peer-key.pem). Whoever has the key can run programs on every machine of the cluster.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from layers.common.errors import RarError, run_command
from tools.common.paths import in_project
from tools.many.options import FOLDER

DAYS = 365


@click.command(help=__doc__)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=lambda: in_project(FOLDER),
    help=f"new folder  [default: {FOLDER} in the project]",
)
@click.option("--days", default=DAYS, show_default=True, type=click.IntRange(1, 3650), help="how long they are good")
def main(out: Path, days: int) -> None:
    write_certificates(out, days)
    print(f"{out}: good for {days} days. Copy the folder to each machine of the cluster, and to nobody else.")


def write_certificates(folder: Path, days: int = DAYS) -> None:
    """Make the folder, for its owner alone. RarError when it is there already."""
    try:
        from tools.many.authority import made
    except ModuleNotFoundError as error:
        raise RarError(f"this Python has no {error.name}: run `make many`, then `make many-certificates`") from None
    if folder.exists():
        raise RarError(f"{folder} is there already: remove it, or give another, CERTIFICATES=DIR")
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    part.mkdir(mode=0o700, parents=True)
    try:
        for name, content in made(days).items():
            with open(os.open(part / name, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:  # noqa: PTH123
                file.write(content)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


if __name__ == "__main__":
    run_command(main)
