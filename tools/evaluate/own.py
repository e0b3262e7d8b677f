"""Any scheme on any faces: error by the scheme's own normaliser, by part and by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from layers.common import metrics
from layers.common.errors import RarError
from layers.common.schemes import Scheme, scheme
from layers.common.shapes import FloatArray
from tools.evaluate.origin import origin
from tools.evaluate.results import FaceResult, Results, read_results
from tools.evaluate.table import Cell, Row, Table


@dataclass(frozen=True)
class Score:
    """A results file. errors (n, T+2, L): of each landmark at S_d, S_hat_0 ... S_hat_T, fractions of the normaliser.

    kind: the scheme of the ground truth. size (n,): the normaliser, px of the photograph.
    corner: NME (n,) of the last shapes by the outer eye corners; None where the scheme has none.
    """

    results: Results
    kind: Scheme
    errors: FloatArray
    size: FloatArray
    corner: FloatArray | None

    @property
    def final(self) -> FloatArray:
        """NME (n,) of the last shapes."""
        return np.asarray(self.errors[:, -1].mean(axis=-1))

    @property
    def subsets(self) -> dict[str, FloatArray]:
        """Which faces (n,) are of which set; more than one set: of `all` too."""
        names = np.array([face.subset for face in self.results.faces])
        found = {str(name): names == name for name in dict.fromkeys(names.tolist())}
        return found if len(found) == 1 else {**found, "all": np.ones(len(names), bool)}

    def lines(self) -> list[str]:
        """The lines that end a test, one a set."""
        return [
            f"{name} {int(which.sum())} faces NME_{self.kind.normaliser.replace(' ', '_')} "
            f"{100 * self.final[which].mean():.2f} FR10 {100 * metrics.failure_rate(self.final[which]):.1f}"
            for name, which in self.subsets.items()
        ]


def evaluate(path: Path) -> Score:
    """Read and score a results file; RarError when it is bad, or a face has no size to divide by."""
    results = read_results(path)
    return scored(path, results, *stacked(results.faces))


def stacked(faces: Sequence[FaceResult]) -> tuple[FloatArray, FloatArray]:
    """Truth (n, L, 2) and shapes (n, T+2, L, 2), S_d first."""
    shapes = np.stack([np.concatenate([face.s_d[None], face.stages]) for face in faces])
    return np.stack([face.ground_truth for face in faces]), shapes


def scored(path: Path, results: Results, truth: FloatArray, shapes: FloatArray) -> Score:
    """The score of shapes (n, T+2, L, 2) of the truth's scheme; RarError when a face has no size to divide by."""
    kind = scheme(results.truth)
    try:
        size = metrics.normaliser(truth, kind, "pupil")
        corner = metrics.face_errors(shapes[:, -1], truth, kind, "corner") if kind.corners else None
    except RarError as error:
        raise RarError(f"{path}: {error}") from error
    errors = np.linalg.norm(shapes - truth[:, None], axis=-1) / size[:, None, None]
    return Score(results, kind, errors, size, corner)


def measure(kind: Scheme) -> str:
    """What the errors are per cent of."""
    return "the distance of the eye centres" if kind.eyed else kind.normaliser


def tables(score: Score) -> list[Table]:
    """The sets, the parts of the face and the stages; per cent."""
    label, results = score.results.model.name, score.results
    notes = (origin(label, results, f"{len(results.faces)} faces of scheme {results.scheme}"),)
    of = f"per cent of {measure(score.kind)}"
    columns = ["NME", "FR10", "AUC10", *(["NME corner"] if score.corner is not None else [])]
    rows = []
    for name, which in score.subsets.items():
        final = score.final[which]
        values = [final.mean(), metrics.failure_rate(final), metrics.area_under_curve(final)]
        values += [score.corner[which].mean()] if score.corner is not None else []
        rows.append(Row(f"{name}, {int(which.sum())} faces", tuple(Cell(100 * float(value)) for value in values)))
    parts = [
        Row(name, (Cell(100 * float(score.errors[:, -1, list(members)].mean())),))
        for name, members in score.kind.groups.items()
    ]
    stages = ["S_d", *(f"S_hat_{t}" for t in range(results.steps + 1))]
    means = 100 * score.errors.mean(axis=(0, 2))
    steps = [Row(name, (Cell(float(mean)),)) for name, mean in zip(stages, means, strict=True)]
    return [
        Table("own", f"Mean error of {label}, {of}", "set", tuple(columns), tuple(rows), notes),
        Table("own_parts", f"Mean error by part, {label}, {of}", "part", ("NME",), tuple(parts), ()),
        Table("own_stages", f"Mean error by stage, {label}, {of}", "stage", ("NME",), tuple(steps), ()),
    ]
