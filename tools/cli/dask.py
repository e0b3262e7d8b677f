"""Dask's scheduler and workers with the settings of tools/many: for several machines in a network that you trust."""

from __future__ import annotations

import os
import sys

import click

from tools import PROJECT
from tools.build.environment import usable_cores

SETTINGS = PROJECT / "tools" / "many" / "dask.yaml"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def become(*words: str) -> None:
    """Take this process's place: the program `dask`."""
    env = {**os.environ, "DASK_CONFIG": str(SETTINGS), **ONE_THREAD}
    os.execve(sys.executable, [sys.executable, "-m", "dask", *words], env)


@click.command()
@click.option("--listen", default="127.0.0.1", show_default=True, help="address of this machine to listen on")
def scheduler(listen: str) -> None:
    """Dask's scheduler for `many` on several machines, in a network that you trust."""
    become("scheduler", "--host", listen)


@click.command()
@click.argument("scheduler_address", metavar="tcp://HOST:8786")
@click.option("--workers", type=click.IntRange(1), help="processes  [default: one a core]")
def worker(scheduler_address: str, workers: int | None) -> None:
    """This machine's processes for `many`, under a scheduler."""
    become("worker", scheduler_address, "--nthreads", "1", "--nworkers", str(workers or usable_cores()))
