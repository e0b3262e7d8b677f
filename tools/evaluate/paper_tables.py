"""Every table of the paper with our rows, from all results files under a folder of runs: Markdown, CSV and LaTeX.

A file whose weights have changed since it was measured is stale: it is named, and its rows are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from layers.common import paper
from layers.common.errors import RarError, run_command
from layers.common.files import sha256
from layers.common.json_types import parsed
from tools.common.paths import in_project
from tools.evaluate import ablations, aflw, cofw, w300, w300_tables
from tools.evaluate.output import FORMATS, show
from tools.evaluate.table import Cell, Row, Table

ENDINGS = {"markdown": "md", "csv": "csv", "latex": "tex"}
PATH = click.Path(path_type=Path, file_okay=False)


class Found(NamedTuple):
    """A results file: the data set its faces are of, the model's name, and why it is stale ("" when it is not)."""

    path: Path
    raw: str
    model: str
    stale: str


def read_head(path: Path) -> Found:
    """What a results file says about itself; RarError when it is none."""
    try:
        head = parsed(path.read_text(encoding="utf-8"))
        model, raw = head["model"], str(head["data"]["raw"])
        weights, checksum = Path(model["weights"]), str(model["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RarError(f"{path} is no results file ({error}): delete it, or make test-300w again") from error
    stale = ""
    if weights.is_file() and sha256(weights) != checksum:
        stale = f"stale: {path} was measured before {weights} changed: run make test-300w (or -cofw, -aflw) again"
    return Found(path, raw, str(model["name"]), stale)


def table_1(files: Sequence[Found]) -> list[Table]:
    """Table 1 and what belongs to it: of plain presets, not of variants."""
    plain = [found.path for found in files if "+" not in found.model]
    if plain:
        return w300_tables.tables(w300.evaluate_all(plain))
    rows = [(name, values) for name, values in paper.TABLE_1.items()]
    return [paper_only("table1_pupil", "Table 1: mean error on 300-W", paper.TABLE_1_COLUMNS, rows)]


def table_2(files: Sequence[Found]) -> list[Table]:
    """Table 2, one model after the other."""
    made = [table for found in files for table in cofw.tables(*cofw.evaluate(found.path))]
    rows = list(paper.TABLE_2.items())
    return made or [paper_only("table2", "Table 2: mean error and failure rate on COFW", ("NME", "FR10"), rows)]


def table_3(files: Sequence[Found]) -> list[Table]:
    """Table 3."""
    if files:
        return aflw.tables(aflw.evaluate_all([found.path for found in files]))
    rows = [(name, (value,)) for name, value in paper.TABLE_3.items()]
    return [paper_only("table3", "Table 3: mean error on AFLW", ("NME",), rows)]


def table_5(files: Sequence[Found]) -> list[Table]:
    """Table 5 and Sect. 4.4 for every preset with variants; the paper's own figures once."""
    bases = dict.fromkeys(found.model.partition("+")[0] for found in files if "+" in found.model)
    made: list[Table] = []
    for base in bases:
        paths = [found.path for found in files if found.model.partition("+")[0] == base]
        made += ablations.tables(w300.evaluate_all(paths))[:-1]
    return [*made, ablations.papers_table()]


def paper_only(
    key: str, title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, tuple[float | None, ...]]]
) -> Table:
    """The paper's rows where we have no results of our own."""
    cells = tuple(Row(f"{name} (paper)", tuple(map(Cell, values))) for name, values in rows)
    return Table(
        key, f"{title}, per cent", "method", columns, cells, ("none of ours: no results file of this data set",)
    )


def tables(files: Sequence[Found]) -> list[Table]:
    """All tables in the paper's order."""
    of = {raw: [found for found in files if found.raw == raw and not found.stale] for raw in ("300w", "cofw", "mtfl")}
    return [*table_1(of["300w"]), *table_2(of["cofw"]), *table_3(of["mtfl"]), *table_5(of["300w"])]


@click.command(help=__doc__)
@click.option(
    "--runs", type=PATH, default=partial(in_project, "runs"), show_default="runs", help="results*.json below it"
)
@click.option(
    "--out", type=PATH, default=partial(in_project, "tables"), show_default="tables", help="for tables.md, .csv, .tex"
)
def main(runs: Path, out: Path) -> None:
    files = [read_head(path) for path in sorted(runs.rglob("results*.json"))]
    show(tables(files), {name: out / f"tables.{ENDINGS[name]}" for name in FORMATS})
    for found in files:
        if found.stale or found.raw not in ("300w", "cofw", "mtfl"):
            print(found.stale or f"left out: {found.path} is on {found.raw} faces, not the paper's")
    print(*(out / f"tables.{ending}" for ending in ENDINGS.values()))


if __name__ == "__main__":
    run_command(main)
