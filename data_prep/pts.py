"""Landmark files (.pts) of the 300-W family: 1-based pixels in the file, 0-based in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layers.common.errors import RarError, reason
from layers.common.text_files import read_text

FARTHEST = 1e6  # px: what lies farther off is no pixel of a picture


def read_points(path: Path, landmarks: int) -> NDArray[np.float64]:
    """Read a .pts file, with or without its header, as (landmarks, 2) 0-based image px.

    RarError: unreadable, cut short, a wrong number of points, a coordinate that is none.
    """
    return _read(path, landmarks)


def read_any_points(path: Path) -> NDArray[np.float64]:
    """`read_points` for as many landmarks as the file has."""
    return _read(path, None)


def _read(path: Path, landmarks: int | None) -> NDArray[np.float64]:
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise RarError(f"{path}: unreadable ({reason(error)}): replace it") from None
    points = _parse(_body(text, path), path)
    wanted = len(points) if landmarks is None else landmarks
    for count in (len(points), _stated_count(text)):
        if count is not None and count != wanted:
            raise RarError(f"{path}: {count} points, not {wanted}: replace it")
    if not (np.abs(points) < FARTHEST).all():  # NaN is not
        raise RarError(f"{path}: a coordinate is not a number under {FARTHEST:,.0f}: replace it")
    return points - 1


def write_points(path: Path, shape: NDArray[np.floating]) -> None:
    """Write a shape (L, 2) of 0-based px with the usual header."""
    path.write_text(points_text(shape), encoding="utf-8")


def points_text(shape: NDArray[np.floating]) -> str:
    """What `write_points` writes."""
    lines = [f"{x:.6f} {y:.6f}" for x, y in np.asarray(shape, np.float64) + 1]
    return "\n".join(["version: 1", f"n_points: {len(lines)}", "{", *lines, "}", ""])


def _body(text: str, path: Path) -> str:
    if "{" not in text:
        return text
    body, end, _ = text.partition("{")[2].partition("}")
    if not end:
        raise RarError(f"{path}: cut short, no closing brace: replace it")
    return body


def _stated_count(text: str) -> int | None:
    for line in text.partition("{")[0].splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() == "n_points" and value.strip().isdecimal():
            return int(value)
    return None


def _parse(body: str, path: Path) -> NDArray[np.float64]:
    rows = [line.replace(",", " ").split() for line in body.splitlines() if line.strip()]
    try:
        points = np.array([[float(number) for number in row] for row in rows], np.float64)
    except ValueError:
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2:
        raise RarError(f"{path}: not a list of x y pairs: replace it")
    return points
