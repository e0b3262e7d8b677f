"""Many pictures: read, detected together, written one by one; what is wrong with one is said in a line."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from data_prep.images import Image, read_upright
from layers.common.errors import FOR_ALL, RarError, named
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray
from tools.detect.arguments import usable_boxes
from tools.detect.boxes import Boxes
from tools.detect.detector import Detector, Face
from tools.detect.folder import ResultFolder
from tools.detect.journal import Journal, fingerprint
from tools.detect.overlay import overlay
from tools.detect.write import as_json, point_files, write_faces, write_picture

PIXELS = 60_000_000  # of the pictures that are in memory together


class Picture(NamedTuple):
    """A picture read, as it was then, with its given boxes (None: to be found)."""

    file: Path
    source: list[Any]
    image: Image
    boxes: FloatArray | None


def left_out(problem: object) -> None:
    """Say on stderr what is left out, and why, beside the progress bar."""
    tqdm.write(f"left out: {problem}", file=sys.stderr)


class PictureRun:
    """Detects on pictures and writes to `folder`. names: what the results of each are called.

    given: boxes, None: to be found. drawing: none, shape, trace. bad: how many were left out so far, each with a line
    on stderr. done: the fingerprints of the others.
    """

    def __init__(
        self, detector: Detector, names: Mapping[Path, str], given: Boxes | None, folder: ResultFolder, drawing: str
    ) -> None:
        self.detector, self.names, self.given, self.folder, self.drawing = detector, names, given, folder, drawing
        self.bad = 0
        self.done: list[list[Any]] = []
        self._same = Counter(file.name for file in names)

    def fingerprints(self, files: Sequence[Path]) -> Iterator[list[Any]]:
        """The fingerprints of those that are there."""
        for file in files:
            try:
                yield fingerprint(file, self.names[file])
            except OSError:
                continue

    def run(self, files: Sequence[Path], journal: Journal, stop: Sequence[int]) -> None:
        """All files that the journal does not have yet; ends early once `stop` is not empty."""
        with tqdm(total=len(files), unit="image", disable=len(files) == 1) as progress:
            for group in self._groups(files, journal, progress):
                self._detect(group, journal)
                progress.update(len(group))
                if stop:
                    break

    @contextmanager
    def leaving_out(self, file: Path) -> Iterator[None]:
        """Whatever goes wrong with a file costs that file alone, and is said."""
        try:
            with named(file):
                yield
        except RarError as error:
            left_out(error)
            self.bad += 1

    def _groups(self, files: Sequence[Path], journal: Journal, progress: tqdm) -> Iterator[list[Picture]]:
        """Pictures for one call of the detector: as many as a batch has faces, but not too large together."""
        group: list[Picture] = []
        for file in files:
            picture = None
            with self.leaving_out(file):
                source = fingerprint(file, self.names[file])
                if journal.has(source):
                    self.done.append(source)
                else:
                    picture = self._read(file, source)
            if picture is None:
                progress.update()
                continue
            group.append(picture)
            if len(group) == self.detector.batch or sum(p.image.shape[0] * p.image.shape[1] for p in group) > PIXELS:
                yield group
                group = []
        if group:
            yield group

    def _read(self, file: Path, source: list[Any]) -> Picture:
        image = read_upright(file)
        return Picture(file, source, image, None if self.given is None else self._boxes(self.given, file, image))

    def _boxes(self, given: Boxes, file: Path, image: Image) -> FloatArray:
        """Those that lie on the picture; each other is said. RarError when there are none."""
        kept, problems = usable_boxes(given.of(file), image)
        if not len(kept):
            raise RarError(f"{file}: {problems[0] if problems else given.problem(file)}")
        for problem in problems:
            left_out(f"{file}: {problem}")
            self.bad += 1
        return kept

    def _detect(self, group: Sequence[Picture], journal: Journal) -> None:
        """All together; one by one where that fails, to see with which of them."""
        try:
            found = self.detector.detect_many([p.image for p in group], [p.boxes for p in group])
        except Exception as error:
            if len(group) > 1 and getattr(error, "errno", None) not in FOR_ALL:
                for picture in group:
                    self._detect([picture], journal)
                return
            with self.leaving_out(group[0].file):
                raise
            return
        for picture, faces in zip(group, found, strict=True):
            with self.leaving_out(picture.file):
                self._write(picture, faces, journal)

    def _write(self, picture: Picture, faces: list[Face], journal: Journal) -> None:
        if not faces:
            raise RarError(f"{picture.file}: no face found")
        file, name, out = picture.file, self.names[picture.file], self.folder.path
        drawn = [f"{name}.jpg"] if self.drawing != "none" else []
        files = [*drawn, *point_files(name, len(faces))]
        self.folder.claim(*files)
        if drawn:
            drawing = overlay(picture.image, faces, scheme(self.detector.preset.scheme), trace=self.drawing == "trace")
            write_picture(out / drawn[0], drawing)
        write_faces(out, name, faces)
        label = file.name if self._same[file.name] == 1 else str(file)  # folders tell two of one name apart
        journal.add(picture.source, {"files": files, "faces": [as_json(label, face) for face in faces]})
        self.done.append(picture.source)
