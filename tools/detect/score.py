"""The detector on photographs with known landmarks: found boxes beside given ones, and the time.

Every photograph of a 300-W set goes the way of anyone's picture: read, face found, landmarks; then once more with the
box that 300-W gives. Writes detect.md to --out: how many faces are found, the error with either box, the time a face.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from data_prep import w300
from data_prep.images import read_image
from data_prep.records import FaceRecord
from layers.common.errors import RarError, run_command
from layers.common.files import finished_file
from layers.common.metrics import face_errors, failure_rate
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray
from tools.build.environment import usable_cores
from tools.common.version import commit
from tools.detect.detector import Detector
from tools.detect.tracker import overlap
from tools.evaluate.table import Cell, Row, Table, as_markdown, as_text
from tools.model.options import in_run, model_options

PATH = click.Path(path_type=Path)
COLUMNS = ("faces", "NME pupils %", "NME corners %", "over 10 %")
ON_FACE = 0.3  # intersection over union with the given box, from which a found box is of that face


@dataclass(frozen=True)
class Scored:
    """One face. shapes by the found box (None: not found) and by the given one; milliseconds from file to landmarks.

    others: boxes found elsewhere on the photograph.
    """

    truth: FloatArray
    by_found: FloatArray | None
    by_given: FloatArray
    others: int
    finding: float
    whole: float


def score(detector: Detector, record: FaceRecord) -> Scored:
    """A face of a photograph; the time is of the way with the found boxes, all faces of the photograph included."""
    began = time.perf_counter()
    image = read_image(record.image)
    ready = time.perf_counter()
    boxes = detector.find(image)
    found = time.perf_counter()
    faces = detector.detect(image, boxes)
    done = time.perf_counter()
    here = [face for face in faces if overlap(face.box, record.box) > ON_FACE]
    best = max(here, key=lambda face: overlap(face.box, record.box), default=None)
    (given,) = detector.detect(image, [record.box])
    return Scored(
        truth=record.shape,
        by_found=best.points if best else None,
        by_given=given.points,
        others=len(faces) - len(here),
        finding=1000 * (found - ready),
        whole=1000 * (done - began),
    )


def row(label: str, found: FloatArray, truth: FloatArray) -> Row:
    """Errors of one way over faces (n, L, 2)."""
    kind = scheme(truth.shape[1])
    pupil, corner = (face_errors(found, truth, kind, name) for name in ("pupil", "corner"))
    numbers = (float(len(truth)), 100 * pupil.mean(), 100 * corner.mean(), 100 * failure_rate(pupil))
    return Row(label, tuple(map(Cell, numbers)))


def table(faces: Sequence[Scored], name: str, notes: Sequence[str]) -> Table:
    """Found boxes against given ones, and the times."""
    met = [face for face in faces if face.by_found is not None]
    if not met:
        raise RarError(f"no face of {name} was found")
    rows = (
        row("found boxes, faces found", np.stack([f.by_found for f in met if f.by_found is not None]), _truth(met)),
        row("given boxes, the same faces", np.stack([f.by_given for f in met]), _truth(met)),
        row("given boxes, all faces", np.stack([f.by_given for f in faces]), _truth(faces)),
    )
    counts = f"found: {len(met)} of {len(faces)} faces; boxes elsewhere: {sum(f.others for f in faces)}"
    finding, whole = (np.median([getattr(f, what) for f in faces]) for what in ("finding", "whole"))
    speed = f"median of a photograph from file to landmarks: {whole:.0f} ms, of which finding {finding:.0f} ms"
    title = f"{name}: per cent of the distance of the eyes, by the face box"
    return Table("detect", title, "way", COLUMNS, rows, (counts, f"{speed}, {usable_cores()} cores", *notes))


def _truth(faces: Sequence[Scored]) -> FloatArray:
    return np.stack([face.truth for face in faces])


@click.command(help=__doc__)
@model_options
@click.option("--raw", type=PATH, required=True, help="root of 300-W in its official layout")
@click.option("--set", "subset", type=click.Choice(w300.SETS), default="helen", show_default=True)
@in_run("--out", "", "folder for detect.md")
def main(name: str, weights: Path, raw: Path, subset: str, out: Path) -> None:
    scans = w300.scan(raw, [subset], "detector")
    for problem in (problem for scan in scans for problem in scan.problems):
        click.echo(f"left out: {problem}", err=True)
    records = [record for scan in scans for record in scan.records]
    if not records:
        raise RarError(f"no face of {subset} under {raw}: give the root of 300-W")
    detector = Detector(name, weights)
    faces = [score(detector, record) for record in tqdm(records, unit="face")]
    notes = (f"model {name}, {weights} (sha256 {detector.sha256[:12]}), commit {commit()[:12]}",)
    made = table(faces, f"{subset}, {len(faces)} faces", notes)
    with finished_file(out / "detect.md") as part:
        part.write_text(as_markdown([made]), encoding="utf-8")
    print(as_text([made]))


if __name__ == "__main__":
    run_command(main)
