"""Table 5 and the attentionless model of Sect. 4.4: variants of one preset side by side, with what they differ by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from layers.common import metrics, paper
from layers.common.errors import RarError
from layers.common.shapes import FloatArray
from tools.evaluate.statistics import mean_interval
from tools.evaluate.table import Cell, Row, Table
from tools.evaluate.w300 import UNIONS, Evaluation, Score

COLUMNS = ("S_d", "S_hat_0", "S_hat_T", "sd", "gain", "FR10", "difference", "from", "to")
NOTES = (
    "gain: how much lower the last shape's error is than S_hat_0's, in per cent of it",
    "seeds: figures are means over them, sd the standard deviation of S_hat_T's error over them",
    "difference: of S_hat_T's error, the first row's subtracted, face by face and seed by seed; from, to: its 95 % "
    "interval, by resampling faces and, where there are several, seeds",
)
Seeds = list[Evaluation]  # of one variant


def tables(evaluations: Sequence[Evaluation]) -> list[Table]:
    """One table per subset, ours, a row a variant; then the paper's figures. RarError for more than one base preset."""
    bases = {evaluation.results.model.name.partition("+")[0] for evaluation in evaluations}
    if len(bases) > 1:
        raise RarError(f"variants of {' and '.join(sorted(bases))} do not belong in one table: give one preset's files")
    subsets = [name for name in evaluations[0].scores if all(name in one.scores for one in evaluations)]
    return [*(_ours(evaluations, subset) for subset in subsets), papers_table()]


def variants(evaluations: Sequence[Evaluation]) -> dict[str, Seeds]:
    """The rows by their names: a variant's seeds together where its files say them, else every file for itself."""
    told = Counter((one.results.model.name, one.results.model.seed) for one in evaluations)
    rows: dict[str, Seeds] = {}
    for one in evaluations:
        name, seed = one.results.model.name, one.results.model.seed
        rows.setdefault(one.label if seed is None or told[name, seed] > 1 else name, []).append(one)
    return {_named(label, len(seeds)): seeds for label, seeds in rows.items()}


def _named(label: str, seeds: int) -> str:
    """What the label says after the preset: the settings changed; "full", and the file where it takes that to tell."""
    base, _, changes = label.partition("+")
    name = changes or " ".join(["full", *base.split(" ")[1:]])
    return f"{name} ({seeds} seeds)" if seeds > 1 else name


def _ours(evaluations: Sequence[Evaluation], subset: str) -> Table:
    found = variants(evaluations)
    first = next(iter(found.values()))
    rows = tuple(Row(name, _cells(seeds, first, subset)) for name, seeds in found.items())
    notes = [note for one in evaluations for note in (one.origin(), *one.partial_notes())]
    base = evaluations[0].results.model.name.partition("+")[0]
    title = f"Ablations of {base} on {subset}: mean error, per cent of the inter-pupil distance"
    return Table(f"ablations_{subset}", title, "variant", COLUMNS, rows, (*notes, *NOTES))


def _cells(seeds: Seeds, first: Seeds, subset: str) -> tuple[Cell, ...]:
    scores = [one.scores[subset] for one in seeds]
    by_seed = np.stack([100 * score.stages["pupil"].mean(axis=0)[[0, 1, -1]] for score in scores])
    s_d, start, end = by_seed.mean(axis=0)
    spread = float(by_seed[:, -1].std(ddof=1)) if len(seeds) > 1 else None
    failures = 100 * float(np.mean([metrics.failure_rate(score.final("pupil")) for score in scores]))
    mark = "*" if scores[0].partial else ""
    values = (s_d, start, end, spread, 100 * (1 - end / start), failures, *_difference(seeds, first, subset))
    return tuple(Cell(None if value is None else float(value), mark if value is not None else "") for value in values)


def _difference(seeds: Seeds, first: Seeds, subset: str) -> tuple[float | None, ...]:
    """Mean and interval of a variant against the first one; None for that itself and where nothing can be paired."""
    ours, theirs = _by_seed(seeds), _by_seed(first)
    common = [seed for seed in theirs if seed in ours]
    if seeds is first or not common or any(_names(ours[s], subset) != _names(theirs[s], subset) for s in common):
        return None, None, None
    pairs = [100 * (_final(ours[seed].scores[subset]) - _final(theirs[seed].scores[subset])) for seed in common]
    return mean_interval(np.stack(pairs))


def _by_seed(seeds: Seeds) -> dict[int, Evaluation]:
    """By the seeds that the files tell, or by their places."""
    return {i if one.results.model.seed is None else one.results.model.seed: one for i, one in enumerate(seeds)}


def _final(score: Score) -> FloatArray:
    return score.final("pupil")


def _names(evaluation: Evaluation, subset: str) -> list[str]:
    members = UNIONS.get(subset, (subset,))
    return [face.name for face in evaluation.results.faces if face.subset in members]


def papers_table() -> Table:
    """Table 5 as printed, and the attentionless model."""
    columns = paper.TABLE_5_COLUMNS
    rows = [Row(name, tuple(map(Cell, values))) for name, values in paper.TABLE_5.items()]
    rows.append(Row("attentionless", tuple(Cell(paper.ATTENTIONLESS.get(column)) for column in columns)))
    title = "The paper's Table 5 and Sect. 4.4: mean error, per cent of the inter-pupil distance (300-W: full set)"
    return Table("table5_paper", title, "variant", columns, tuple(rows))
