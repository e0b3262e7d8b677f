"""Score a results file by a protocol, or compare several: tables, and one last line to compare by."""

from __future__ import annotations

from pathlib import Path

import click

from layers.common.errors import run_command
from tools.evaluate import ablations, aflw, cofw, cofw68, comparison, own, w300, w300_tables, where
from tools.evaluate.bins import FEWEST
from tools.evaluate.output import FILE, output_options, show


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command("300w")
@click.option("--results", "paths", type=FILE, required=True, multiple=True, help="results file; one row each")
@output_options
def score_300w(paths: tuple[Path, ...], **outputs: Path | None) -> None:
    """Table 1, both normalisations, error by stage; the last lines give each subset."""
    evaluations = w300.evaluate_all(paths)
    show(w300_tables.tables(evaluations), outputs)
    for evaluation in evaluations:
        if len(evaluations) > 1:
            print(f"{evaluation.path}:")
        for note in evaluation.partial_notes():
            print(note)
        for score in evaluation.scores.values():
            print(score.line())


@main.command("cofw")
@click.option("--results", "path", type=FILE, required=True, help="results file of a 29- or 68-point model")
@click.option(
    "--train-results", "train", type=FILE, help="of a 68-point model, if its training faces lie in another file"
)
@output_options
def score_cofw(path: Path, train: Path | None, **outputs: Path | None) -> None:
    """Table 2: error and failure rate on COFW's 507 test faces by the distance of the eye centres."""
    evaluation, note = cofw.evaluate(path, train)
    show(cofw.tables(evaluation, note), outputs)
    for partial in evaluation.partial_notes():
        print(partial)
    print(cofw.line(evaluation.scores[cofw.SET]))


@main.command("aflw")
@click.option("--results", "paths", type=FILE, required=True, multiple=True, help="results file; one row each")
@output_options
def score_aflw(paths: tuple[Path, ...], **outputs: Path | None) -> None:
    """Table 3, failures, error by stage on AFLW's five points; the last line gives the error."""
    scores = aflw.evaluate_all(paths)
    show(aflw.tables(scores), outputs)
    for path, score in zip(paths, scores, strict=True):
        if len(scores) > 1:
            print(f"{path}:")
        print(score.line())


@main.command("own")
@click.option("--results", "path", type=FILE, required=True, help="results file of any scheme")
@output_options
def score_own(path: Path, **outputs: Path | None) -> None:
    """Error by the scheme's own normaliser, by part and by stage; the last lines give each set."""
    score = own.evaluate(path)
    show(own.tables(score), outputs)
    print(*score.lines(), sep="\n")


@main.command("ablations")
@click.option("--results", "paths", type=FILE, required=True, multiple=True, help="of a variant; one row each")
@output_options
def score_ablations(paths: tuple[Path, ...], **outputs: Path | None) -> None:
    """Table 5 and the attentionless model: variants of one preset side by side."""
    show(ablations.tables(w300.evaluate_all(paths)), outputs)


@main.command("compare")
@click.argument("paths", nargs=-1, required=True, type=FILE)
@click.option("--subset", help="compare on the faces of that subset alone, as helen")
@click.option("--apart", is_flag=True, help="files of one model are different trainings to compare, not its seeds")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="of the resampling")
@output_options
def compare(paths: tuple[Path, ...], subset: str | None, apart: bool, seed: int, **outputs: Path | None) -> None:
    """Models against the first, paired by face, with intervals; several files of one model are its seeds."""
    variants = comparison.read_variants(paths, subset, apart=apart)
    found = [comparison.difference(variants[0], other, seed) for other in variants[1:]]
    show(comparison.tables(variants, found), outputs)
    for one in found:
        print(one.line())


@main.command("where")
@click.option("--results", "paths", type=FILE, required=True, multiple=True, help="results file of any protocol")
@click.option("--subset", help="the faces of that subset alone, as helen")
@click.option(
    "--train-results", "train", type=FILE, help="of a 68-point model on COFW, if its training faces lie in another file"
)
@click.option("--fewest", default=FEWEST, show_default=True, type=click.IntRange(1), help="faces in a row")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="of the resampling")
@output_options
def score_where(
    paths: tuple[Path, ...], subset: str | None, train: Path | None, fewest: int, seed: int, **outputs: Path | None
) -> None:
    """Where the error lies: by part, yaw, pitch, roll, size, share hidden; the worst faces."""
    scores = [where.evaluate(path, subset, train) for path in paths]
    show([table for score in scores for table in where.tables(score, fewest, seed)], outputs)
    for score in scores:
        print(*score.lines(), sep="\n")


@main.command("cofw68")
@click.option("--annotations", type=click.Path(path_type=Path), required=True, help="folder of N_points.mat")
@click.option("--results", "path", type=FILE, required=True, help="four-lines-per-face text, or a results file")
@click.option("--visible", is_flag=True, help="score visible landmarks only in the last line")
@output_options
def score_cofw68(annotations: Path, path: Path, visible: bool, **outputs: Path | None) -> None:
    """Error on the 507 COFW test faces by outer eye corners."""
    result = cofw68.score(cofw68.read_annotations(annotations), cofw68.read_predictions(path))
    show([cofw68.table(path, result)], outputs)
    print(result.line(visible))


if __name__ == "__main__":
    run_command(main)
