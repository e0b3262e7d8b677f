"""What a detection leaves on the disk: .pts per face, JSON and CSV of all, pictures with the shapes on them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from data_prep.images import Image
from data_prep.pts import write_points
from layers.common.files import finished_file
from layers.common.schemes import Scheme
from layers.common.shapes import FloatArray
from tools.detect.detector import Face

SHIFT = 4  # OpenCV draws at sixteenths of a pixel
FINAL, RIM, PATH, CENTRE = (200, 230, 46), (40, 30, 20), (31, 162, 255), (95, 30, 240)  # BGR


def as_json(name: str, face: Face) -> dict[str, object]:
    """One face as JSON: px to 2 decimals."""
    return {
        "image": name,
        "box": np.round(face.box, 2).tolist(),
        "points": np.round(face.points, 2).tolist(),
        "confidence": np.round(face.confidence.astype(float), 4).tolist(),
        "s_d": np.round(face.s_d, 2).tolist(),
        "stages": np.round(face.stages, 2).tolist(),
        "centres": face.centres.tolist(),
    }


def write_faces(folder: Path, stem: str, faces: list[Face]) -> None:
    """`stem`.pts for one face, `stem`_1.pts ... for several."""
    for number, face in enumerate(faces, start=1):
        name = f"{stem}.pts" if len(faces) == 1 else f"{stem}_{number}.pts"
        with finished_file(folder / name) as part:
            write_points(part, face.points)


def write_all(folder: Path, found: Iterable[tuple[str, list[Face]]], landmarks: int) -> None:
    """faces.json, a list, and faces.csv: image, face, box, then x and y of every landmark; 0-based px."""
    rows = [(name, number, face) for name, faces in found for number, face in enumerate(faces, start=1)]
    with finished_file(folder / "faces.json") as part:
        part.write_text("[\n" + ",\n".join(json.dumps(as_json(name, face)) for name, _, face in rows) + "\n]\n")
    head = ["image", "face", "x0", "y0", "x1", "y1"]
    head += [f"{axis}_{landmark + 1}" for landmark in range(landmarks) for axis in "xy"]
    with finished_file(folder / "faces.csv") as part, part.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        for name, number, face in rows:
            numbers = [*face.box, *face.points.ravel()]
            writer.writerow([name, number, *(f"{value:.2f}" for value in numbers)])


def overlay(image: Image, faces: list[Face], scheme: Scheme, *, trace: bool) -> Image:
    """A copy of the image with every face's final shape; `trace`: and the way of every landmark and the centres."""
    drawn = image.copy()
    for face in faces:
        thick = max(1, round(np.ptp(face.points, axis=0).max() / 180))
        for indices, closed in scheme.curves:
            line = _fixed(face.points[list(indices)])
            cv2.polylines(drawn, [line], closed, RIM, thick + 2, cv2.LINE_AA, SHIFT)
            cv2.polylines(drawn, [line], closed, FINAL, thick, cv2.LINE_AA, SHIFT)
        if trace:
            for path in face.stages.transpose(1, 0, 2):
                cv2.polylines(drawn, [_fixed(path)], False, PATH, thick, cv2.LINE_AA, SHIFT)
            for landmark in dict.fromkeys(face.centres.tolist()):
                _dot(drawn, face.points[landmark], 3 * thick, CENTRE)
    return drawn


def _fixed(points: FloatArray) -> np.ndarray:
    return np.rint(points * (1 << SHIFT)).astype(np.int32)


def _dot(image: Image, point: FloatArray, radius: int, colour: tuple[int, int, int]) -> None:
    x, y = (int(value) for value in _fixed(point))
    cv2.circle(image, (x, y), radius << SHIFT, colour, -1, cv2.LINE_AA, SHIFT)
