"""Table 5 and the attentionless model of Sect. 4.4: variants of one preset side by side, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence

from layers.common import metrics, paper
from layers.common.errors import RarError
from tools.evaluate.table import Cell, Row, Table
from tools.evaluate.w300 import Evaluation, Score

COLUMNS = ("S_d", "S_hat_0", "S_hat_T", "gain", "FR10")


def tables(evaluations: Sequence[Evaluation]) -> list[Table]:
    """One table per subset, ours, a row a variant; then the paper's figures. RarError for more than one base preset."""
    bases = {evaluation.results.model.name.partition("+")[0] for evaluation in evaluations}
    if len(bases) > 1:
        raise RarError(f"variants of {' and '.join(sorted(bases))} do not belong in one table: give one preset's files")
    subsets = [name for name in evaluations[0].scores if all(name in one.scores for one in evaluations)]
    return [*(_ours(evaluations, subset) for subset in subsets), papers_table()]


def variant(evaluation: Evaluation) -> str:
    """What the label says after the preset: the settings changed; "full", and the file where it takes that to tell."""
    base, _, changes = evaluation.label.partition("+")
    return changes or " ".join(["full", *base.split(" ")[1:]])


def _ours(evaluations: Sequence[Evaluation], subset: str) -> Table:
    rows = tuple(Row(variant(one), _cells(one.scores[subset])) for one in evaluations)
    notes = [note for one in evaluations for note in (one.origin(), *one.partial_notes())]
    notes.append("gain: how much lower the last shape's error is than S_hat_0's, in per cent of it")
    base = evaluations[0].results.model.name.partition("+")[0]
    title = f"Ablations of {base} on {subset}: mean error, per cent of the inter-pupil distance"
    return Table(f"ablations_{subset}", title, "variant", COLUMNS, rows, tuple(notes))


def _cells(score: Score) -> tuple[Cell, ...]:
    means = 100 * score.stages["pupil"].mean(axis=0)
    mark = "*" if score.partial else ""
    failures = 100 * metrics.failure_rate(score.final("pupil"))
    gain = 100 * (1 - means[-1] / means[1])
    values = (means[0], means[1], means[-1], gain, failures)
    return tuple(Cell(float(value), mark) for value in values)


def papers_table() -> Table:
    """Table 5 as printed, and the attentionless model."""
    columns = paper.TABLE_5_COLUMNS
    rows = [Row(name, tuple(map(Cell, values))) for name, values in paper.TABLE_5.items()]
    rows.append(Row("attentionless", tuple(Cell(paper.ATTENTIONLESS.get(column)) for column in columns)))
    title = "The paper's Table 5 and Sect. 4.4: mean error, per cent of the inter-pupil distance (300-W: full set)"
    return Table("table5_paper", title, "variant", columns, tuple(rows))
