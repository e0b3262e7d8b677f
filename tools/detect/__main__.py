"""Landmarks on pictures: python3 -m tools.detect --preset P --weights FILE --out DIR IMAGE|FOLDER|GLOB ...

Writes .pts for every face, faces.json and faces.csv for all, and the pictures with the shapes drawn on them. A picture
that cannot be read, or without a face, is named and the rest goes on; the status is 1 then.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import cv2
from tqdm import tqdm

from data_prep.images import read_upright
from layers.common.errors import RarError, run_command
from layers.common.files import finished_file
from layers.common.schemes import scheme
from tools.detect.detector import Detector, Face
from tools.detect.write import overlay, write_all, write_faces

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
PATH = click.Path(path_type=Path)
Boxes = dict[str, list[list[float]]]


def pictures(words: Sequence[str]) -> list[Path]:
    """The files that images, folders and globs name, each once; RarError for a word that names none."""
    found: dict[Path, None] = {}
    for word in words:
        path = Path(word)
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        else:
            files = [path] if path.is_file() else sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if not files:
            raise RarError(f"{word}: no picture of that name: give an image, a folder or a glob")
        found |= dict.fromkeys(files)
    return list(found)


def read_boxes(path: Path) -> Boxes:
    """Boxes by file name: a CSV of lines name,x0,y0,x1,y1, or JSON {name: [[x0, y0, x1, y1], ...]}; px, 0-based."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            return {str(name): [[float(v) for v in box] for box in boxes] for name, boxes in json.loads(text).items()}
        boxes: Boxes = {}
        for row in csv.reader(text.splitlines()):
            if row and row[0] not in ("image", "name"):
                name, *numbers = row[:5]
                boxes.setdefault(name.strip(), []).append([float(number) for number in numbers])
        return boxes
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RarError(f"{path} is no list of boxes ({error}): lines name,x0,y0,x1,y1, or JSON by name") from error


@click.command(help=__doc__)
@click.argument("words", nargs=-1, required=True)
@click.option("--preset", "name", default="vgg19_128", show_default=True)
@click.option("--weights", type=PATH, required=True, help="caffemodel of that preset")
@click.option("--out", type=PATH, required=True, help="folder to write to")
@click.option("--boxes", type=PATH, help="your own face boxes: CSV name,x0,y0,x1,y1 or JSON by name")
@click.option("--batch", default=8, show_default=True, help="faces at a time")
@click.option("--trace", is_flag=True, help="draw the way of every landmark and the attention centres too")
@click.option("--no-overlay", is_flag=True, help="write no pictures")
def main(
    words: tuple[str, ...],
    name: str,
    weights: Path,
    out: Path,
    boxes: Path | None,
    batch: int,
    trace: bool,
    no_overlay: bool,
) -> None:
    files, given = pictures(words), read_boxes(boxes) if boxes else None
    detector = Detector(name, weights, batch)
    kind = scheme(detector.preset.scheme)
    found: list[tuple[str, list[Face]]] = []
    bad = 0
    for file in tqdm(files, unit="image", disable=len(files) == 1):
        try:
            image = read_upright(file)
            faces = detector.detect(image, None if given is None else given.get(file.name, []))
            if not faces:
                raise RarError(f"{file}: no face {'in the list of boxes' if given is not None else 'found'}")
        except RarError as error:
            tqdm.write(
                f"left out: {error}" if str(file) in str(error) else f"left out: {file}: {error}", file=sys.stderr
            )
            bad += 1
            continue
        write_faces(out, file.stem, faces)
        if not no_overlay:
            with finished_file(out / f"{file.stem}.jpg") as part:
                part.write_bytes(cv2.imencode(".jpg", overlay(image, faces, kind, trace=trace))[1].tobytes())
        found.append((file.name, faces))
    write_all(out, found, kind.landmarks)
    print(f"{out}: {sum(len(faces) for _, faces in found)} faces in {len(found)} of {len(files)} pictures")
    if bad:
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
