"""How far the pose of the landmarks found is from that of the annotated ones, by how far the head is turned."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from layers.common.shapes import FloatArray
from tools.common.pose import head_pose
from tools.evaluate.bins import bins
from tools.evaluate.own import Score
from tools.evaluate.table import Cell, Row, Table

TURNS = (5, 10, 20, 30, 45)  # degrees to either side, edges of ranges
COLUMNS = ("faces", "yaw", "pitch", "roll", "nine of ten", "NME")
NOTES = (
    "yaw, pitch, roll: median of the size of the difference, degrees; nine of ten: the yaw's of nine of ten faces is "
    "less; the rows are by the annotated landmarks' yaw",
    "what the mean 3-D face itself is wrong by is not in it: both poses are of that face laid under the landmarks",
)


def poses(shapes: Iterable[FloatArray], scheme: str) -> FloatArray:
    """Yaw, pitch and roll (n, 3) of n shapes (L, 2), degrees; NaN where they are not known."""
    found = [head_pose(shape, scheme) or (np.nan,) * 3 for shape in shapes]
    return np.array(found, dtype=np.float64)


def between(first: FloatArray, second: FloatArray) -> FloatArray:
    """The size of the difference of angles, degrees, the shorter way round."""
    return np.asarray(np.abs((first - second + 180) % 360 - 180))


def pose_table(score: Score, fewest: int) -> Table:
    """The last shapes' pose against the annotated ones', a row a range of yaw."""
    faces, label = score.results.faces, score.results.model.name
    title = f"Pose of the landmarks found against that of the annotated, {label}, degrees"
    true = poses((face.ground_truth for face in faces), score.kind.name)
    away = between(poses((face.stages[-1] for face in faces), score.results.scheme), true)
    known = np.isfinite(away).all(axis=1)
    if not known.any():
        notes = (f"nothing to show: landmarks of scheme {score.kind.name} tell no pose",)
        return Table(f"where_pose_{label}", title, "yaw", COLUMNS, (), notes)
    rows = []
    for part in bins(np.where(known, np.abs(true[:, 0]), np.nan), TURNS, fewest):
        chosen = away[part.members]
        medians = [Cell(float(value), decimals=1) for value in np.median(chosen, axis=0)]
        most = Cell(float(np.percentile(chosen[:, 0], 90)), decimals=1)
        error = Cell(100 * float(score.final[part.members].mean()))
        rows.append(Row(part.label("°"), (Cell(part.faces, decimals=0), *medians, most, error)))
    return Table(f"where_pose_{label}", title, "yaw", COLUMNS, tuple(rows), NOTES)
