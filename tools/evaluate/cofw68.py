"""COFW-68 (Ghiasi and Fowlkes): 68 points with visibility on the 507 COFW test faces, error by outer eye corners.

Annotations are `N_points.mat` for N = 1 ... 507, each with Points (68, 2), px from 1, and Occ (68,), 1 where hidden.
A result file has four lines a face: its number N, 68 x, 68 y (px from 1), 68 occlusion flags. A results file of this
project serves too when its faces' names end in N; its coordinates count from 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.mat import read_mats
from layers.common import metrics
from layers.common.errors import RarError, named, reason
from layers.common.schemes import SCHEME_68 as SCHEME
from layers.common.shapes import FloatArray
from tools.evaluate.results import read_results
from tools.evaluate.table import Cell, Row, Table

FACES = 507
NORMALISER = "corner"
LINES_PER_FACE = 4
# Per cent: mean error and faces over 10 %, as published with the annotations.
PUBLISHED = {"CFSS": (6.28, 9.07), "HPM": (6.72, 6.71), "TCDCN": (7.66, 16.17)}


@dataclass(frozen=True)
class Faces:
    """Rows in order of the face number: shape (507, L, 2), px from 0; hidden (507, L), None where not told."""

    shape: FloatArray
    hidden: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Score:
    """NME (507,) over all and over visible landmarks, fractions; precision and recall of hidden landmarks, or None."""

    every: FloatArray
    visible: FloatArray
    precision: float | None
    recall: float | None

    def line(self, visible: bool) -> str:
        """The line that ends the command."""
        errors = self.visible if visible else self.every
        return f"NME {100 * errors.mean():.2f} FR10 {100 * metrics.failure_rate(errors):.2f} faces {len(errors)}"


def read_annotations(folder: Path) -> Faces:
    """The truth, from `folder` or a folder in it; RarError when one of the 507 faces is missing or damaged."""
    files = {int(path.name.split("_")[0]): path for path in folder.rglob("*_points.mat") if path.name[0].isdigit()}
    if not files:
        raise RarError(f"no N_points.mat in {folder}: give the folder of COFW-68's test annotations")
    _check_numbers(folder, set(files))
    shapes, hidden = [], []
    contents = read_mats([files[number] for number in range(1, FACES + 1)], "Points", "Occ")
    for number in range(1, FACES + 1):
        try:
            content = next(contents)
            points, occluded = (np.asarray(content[name], np.float64) for name in ("Points", "Occ"))
        except (RarError, ValueError, TypeError) as error:
            with named(files[number]):
                raise RarError(f"{reason(error)}: fetch COFW-68's annotations again") from None
        shapes_right = points.shape == (SCHEME.landmarks, 2) and occluded.shape == (SCHEME.landmarks,)
        if not shapes_right or not np.isfinite(points).all() or not np.isin(occluded, (0, 1)).all():
            raise RarError(f"{files[number]} does not hold {SCHEME.landmarks} points: fetch the annotations again")
        shapes.append(points - 1)
        hidden.append(occluded != 0)
    return Faces(np.stack(shapes), np.stack(hidden))


def read_predictions(path: Path) -> Faces:
    """Shapes on all 507 faces from a four-lines-per-face text or this project's JSON; RarError when anything is off."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RarError(f"cannot read {path} ({error}): give a COFW-68 result file") from error
    return _from_results(path) if text.lstrip().startswith("{") else _from_text(path, text)


def _from_text(path: Path, text: str) -> Faces:
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    found: dict[int, NDArray[np.float64]] = {}
    for start in range(0, len(lines), LINES_PER_FACE):
        block = lines[start : start + LINES_PER_FACE]
        if len(block) < LINES_PER_FACE:
            raise RarError(f"{path} ends in the middle of a face (line {block[-1][0]}): it is cut short")
        face = _number(path, *block[0])
        if face in found:
            raise RarError(f"{path}:{block[0][0]}: face {face} is there twice: remove one of them")
        found[face] = np.stack([_values(path, *line) for line in block[1:]], axis=-1)
    _check_numbers(path, set(found))
    values = np.stack([found[face] for face in sorted(found)])
    hidden = values[..., 2] != 0
    return Faces(values[..., :2] - 1, hidden if hidden.any() else None)


