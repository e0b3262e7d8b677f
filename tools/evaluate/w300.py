"""300-W: a results file into errors per subset, stage and normaliser."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.w300 import SUBSETS
from layers.common import metrics
from layers.common.errors import RarError
from layers.common.schemes import SCHEME_68 as SCHEME
from layers.common.shapes import FloatArray
from tools.evaluate.origin import origin, row_labels
from tools.evaluate.own import stacked
from tools.evaluate.results import Results, read_results

RAW = "300w"
# Sizes of the test subsets when complete, and the sets of Table 1 that are made of them.
COMPLETE = {subset.set: subset.faces for subset in SUBSETS if subset.set != "train"}
UNIONS = {"common": ("helen", "lfpw"), "challenging": ("ibug",), "full": ("helen", "lfpw", "ibug")}


@dataclass(frozen=True)
class Score:
    """One subset: NME (n, T+2) per normaliser, S_d first, then S_hat_0 ... S_hat_T, as fractions.

    complete: the number of faces of the paper's subset, None for a subset that the paper does not have.
    """

    subset: str
    stages: dict[str, FloatArray]
    complete: int | None

    @property
    def faces(self) -> int:
        return len(self.stages["pupil"])

    @property
    def partial(self) -> bool:
        return self.complete is not None and self.faces != self.complete

    def final(self, normaliser: str) -> FloatArray:
        """NME (n,) of the last shape."""
        return self.stages[normaliser][:, -1]

    def line(self) -> str:
        """The line that ends every test on 300-W."""
        pupil, corner = (100 * self.final(name).mean() for name in ("pupil", "corner"))
        failures = 100 * metrics.failure_rate(self.final("pupil"))
        return f"{self.subset} {self.faces} faces NME_pupil {pupil:.2f} NME_corner {corner:.2f} FR10 {failures:.1f}"


@dataclass(frozen=True)
class Evaluation:
    """One results file, scored. `label` names its row in a table; `scores` holds subsets, then unions, by name."""

    path: Path
    label: str
    results: Results
    scores: dict[str, Score]

    @property
    def comparable(self) -> bool:
        """Whether these are faces that the paper measured on."""
        return self.results.data.raw == RAW

    def origin(self) -> str:
        """Where the numbers come from, in one line."""
        faces = ", ".join(f"{name} {score.faces}" for name, score in self.scores.items() if name not in UNIONS)
        return origin(self.label, self.results, faces)

    def partial_notes(self) -> list[str]:
        """One line per subset whose number of faces is not the paper's."""
        return [
            f"* not comparable with the paper: {self.label} has {score.faces} faces of {score.subset}, "
            f"the paper's has {score.complete}"
            for score in self.scores.values()
            if score.partial
        ]


def evaluate(path: Path) -> Evaluation:
    """Read and score a results file; RarError when it is bad or its shapes are not of 68 points."""
    results = read_results(path)
    if results.scheme != SCHEME.name:
        raise RarError(f"{path} holds {results.scheme}-point shapes: 300-W is scored on {SCHEME.landmarks} points")
    subsets = np.array([face.subset for face in results.faces])
    truth, shapes = stacked(results.faces)
    try:
        errors = {name: metrics.stage_errors(shapes, truth, SCHEME, name) for name in metrics.NORMALISERS}
    except RarError as error:
        raise RarError(f"{path}: {error}") from error
    comparable = results.data.raw == RAW
    scores = {}
    for name, members in _groups(set(subsets.tolist()), comparable).items():
        chosen = np.isin(subsets, members)
        complete = sum(COMPLETE[member] for member in members) if comparable and set(members) <= set(COMPLETE) else None
        scores[name] = Score(name, {key: values[chosen] for key, values in errors.items()}, complete)
    return Evaluation(path, results.model.name, results, scores)


def _groups(present: set[str], comparable: bool) -> dict[str, tuple[str, ...]]:
    """Name -> member subsets: the subsets present in the paper's order, others by name, then unions that are whole."""
    order = [*(name for name in COMPLETE if name in present), *sorted(present - set(COMPLETE))]
    groups: dict[str, tuple[str, ...]] = {name: (name,) for name in order}
    if comparable:
        groups |= {union: members for union, members in UNIONS.items() if set(members) <= present}
    return groups


def evaluate_all(paths: Sequence[Path]) -> list[Evaluation]:
    """Score files that belong into one table; models of one name get their file's name added."""
    evaluations = [evaluate(path) for path in paths]
    if len({evaluation.results.data.raw for evaluation in evaluations}) > 1:
        raise RarError(f"{paths[0]} ... {paths[-1]} were measured on different data: score them one by one")
    labels = row_labels([evaluation.label for evaluation in evaluations], paths)
    return [dataclasses.replace(item, label=label) for item, label in zip(evaluations, labels, strict=True)]
