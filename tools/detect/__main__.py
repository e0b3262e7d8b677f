"""Landmarks on pictures and videos.

Writes .pts for every face, faces.json and faces.csv for all, and the pictures with the shapes drawn on them; for a
video NAME.jsonl, a line per face and frame, and NAME.mp4. What cannot be read, or has no face, is named and the rest
goes on; the status is 1 then. After Ctrl-C, what is done is written, and the same command goes on with the others.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from layers.common.errors import RarError, run_command
from layers.common.files import sha256
from layers.common.schemes import scheme
from tools.common.stopping import stop_requests
from tools.detect.boxes import Boxes, boxes_of, read_boxes
from tools.detect.detector import Detector
from tools.detect.inputs import is_video, sources, stems
from tools.detect.journal import Journal
from tools.detect.pictures import PictureRun, left_out
from tools.detect.video import detect_video
from tools.detect.write import write_all
from tools.model.options import in_run, model_options
from tools.model.presets import preset

JOURNAL = "faces.partial.jsonl"
INTERRUPTED = 130
PATH = click.Path(path_type=Path)


def settings(detector: Detector, weights: Path, given: Boxes | None, drawing: str) -> dict[str, str]:
    """What the results depend on beside the pictures, in short."""
    about = [given, drawing, detector.about.margin, asdict(detector.calibration) if detector.calibration else None]
    digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    return {"preset": detector.preset.name, "weights": sha256(weights), "rest": digest}


def check_out(out: Path, files: Sequence[Path]) -> None:
    """RarError when the results would lie among the pictures, and might replace one."""
    if any(file.parent.resolve() == out.resolve() for file in files):
        raise RarError(f"--out {out} is the folder of the pictures themselves: give another one")


@click.command(help=__doc__)
@click.argument("words", nargs=-1, required=True, metavar="IMAGE|FOLDER|GLOB|VIDEO...")
@model_options
@in_run("--out", "detected", "folder to write to")
@click.option(
    "--boxes", type=PATH, help="your own boxes: CSV name,x0,y0,x1,y1, JSON by name, folder of .pts, 300-W .mat"
)
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="faces at a time")
@click.option("--gpu", type=click.IntRange(0), help="number of the GPU to use; without it the CPU is used")
@click.option(
    "--trace", "drawing", flag_value="trace", help="draw the way of every landmark and the attention centres too"
)
@click.option("--no-overlay", "drawing", flag_value="none", help="write no pictures and no videos")
def main(
    words: tuple[str, ...],
    name: str,
    weights: Path,
    out: Path,
    boxes: Path | None,
    batch: int,
    gpu: int | None,
    drawing: str | None,
) -> None:
    files, problems = sources(words)
    for problem in problems:
        print(f"left out: {problem}", file=sys.stderr)
    if not files:
        sys.exit(1)
    check_out(out, files)
    given = read_boxes(boxes, preset(name).landmarks) if boxes else None
    detector = Detector(name, weights, batch, gpu)
    names, drawing = stems(files), drawing or "shape"
    pictures, videos = [f for f in files if not is_video(f)], [f for f in files if is_video(f)]
    bad = len(problems)
    with stop_requests() as stop:
        if pictures:
            run = PictureRun(detector, names, given, out, drawing)
            detect_pictures(run, pictures, settings(detector, weights, given, drawing), stop)
            bad += run.bad
        for video in videos:
            if not stop:
                bad += not show_video(detector, video, out / names[video], given, drawing, stop)
    if stop:
        print("interrupted: what is done is written, and the same command goes on", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if bad:
        sys.exit(1)


def detect_pictures(run: PictureRun, pictures: Sequence[Path], about: dict[str, str], stop: Sequence[int]) -> None:
    """Detect, then write all results at once; the journal stays when the run was stopped."""
    with Journal(run.out / JOURNAL, about) as journal:
        if journal.done:
            print(f"{journal.path}: {len(journal.done)} pictures are done", file=sys.stderr)
        run.run(pictures, journal, stop)
        faces, done = write_all(run.out, journal.records(), scheme(run.detector.preset.scheme).landmarks)
        if not stop:
            journal.remove()
    print(f"{run.out}: {faces} faces in {done} of {len(pictures)} pictures")


def show_video(
    detector: Detector, video: Path, target: Path, given: Boxes | None, drawing: str, stop: Sequence[int]
) -> bool:
    """Detect on a video and say what was found; False when it was left out."""
    try:
        boxes = None if given is None else boxes_of(given, video) or None
        faces = detect_video(detector, video, target, boxes, drawing, stop)
    except RarError as error:
        left_out(video, error)
        return False
    print(f"{target}.jsonl: {faces} faces followed")
    return True


if __name__ == "__main__":
    run_command(main)
