"""Faces and errors as Parquet.

faces, a row a face: image (the picture's path), face (1, 2, ... in it), box (4) x0 y0 x1 y1, points (2L) x y of every
landmark of the final shape, confidence (L), s_d (2L), centres (T), pose (3), yaw, pitch and roll in degrees, NaN where
they are not known; with `stages` also stages (2L(T+1)), s_hat_0 ... s_hat_T. Px of the picture, 0-based, float32;
centres are landmarks counted from 0. errors, a row a picture that has no faces or a box that cannot be used: image,
reason.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tools.detect.detector import Face
from tools.many.job import Job
from tools.model.presets import preset

ERRORS = pa.schema({"image": pa.string(), "reason": pa.string()})


class Found(NamedTuple):
    """What there is in a picture: faces, or the reason why there are none, or not one for every box."""

    path: str
    faces: Sequence[Face]
    reason: str = ""


class Part(NamedTuple):
    """The Parquet files of a chunk, errors only where there are any; its faces, and its pictures without any."""

    faces: bytes
    errors: bytes | None
    face_count: int
    error_count: int


def part(job: Job, found: Sequence[Found]) -> Part:
    """The part that a chunk's pictures make; its metadata names preset, weights and versions."""
    rows = [(picture.path, number, face) for picture in found for number, face in enumerate(picture.faces, start=1)]
    lacking = [(picture.path, picture.reason) for picture in found if picture.reason]
    faces = [face for _, _, face in rows]
    landmarks, steps = preset(job.preset).landmarks, preset(job.preset).steps
    columns = {
        "image": _texts([path for path, _, _ in rows]),
        "face": pa.array([number for _, number, _ in rows], pa.int32()),
        "box": _lists([face.box for face in faces], 4),
        "points": _lists([face.points for face in faces], 2 * landmarks),
        "confidence": _lists([face.confidence for face in faces], landmarks),
        "s_d": _lists([face.s_d for face in faces], 2 * landmarks),
        "centres": _lists([face.centres for face in faces], steps, np.int16),
        "pose": _lists([face.pose or (np.nan,) * 3 for face in faces], 3),
    }
    if job.stages:
        columns["stages"] = _lists([face.stages for face in faces], 2 * landmarks * (steps + 1))
    origin = {"preset": job.preset, "weights_sha256": job.sha256, **dict(job.versions)}
    table = pa.table(columns).replace_schema_metadata(origin)
    errors = pa.table([_texts(column) for column in zip(*lacking, strict=True)], ERRORS) if lacking else None
    without = sum(not picture.faces for picture in found)
    return Part(_stored(table), None if errors is None else _stored(errors), len(rows), without)


def _texts(values: Sequence[str]) -> Any:
    r"""Strings; bytes of a file name that are not UTF-8 as \xe9."""
    return pa.array([os.fsencode(value).decode("utf-8", "backslashreplace") for value in values], pa.string())


def _lists(values: Sequence[Any], length: int, kind: type = np.float32) -> Any:
    """Arrays as lists of `length` numbers."""
    flat = np.concatenate([np.ravel(value) for value in values]).astype(kind) if values else np.empty(0, kind)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), length)


def _stored(table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())
