"""Landmarks on pictures and videos.

Writes .pts for every face, faces.json and faces.csv for all, model.json, and the pictures with the shapes drawn on
them; for a video NAME.jsonl, a line per face and frame, and NAME.mp4. What cannot be read, or has no face, is named and
the rest goes on; the status is 1 then. After Ctrl-C, what is done is written, and the same command goes on with the
others.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from layers.common.errors import RarError, readable, run_command
from layers.common.schemes import scheme
from tools.common.stopping import stop_requests
from tools.detect.boxes import Boxes, read_boxes
from tools.detect.detector import Detector
from tools.detect.folder import ResultFolder
from tools.detect.inputs import JOURNAL, is_video, sources, stems
from tools.detect.journal import Journal
from tools.detect.model_note import FILE as MODEL
from tools.detect.model_note import write_model_note
from tools.detect.pictures import PictureRun, left_out
from tools.detect.video import detect_video
from tools.detect.write import write_all
from tools.model.options import in_run, model_options
from tools.model.presets import preset

INTERRUPTED = 130
PATH = click.Path(path_type=Path)


def settings(detector: Detector, given: Boxes | None, drawing: str) -> dict[str, str]:
    """What the results depend on beside the pictures, in short."""
    boxes = given.by_name if given else None
    about = [boxes, drawing, detector.about.margin, asdict(detector.calibration) if detector.calibration else None]
    digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    return {"preset": detector.preset.name, "weights": detector.sha256, "rest": digest}


def check_out(out: Path, files: Sequence[Path]) -> None:
    """RarError when the results would lie among the pictures, and might replace one."""
    folder = os.path.realpath(out)
    if any(os.path.realpath(file.parent) == folder for file in files):
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
@click.option("--smooth", is_flag=True, help="steady points in videos: One-Euro filter")
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
    smooth: bool,
) -> None:
    found = sources(words)
    for problem in found.problems:
        left_out(problem)
    for folder in found.passed_over:
        print(f"passed over in {folder}", file=sys.stderr)
    if not found.files:
        sys.exit(1)
    check_out(out, found.files)
    given = read_boxes(boxes, preset(name).landmarks) if boxes else None
    for problem in given.problems if given else ():
        left_out(problem)
    bad = len(found.problems) + (len(given.problems) if given else 0)
    detector = Detector(name, weights, batch, gpu)
    with ResultFolder(out) as results, stop_requests() as stop:
        run = PictureRun(detector, stems(found.files), given, results, drawing or "shape")
        detect_pictures(run, found.files, settings(detector, given, run.drawing), stop)
        for video in filter(is_video, found.files):
            if not stop:
                detect_one_video(run, video, stop, smooth=smooth)
    if stop:
        print("interrupted: what is done is written, and the same command goes on", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if bad + run.bad:
        sys.exit(1)


def detect_pictures(run: PictureRun, files: Sequence[Path], about: dict[str, str], stop: Sequence[int]) -> None:
    """Pictures, then all their results at once; the journal stays when the run was stopped."""
    pictures = [f for f in files if not is_video(f)]
    out = run.folder.path
    with Journal(out / JOURNAL, about) as journal:
        kept: list[str] = []
        done = 0
        for record in journal.records(run.fingerprints(pictures)):
            kept += record["files"]
            done += 1
        if done:
            print(f"{readable(journal.path)}: {done} pictures are done", file=sys.stderr)
        if old := run.folder.keep_only([*kept, MODEL]):
            print(f"{readable(out)}: {old} files of an earlier run are removed", file=sys.stderr)
        run.folder.claim(MODEL)
        write_model_note(out, run.detector, "given" if run.given else "found")
        if pictures:
            run.run(pictures, journal, stop)
            run.folder.claim("faces.json", "faces.csv")
            landmarks = scheme(run.detector.preset.scheme).landmarks
            faces, count = write_all(out, journal.records(run.done), landmarks)
            print(f"{out}: {faces} faces in {count} of {len(pictures)} pictures")
        if not stop:
            journal.remove()


def detect_one_video(run: PictureRun, video: Path, stop: Sequence[int], *, smooth: bool) -> None:
    """Detect on a video and say what was found, or why it is left out."""
    target = run.folder.path / run.names[video]
    with run.leaving_out(video):
        boxes = run.given.of(video) or None if run.given else None
        run.folder.claim(f"{target.name}.jsonl", *([f"{target.name}.mp4"] if run.drawing != "none" else []))
        faces = detect_video(run.detector, video, target, boxes, run.drawing, stop, smooth=smooth)
        print(f"{target}.jsonl: {faces} faces followed")


if __name__ == "__main__":
    run_command(main)
