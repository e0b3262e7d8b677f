"""Many pictures: read, detected together, written one by one; what is wrong with one is said in a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from data_prep.images import Image, read_upright
from layers.common.errors import RarError
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray
from tools.detect.arguments import checked_boxes
from tools.detect.boxes import Boxes, boxes_of
from tools.detect.detector import Detector, Face
from tools.detect.journal import Journal, fingerprint
from tools.detect.overlay import overlay
from tools.detect.write import as_json, write_faces, write_picture

PIXELS = 60_000_000  # of the pictures that are in memory together


class Picture(NamedTuple):
    """A picture read, with its given boxes (None: to be found)."""

    file: Path
    image: Image
    boxes: FloatArray | None


def left_out(file: Path, error: RarError) -> None:
    """Say on stderr that a file is left out, and why, beside the progress bar."""
    text = str(error)
    tqdm.write(f"left out: {text if str(file) in text else f'{file}: {text}'}", file=sys.stderr)


class PictureRun:
    """Detects on pictures and writes to `out`. names: what the results of each are called; drawing: none, shape, trace.

    bad: how many were left out so far, each with a line on stderr.
    """

    def __init__(
        self, detector: Detector, names: Mapping[Path, str], given: Boxes | None, out: Path, drawing: str
    ) -> None:
        self.detector, self.names, self.given, self.out, self.drawing = detector, names, given, out, drawing
        self.bad = 0

    def run(self, files: Sequence[Path], journal: Journal, stop: Sequence[int]) -> None:
        """All files that the journal does not have yet; ends early once `stop` is not empty."""
        with tqdm(total=len(files), unit="image", disable=len(files) == 1) as progress:
            for group in self._groups(files, journal, progress):
                self._detect(group, journal)
                progress.update(len(group))
                if stop:
                    break

    def _groups(self, files: Sequence[Path], journal: Journal, progress: tqdm) -> Iterator[list[Picture]]:
        """Pictures for one call of the detector: as many as a batch has faces, but not too large together."""
        group: list[Picture] = []
        for file in files:
            picture = None if journal.has(fingerprint(file)) else self._read(file)
            if picture is None:
                progress.update()
                continue
            group.append(picture)
            if len(group) == self.detector.batch or sum(p.image.shape[0] * p.image.shape[1] for p in group) > PIXELS:
                yield group
                group = []
        if group:
            yield group

    def _read(self, file: Path) -> Picture | None:
        try:
            image = read_upright(file)
            boxes = None if self.given is None else checked_boxes(boxes_of(self.given, file), image)
            if boxes is not None and not len(boxes):
                raise RarError(f"{file}: no face in the list of boxes")
            return Picture(file, image, boxes)
        except RarError as error:
            self._leave_out(file, error)
            return None

    def _detect(self, group: Sequence[Picture], journal: Journal) -> None:
        found = self.detector.detect_many([p.image for p in group], [p.boxes for p in group])
        for picture, faces in zip(group, found, strict=True):
            try:
                self._write(picture, faces, journal)
            except RarError as error:
                self._leave_out(picture.file, error)

    def _write(self, picture: Picture, faces: list[Face], journal: Journal) -> None:
        if not faces:
            raise RarError(f"{picture.file}: no face found")
        file, name = picture.file, self.names[picture.file]
        if self.drawing != "none":
            drawn = overlay(picture.image, faces, scheme(self.detector.preset.scheme), trace=self.drawing == "trace")
            write_picture(self.out / f"{name}.jpg", drawn)
        write_faces(self.out, name, faces)
        label = file.name if name == file.stem else str(file)  # two of one name are told apart by their folders
        journal.add(fingerprint(file), {"faces": [as_json(label, face) for face in faces]})

    def _leave_out(self, file: Path, error: RarError) -> None:
        left_out(file, error)
        self.bad += 1
