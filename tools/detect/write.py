"""What a detection leaves on the disk: .pts per face, pictures with the shapes on them, JSON and CSV of all faces."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from data_prep.images import Image
from data_prep.pts import write_points
from layers.common.errors import RarError
from layers.common.files import finished_file
from tools.common.pose import HeadPose
from tools.detect.detector import Face
from tools.detect.journal import Record


def as_json(name: str, face: Face) -> dict[str, Any]:
    """One face as JSON: px to 2 decimals, degrees to 1; null is what is not known: expected_error, pose."""
    return {
        "image": name,
        "box": np.round(face.box, 2).tolist(),
        "points": np.round(face.points, 2).tolist(),
        "confidence": np.round(face.confidence.astype(float), 4).tolist(),
        "s_d": np.round(face.s_d, 2).tolist(),
        "stages": np.round(face.stages, 2).tolist(),
        "centres": face.centres.tolist(),
        "expected_error": None if face.expected_error is None else np.round(face.expected_error, 2).tolist(),
        "rank": face.rank.tolist(),
        "pose": face.pose and {name: round(angle, 1) for name, angle in face.pose._asdict().items()},
    }


def point_files(stem: str, faces: int) -> list[str]:
    """What the landmark files of a picture are called: `stem`.pts for one face, `stem`_1.pts ... for several."""
    return [f"{stem}.pts"] if faces == 1 else [f"{stem}_{number}.pts" for number in range(1, faces + 1)]


def write_faces(folder: Path, stem: str, faces: list[Face]) -> None:
    """The landmark files of a picture."""
    for name, face in zip(point_files(stem, len(faces)), faces, strict=True):
        with finished_file(folder / name) as part:
            write_points(part, face.points)


def write_picture(path: Path, image: Image) -> None:
    """As JPEG; RarError for a picture that is too large for one."""
    try:
        stored = cv2.imencode(".jpg", image)[1].tobytes()
    except cv2.error as error:
        size = f"{image.shape[1]} x {image.shape[0]} px"
        raise RarError(f"{path}: no JPEG can be {size}: give --no-overlay, or a smaller picture") from error
    with finished_file(path) as part:
        part.write_bytes(stored)


def write_all(folder: Path, records: Iterable[Record], landmarks: int) -> tuple[int, int]:
    r"""faces.json, a list, and faces.csv, from the records of pictures, one in memory at a time; both numbers.

    A line of faces.csv: image, face, box, then x and y of every landmark, 0-based px; yaw, pitch and roll. Bytes of a
    name that are no UTF-8 stand in it as they are; in faces.json byte e9 is the lone surrogate \udce9, as Python reads
    it.
    """
    head = ["image", "face", "x0", "y0", "x1", "y1"]  # tools.detect.boxes reads it back
    head += [f"{axis}_{landmark + 1}" for landmark in range(landmarks) for axis in "xy"]
    head += HeadPose._fields
    faces = pictures = 0
    with (
        finished_file(folder / "faces.json") as json_part,
        finished_file(folder / "faces.csv") as csv_part,
        json_part.open("w", encoding="utf-8") as json_file,
        csv_part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as csv_file,
    ):
        writer = csv.writer(csv_file)
        writer.writerow(head)
        for record in records:
            pictures += 1
            for number, face in enumerate(record["faces"], start=1):
                json_file.write(("[\n" if not faces else ",\n") + json.dumps(face))
                numbers = [*face["box"], *(value for point in face["points"] for value in point)]
                angles = (face.get("pose") or dict.fromkeys(HeadPose._fields, "")).values()
                writer.writerow([face["image"], number, *(f"{value:.2f}" for value in numbers), *angles])
                faces += 1
        json_file.write("\n]\n" if faces else "[]\n")
    return faces, pictures