def _number(path: Path, line: int, words: list[str]) -> int:
    if len(words) != 1 or not words[0].isdigit():
        raise RarError(f"{path}:{line}: a face number is due here, then lines of x, y and flags: mend the file")
    return int(words[0])


def _values(path: Path, line: int, words: list[str]) -> NDArray[np.float64]:
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError as error:
        raise RarError(f"{path}:{line}: {error}: {SCHEME.landmarks} numbers are due here") from error
    if len(values) != SCHEME.landmarks or not np.isfinite(values).all():
        what = f"{len(values)} numbers" if len(values) != SCHEME.landmarks else "NaN or infinity"
        raise RarError(f"{path}:{line}: {what} where {SCHEME.landmarks} numbers are due: mend the file or leave it out")
    return values


def _from_results(path: Path) -> Faces:
    results = read_results(path, other_truth=True)  # the truth comes from the annotations
    if results.scheme != SCHEME.name:
        raise RarError(f"{path} holds {results.scheme}-point shapes: COFW-68 is scored on {SCHEME.landmarks} points")
    faces = [face for face in results.faces if face.subset not in ("train", "val")]  # a run may hold COFW's as well
    numbered = {}
    for face in faces:
        match = re.search(r"(\d+)$", face.name)
        if not match:
            raise RarError(f"{path}: face {face.name} does not end in its number: name it cofw/1 ... cofw/{FACES}")
        numbered[int(match[1])] = face
    if len(numbered) != len(faces):
        raise RarError(f"{path}: two faces have one COFW-68 number: number them 1 ... {FACES}")
    _check_numbers(path, set(numbered))
    return Faces(np.stack([numbered[number].stages[-1] for number in sorted(numbered)]), None)


def _check_numbers(path: Path, numbers: set[int]) -> None:
    expected = set(range(1, FACES + 1))
    if numbers != expected:
        wrong = [*(f"{number} is missing" for number in sorted(expected - numbers)),
                 *(f"{number} is not one of them" for number in sorted(numbers - expected))]  # fmt: skip
        raise RarError(f"{path} has {len(numbers)} faces, COFW-68 has 1 ... {FACES}: {wrong[0]}; score them all")


def score(truth: Faces, predicted: Faces) -> Score:
    """Errors by outer eye corners. Visible: the mean over the landmarks annotated as visible, face by face."""
    assert truth.hidden is not None
    every = metrics.face_errors(predicted.shape, truth.shape, SCHEME, NORMALISER)
    visible = metrics.visible_errors(predicted.shape, truth.shape, ~truth.hidden, SCHEME, NORMALISER)
    if predicted.hidden is None:
        return Score(every, visible, None, None)
    right = (predicted.hidden & truth.hidden).sum()
    return Score(every, visible, right / predicted.hidden.sum(), right / truth.hidden.sum())


def table(path: Path, result: Score) -> Table:
    """The file's row under the published ones, per cent."""
    columns = ("NME", "FR10", "NME visible", "FR10 visible", "occlusion precision", "occlusion recall")
    rows = [Row(f"{name} (published)", (*map(Cell, values), *[Cell(None)] * 4)) for name, values in PUBLISHED.items()]
    numbers = [
        result.every.mean(), metrics.failure_rate(result.every),
        result.visible.mean(), metrics.failure_rate(result.visible), result.precision, result.recall,
    ]  # fmt: skip
    cells = tuple(Cell(None if number is None else 100 * float(number)) for number in numbers)
    return Table(
        "cofw68",
        f"COFW-68, {FACES} faces, per cent of the distance of the outer eye corners",
        "method",
        columns,
        (*rows, Row(path.name, cells)),
        ("Occlusion: hidden landmarks found; empty where the file predicts none.",),
    )
