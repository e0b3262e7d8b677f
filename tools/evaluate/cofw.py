"""COFW, both ways of Table 2: a 29-point model directly, or a 68-point model's shapes mapped to the 29 points.

The map is learnt, as by HPM (the paper's [28]), part by part on the COFW training faces: on the model's own shapes of
them, stage by stage. Errors are by the distance of the eye centres, COFW's points 17 and 18 counted from 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_prep.cofw import SUBSETS
from layers.common import metrics, paper
from layers.common.errors import RarError
from layers.common.schemes import SCHEME_29 as SCHEME
from layers.common.schemes import SCHEME_68
from layers.common.shapes import FloatArray
from tools.evaluate.own import stacked
from tools.evaluate.part_map import PartMap
from tools.evaluate.results import FaceResult, Results, read_results
from tools.evaluate.table import Cell, Row, Table
from tools.evaluate.w300 import Evaluation, Score
from tools.evaluate.w300_tables import stages_table

SET = "cofw"
LEARN_ON = ("train", "val")  # the subsets of the training faces
FACES = {subset.set: subset.faces for subset in SUBSETS}
COLUMNS = ("NME_pupil", "NME_corner", "FR10")


def evaluate(path: Path, train: Path | None = None) -> tuple[Evaluation, str]:
    """Score a results file; with it a sentence on how the 29 points came about.

    train: the same model's results on COFW's training faces, for a 68-point model; None where `path` holds them too.
    RarError for a bad file, a scheme that is neither 29 nor 68, or training faces that are missing or of another model.
    """
    results, truth, shapes, note = read_shapes(path, train)
    try:
        errors = {name: metrics.stage_errors(shapes, truth, SCHEME, name) for name in metrics.NORMALISERS}
    except RarError as error:
        raise RarError(f"{path}: {error}") from error
    complete = FACES[SET] if results.data.raw == SET else None
    return Evaluation(path, results.model.name, results, {SET: Score(SET, errors, complete)}), note


def read_shapes(path: Path, train: Path | None = None) -> tuple[Results, FloatArray, FloatArray, str]:
    """The results of the test faces, their truth (n, 29, 2), shapes (n, T+2, 29, 2), and how these came about.

    `train` and RarError: as `evaluate` says.
    """
    results = _read(path)
    faces = _faces(results, (SET,))
    if not faces:
        raise RarError(f"{path} holds no face of the subset {SET}: test the model on it (--sets {SET})")
    truth, shapes = stacked(faces)
    note = "29-point model, no map"
    if results.scheme != SCHEME.name:
        learnt_on = _read(train) if train else results
        shapes, note = _mapped(train or path, results, learnt_on, shapes)
    elif train:
        raise RarError(f"{path} holds 29-point shapes, which need no map: leave --train-results out")
    return dataclasses.replace(results, faces=tuple(faces)), truth, shapes, note


def _read(path: Path) -> Results:
    results = read_results(path, other_truth=True)
    if results.truth != SCHEME.name or results.scheme not in (SCHEME.name, SCHEME_68.name):
        found = f"{results.scheme}-point shapes beside {results.truth}-point annotations"
        raise RarError(
            f"{path} holds {found}: COFW wants 29 or 68 beside 29, so test on data of data_prep.prepare_cofw"
        )
    return results


def _faces(results: Results, subsets: Sequence[str]) -> list[FaceResult]:
    return [face for face in results.faces if face.subset in subsets]


def _mapped(path: Path, results: Results, learnt_on: Results, shapes: FloatArray) -> tuple[FloatArray, str]:
    """The shapes (n, T+2, 68, 2) as 29-point ones, and how; `learnt_on`, from `path`, has the training faces."""
    remedy = f"test the model on COFW's training faces too (--sets {LEARN_ON[0]},{SET}) or give --train-results"
    train = _faces(learnt_on, LEARN_ON)
    if not train:
        raise RarError(f"{path} holds no face of the subset {LEARN_ON[0]} to learn 68 -> 29 points from: {remedy}")
    same = (learnt_on.scheme, learnt_on.steps, learnt_on.model.sha256)
    if same != (results.scheme, results.steps, results.model.sha256):
        raise RarError(f"{path} comes from other weights than the shapes it is to map: {remedy}")
    truth, seen = stacked(train)
    try:
        with np.errstate(invalid="ignore", divide="ignore"):  # shapes in a heap have no frame: the regression refuses
            maps = [PartMap(SCHEME_68, SCHEME, seen[:, stage], truth) for stage in range(seen.shape[1])]
            mapped = np.stack([part_map(shapes[:, stage]) for stage, part_map in enumerate(maps)], axis=1)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise RarError(f"{path}: no map can be learnt from its shapes ({error}): {remedy}") from None
    note = f"68 points mapped to 29 part by part, learnt on the model's shapes of {len(train)} COFW training faces"
    if len(train) != FACES["train"]:
        note += f" (not comparable with the paper: COFW has {FACES['train']})"
    return mapped, note


def line(score: Score) -> str:
    """The line that ends the command."""
    errors = score.final("pupil")
    failures = 100 * metrics.failure_rate(errors)
    return f"{SET} {score.faces} faces NME_pupil {100 * errors.mean():.2f} FR10 {failures:.2f}"


def tables(evaluation: Evaluation, note: str) -> list[Table]:
    """Table 2 with the paper's rows, and the error of every stage; per cent."""
    score = evaluation.scores[SET]
    pupil, corner = score.final("pupil"), score.final("corner")
    mark = "*" if score.partial else ""
    numbers = (pupil.mean(), corner.mean(), metrics.failure_rate(pupil))
    ours = Row(f"{evaluation.label} (ours)", tuple(Cell(100 * float(number), mark) for number in numbers))
    printed = [
        Row(f"{name} (paper)", (Cell(nme), Cell(None), Cell(rate))) for name, (nme, rate) in paper.TABLE_2.items()
    ]
    comparable = evaluation.results.data.raw == SET
    title = "Table 2: mean error on COFW" if comparable else f"Mean error on {evaluation.results.data.raw} faces"
    table = Table(
        "table2",
        f"{title}, per cent of the distance of the eye centres (NME_pupil) and of the outer eye corners (NME_corner)",
        "method",
        COLUMNS,
        (*(printed if comparable else ()), ours),
        (evaluation.origin(), note, *evaluation.partial_notes(), "FR10: faces over 10 % by NME_pupil."),
    )
    return [table, stages_table(evaluation)]
