"""Landmarks on many pictures.

One process a core here, or the workers of a Dask scheduler. Writes DIR/faces and DIR/errors, a Parquet part for each
chunk of pictures. A run that was stopped goes on when it is started again: parts that are there stay.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from layers.common.errors import RarError, readable, run_command
from layers.common.files import sha256
from tools.build.environment import usable_cores
from tools.detect.boxes import read_boxes
from tools.detect.inputs import is_video, sources
from tools.many.job import Job
from tools.many.listing import listed
from tools.many.machines import certificates_option
from tools.many.output import opened
from tools.model.options import in_run, model_options
from tools.model.presets import preset

PATH = click.Path(path_type=Path)
COUNT = click.IntRange(min=1)


def pictures(words: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The pictures that the words name, and a line for what is left out."""
    found = sources(words)
    for folder in found.passed_over:
        print(f"passed over in {folder}", file=sys.stderr)
    videos = [f"{readable(file)}: a video, which rar-caffe detect takes" for file in found.files if is_video(file)]
    return [file for file in found.files if not is_video(file)], [*found.problems, *videos]


@click.command(help=__doc__)
@click.argument("words", nargs=-1, metavar="[IMAGE|FOLDER|GLOB]...")
@click.option("--list", "lists", type=PATH, multiple=True, help="text file of pictures, a path a line")
@click.option("--boxes", type=PATH, help="your own face boxes: CSV name,x0,y0,x1,y1 or JSON by name")
@model_options
@in_run("--out", "many", "folder to write to, or to go on with")
@click.option("--scheduler", help="address of a Dask scheduler; without it, processes of this machine")
@certificates_option
@click.option("--workers", type=COUNT, help="processes of this machine (one a core)")
@click.option("--chunk", type=COUNT, help="pictures a part (at most 1,000, eight parts a worker)")
@click.option("--stages", is_flag=True, help="write the shapes after every step too, six times as much")
def main(
    words: tuple[str, ...],
    lists: tuple[Path, ...],
    boxes: Path | None,
    name: str,
    weights: Path,
    out: Path,
    scheduler: str | None,
    certificates: Path,
    workers: int | None,
    chunk: int | None,
    stages: bool,
) -> None:
    try:
        from tools.many.cluster import connected
        from tools.many.run import detect_all
        from tools.many.versions import versions
    except ModuleNotFoundError as error:
        raise RarError(f"this Python has no {error.name}: run `make many`, then this by `make detect-many`") from None
    if scheduler and workers:
        raise RarError("--workers is for this machine: workers of a scheduler are started by make many-worker")
    preset(name)  # refused here rather than by every worker
    job = Job(name, str(weights.resolve()), sha256(weights), stages, versions())
    given = read_boxes(boxes, preset(name).landmarks) if boxes else None
    count = workers or usable_cores()
    files, problems = pictures(words)
    problems += given.problems if given else []
    for problem in problems:
        print(f"left out: {problem}", file=sys.stderr)
    with opened(out, job, listed(lists, files, given), chunk, count) as output:
        del given
        with connected(scheduler, certificates, count) as client:
            totals = detect_all(client, output)
    print(f"{out}: {totals}")
    if totals.lost or problems:
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
