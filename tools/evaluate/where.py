"""Where the error lies: by part of the face, by pose, size and share hidden, and which faces have most of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from layers.common import metrics
from layers.common.errors import RarError
from layers.common.schemes import SCHEME_5, SCHEME_29
from layers.common.shapes import FloatArray
from tools.evaluate import aflw, cofw
from tools.evaluate.bins import FEWEST, bins
from tools.evaluate.face_properties import Property, face_properties
from tools.evaluate.origin import origin
from tools.evaluate.own import Score, measure, scored, stacked
from tools.evaluate.pose_error import pose_table
from tools.evaluate.results import Results, read_results
from tools.evaluate.statistics import mean_interval
from tools.evaluate.table import Cell, Row, Table

WORST = 10  # faces
NOTES = (
    "low, high: 95 % interval of the last shape's mean, by 9999 resamples of the faces; FR10: faces over 10 %",
    "change: the last shape less S_hat_0, face by face, below 0 where the steps help, and its 95 % interval",
)


def evaluate(path: Path, subset: str | None = None, train: Path | None = None) -> Score:
    """Read and score a results file of any protocol; faces that a map was learnt on are left out.

    subset: the faces of that set alone. train: as `cofw.evaluate` has it. RarError when the file is bad, has no such
    face, or a face has no size to divide by.
    """
    results, truth, shapes = _read(path, train)
    keep = np.array([subset in (None, face.subset) for face in results.faces])
    if not keep.any():
        raise RarError(f"{path} holds no face of the subset {subset}")
    faces = tuple(face for face, kept in zip(results.faces, keep, strict=True) if kept)
    return scored(path, dataclasses.replace(results, faces=faces), truth[keep], shapes[keep])


def _read(path: Path, train: Path | None) -> tuple[Results, FloatArray, FloatArray]:
    """The results of the test faces, their truth and the shapes of its scheme."""
    results = read_results(path, other_truth=True)
    subsets = {face.subset for face in results.faces}
    if results.truth == SCHEME_29.name and cofw.SET in subsets:
        return cofw.read_shapes(path, train)[:3]
    if results.truth == SCHEME_5.name and aflw.SUBSET in subsets:
        return aflw.read_shapes(path)
    if results.truth != results.scheme:
        return cofw.read_shapes(path, train)[:3]  # which says what is missing
    return results, *stacked(results.faces)


def tables(score: Score, fewest: int = FEWEST, seed: int = 0) -> list[Table]:
    """By part and by each property of the faces, per cent of the scheme's normaliser; pose; the worst faces."""
    label, known = score.results.model.name, face_properties(score)
    of = f"{label}, per cent of {measure(score.kind)}"
    source = origin(label, score.results, f"{len(score.size)} faces of scheme {score.kind.name}")
    parts = [
        Row(name, cells(score.errors[:, :, list(members)].mean(axis=-1), seed))
        for name, members in score.kind.groups.items()
    ]
    parts.append(Row("all of it", cells(score.errors.mean(axis=-1), seed)))
    columns = columns_for(score.results.steps)
    made = [Table(f"where_part_{label}", f"Error by part, {of}", "part", columns, tuple(parts), (*NOTES, source))]
    made += [_by(one, score, of, columns, fewest, seed) for one in known]
    return [*made, pose_table(score, fewest), _worst(score, known, of)]


def columns_for(steps: int) -> tuple[str, ...]:
    """What `cells` are, of a method with this many steps."""
    last = (f"S_hat_{steps}",) if steps else ()
    change = ("change", "change low", "change high") if steps else ()
    return ("faces", "S_d", "S_hat_0", *last, "low", "high", "FR10", *change)


def cells(errors: FloatArray, seed: int) -> tuple[Cell, ...]:
    """A row in per cent, of NME (n, S) at S_d, S_hat_0 and maybe later stages, fractions; the last one counts."""
    chosen = 100 * errors
    final, steps = chosen[:, -1], chosen.shape[1] - 2
    means = [chosen[:, 0].mean(), chosen[:, 1].mean(), *([final.mean()] if steps else [])]
    interval = mean_interval(final[None], seed)
    found = [*means, interval.low, interval.high, 100 * metrics.failure_rate(errors[:, -1])]
    found += list(mean_interval((final - chosen[:, 1])[None], seed)) if steps else []
    return (Cell(len(chosen), decimals=0), *(Cell(float(value)) for value in found))


def _by(known: Property, score: Score, of: str, columns: tuple[str, ...], fewest: int, seed: int) -> Table:
    key, title = f"where_{known.key}_{score.results.model.name}", f"Error by {known.title}, {of}"
    if known.missing:
        return Table(key, title, known.key, columns, (), (f"nothing to show: {known.missing}",))
    errors = score.errors.mean(axis=-1)
    rows = tuple(
        Row(part.label(known.unit), cells(errors[part.members], seed))
        for part in bins(known.ranged, known.edges, fewest)
    )
    absent = int(np.isnan(known.values).sum())
    return Table(key, title, known.key, columns, rows, (f"not known of {absent} faces",) if absent else ())


def _worst(score: Score, known: Sequence[Property], of: str) -> Table:
    """The faces themselves."""
    errors, steps = 100 * score.errors.mean(axis=-1), score.results.steps
    stages = {"S_d": 0, "S_hat_0": 1, **({f"S_hat_{steps}": -1} if steps else {})}
    columns = {
        **{name: (errors[:, stage], 2) for name, stage in stages.items()},
        **{f"{one.key},{' ' if one.unit == '°' else ''}{one.unit}": (one.values, 0) for one in known},
    }
    rows = []
    for face in np.argsort(-errors[:, -1], kind="stable")[:WORST].tolist():
        values = ((float(column[face]), decimals) for column, decimals in columns.values())
        shown = (Cell(None if np.isnan(value) else value, decimals=decimals) for value, decimals in values)
        rows.append(Row(score.results.faces[face].name, tuple(shown)))
    title = f"The {len(rows)} faces with the largest error, {of}"
    return Table(f"where_worst_{score.results.model.name}", title, "face", tuple(columns), tuple(rows))
