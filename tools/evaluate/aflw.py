"""AFLW by MTFL's protocol: five points on 2,995 faces, error by the distance of the two eye points, Table 3.

A 68-point model is scored on the five points too: the means of its eyes' landmarks, the nose tip, the mouth corners.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.mtfl import SUBSETS
from layers.common import metrics, paper
from layers.common.errors import RarError
from layers.common.schemes import FIVE_OF_68, SCHEME_68
from layers.common.schemes import SCHEME_5 as SCHEME
from layers.common.shapes import FloatArray
from tools.evaluate.origin import origin, row_labels
from tools.evaluate.own import stacked
from tools.evaluate.results import Results, read_results
from tools.evaluate.table import Cell, Row, Table

SUBSET, RAW = "aflw", "mtfl"
COMPLETE = next(subset.faces for subset in SUBSETS if subset.set == SUBSET)
NORMALISER = "pupil"


@dataclass(frozen=True)
class Score:
    """One results file. errors (n, T+2): NME at S_d, S_hat_0 ... S_hat_T, fractions of the distance of the eyes.

    offset (2,): median distance of the last shapes' points from the annotated ones along x and y, px.
    centred (n,): NME of the last shapes after moving all of them back by it.
    """

    label: str
    results: Results
    errors: FloatArray
    offset: FloatArray
    centred: FloatArray

    @property
    def faces(self) -> int:
        return len(self.errors)

    @property
    def final(self) -> FloatArray:
        """NME (n,) of the last shape."""
        return self.errors[:, -1]

    @property
    def comparable(self) -> bool:
        """Whether these are the faces that the paper measured on, or some of them."""
        return self.results.data.raw == RAW

    @property
    def partial(self) -> bool:
        return self.comparable and self.faces != COMPLETE

    def line(self) -> str:
        """The line that ends every test on AFLW."""
        failures = 100 * metrics.failure_rate(self.final)
        return f"{SUBSET} {self.faces} faces NME_pupil {100 * self.final.mean():.2f} FR10 {failures:.1f}"

    def notes(self) -> list[str]:
        """Origin of the numbers, and what keeps them from the paper's."""
        notes = [origin(self.label, self.results, f"{SUBSET} {self.faces}")]
        if self.results.scheme == SCHEME_68.name:
            notes.append(f"{self.label}: a 68-point model; eye means, nose tip and mouth corners are scored")
        if self.partial:
            notes.append(
                f"* not comparable with the paper: {self.label} has {self.faces} faces of {SUBSET}, "
                f"the paper's has {COMPLETE}"
            )
        return notes


def five_points(shapes: FloatArray) -> FloatArray:
    """The five points (..., 5, 2) on shapes (..., 68, 2)."""
    return np.stack([shapes[..., list(indices), :].mean(axis=-2) for indices in FIVE_OF_68], axis=-2)


def evaluate(path: Path) -> Score:
    """Read and score a results file; RarError when it is bad, or neither of 5 nor of 68 points."""
    results, truth, shapes = read_shapes(path)
    offset = np.median(shapes[:, -1] - truth, axis=(0, 1))
    try:
        errors = metrics.stage_errors(shapes, truth, SCHEME, NORMALISER)
        centred = metrics.face_errors(shapes[:, -1] - offset, truth, SCHEME, NORMALISER)
    except RarError as error:
        raise RarError(f"{path}: {error}") from error
    return Score(results.model.name, results, errors, offset, centred)


def read_shapes(path: Path) -> tuple[Results, FloatArray, FloatArray]:
    """The results of the test faces, their truth (n, 5, 2) and shapes (n, T+2, 5, 2); RarError as `evaluate` says."""
    results = read_results(path, other_truth=True)
    if results.truth != SCHEME.name:
        raise RarError(f"{path} has {results.truth}-point annotations: AFLW is scored on {SCHEME.landmarks} points")
    if results.scheme not in (SCHEME.name, SCHEME_68.name):
        raise RarError(f"{path} holds {results.scheme}-point shapes: AFLW takes 5-point and 68-point models")
    faces = [face for face in results.faces if face.subset == SUBSET]
    if not faces:
        raise RarError(f"{path} has no faces of the set {SUBSET}: test the model on it (make test-aflw)")
    truth, shapes = stacked(faces)
    if results.scheme == SCHEME_68.name:
        shapes = five_points(shapes)
    return dataclasses.replace(results, faces=tuple(faces)), truth, shapes


def evaluate_all(paths: Sequence[Path]) -> list[Score]:
    """Score files that belong into one table; models of one name get their file's name added."""
    scores = [evaluate(path) for path in paths]
    if len({score.results.data.raw for score in scores}) > 1:
        raise RarError(f"{paths[0]} ... {paths[-1]} were measured on different data: score them one by one")
    labels = row_labels([score.label for score in scores], paths)
    return [dataclasses.replace(score, label=label) for score, label in zip(scores, labels, strict=True)]


def tables(scores: Sequence[Score]) -> list[Table]:
    """Table 3 with the paper's rows, failures and the annotations' offset, and the error of every stage; per cent."""
    return [_table_3(scores), _details(scores), *(_stages(score) for score in scores)]


def _cell(score: Score, value: float) -> Cell:
    return Cell(value, "*" if score.partial else "")


def _table_3(scores: Sequence[Score]) -> Table:
    comparable = scores[0].comparable
    title = "Table 3: mean error on AFLW" if comparable else "Mean error on other faces than AFLW's"
    printed = [Row(f"{name} (paper)", (Cell(value),)) for name, value in paper.TABLE_3.items()] if comparable else []
    ours = [Row(f"{score.label} (ours)", (_cell(score, 100 * score.final.mean()),)) for score in scores]
    notes = tuple(note for score in scores for note in score.notes())
    title = f"{title}, per cent of the distance of the eye centres"
    return Table("table3", title, "method", ("NME",), (*printed, *ours), notes)


def _details(scores: Sequence[Score]) -> Table:
    measures: dict[str, Callable[[Score], float]] = {
        "FR10": lambda score: 100 * metrics.failure_rate(score.final),
        "AUC10": lambda score: 100 * metrics.area_under_curve(score.final),
        "offset x": lambda score: float(score.offset[0]),
        "offset y": lambda score: float(score.offset[1]),
        "NME centred": lambda score: 100 * float(score.centred.mean()),
    }
    rows = [Row(score.label, tuple(_cell(score, measure(score)) for measure in measures.values())) for score in scores]
    note = (
        "Offset: median of found minus annotated, px. NME centred: with that offset taken from every face, which the "
        "protocol does not do; the test annotations lie to the right of their faces (data_prep/mtfl.py)."
    )
    title = "Faces over 10 % (FR10), area under the error curve up to 10 % (AUC10), and the annotations' offset"
    return Table("aflw_details", title, "method", tuple(measures), tuple(rows), (note,))


def _stages(score: Score) -> Table:
    names = ["S_d", *(f"S_hat_{t}" for t in range(score.results.steps + 1))]
    means = 100 * score.errors.mean(axis=0)
    rows = tuple(Row(name, (_cell(score, float(mean)),)) for name, mean in zip(names, means, strict=True))
    title = f"Mean error by stage, {score.label}, per cent of the distance of the eye centres"
    return Table(f"stages_{score.label}", title, "stage", ("NME",), rows, tuple(score.notes()))
