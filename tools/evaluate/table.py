"""Tables of numbers, as text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

EMPTY = "-"
NOTE_WIDTH = 110


@dataclass(frozen=True)
class Cell:
    """A number, or None where there is none to print; `mark` points to a note, as "*"."""

    value: float | None
    mark: str = ""
    decimals: int = 2

    def number(self) -> str:
        return EMPTY if self.value is None else f"{self.value:z.{self.decimals}f}"  # z: no minus before 0

    def text(self) -> str:
        return EMPTY if self.value is None else f"{self.number()}{self.mark}"


@dataclass(frozen=True)
class Row:
    """A line of a table: its label and a cell for each column."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells under `columns`; `key` names the table in CSV, `head` is the heading over the labels."""

    key: str
    title: str
    head: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def grid(self) -> list[list[str]]:
        """Heading and rows as strings."""
        return [[self.head, *self.columns], *([row.label, *(cell.text() for cell in row.cells)] for row in self.rows)]


def as_text(tables: Sequence[Table]) -> str:
    """For a terminal: labels to the left, numbers to the right."""
    return "\n".join(_text(table) for table in tables)


def _text(table: Table) -> str:
    grid = table.grid()
    widths = [max(len(line[i]) for line in grid) for i in range(len(grid[0]))]
    lines = []
    for label, *texts in grid:
        numbers = (text.rjust(width) for text, width in zip(texts, widths[1:], strict=True))
        lines.append("  ".join([label.ljust(widths[0]), *numbers]))
    rule = "-" * len(lines[0])
    notes = [line for note in table.notes for line in textwrap.wrap(note, NOTE_WIDTH, subsequent_indent="  ")]
    return "\n".join([table.title, rule, lines[0], rule, *lines[1:], rule, *notes, ""])


def as_markdown(tables: Sequence[Table]) -> str:
    """For documents: GitHub's tables, notes below as a list."""
    parts = []
    for table in tables:
        head, *lines = (f"| {' | '.join(map(_plain, line))} |" for line in table.grid())
        rule = "|---" + "|---:" * len(table.columns) + "|"
        notes = [f"- {_plain(note)}" for note in table.notes]
        parts.append("\n".join([f"**{_plain(table.title)}**", "", head, rule, *lines, "", *notes]))
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Markdown that shows as this text."""
    return re.sub(r"([\\*_`|\[\]])", r"\\\1", text)


def as_latex(tables: Sequence[Table]) -> str:
    """One `table` environment each; needs no package."""
    return "\n".join(_latex(table) for table in tables)


def _latex(table: Table) -> str:
    head, *lines = (" & ".join(_escape(text) for text in line) + r" \\" for line in table.grid())
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{_escape(table.title)}}}",
        rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\hline", head, r"\hline", *lines, r"\hline",
        r"\end{tabular}", *(rf"\par\footnotesize {_escape(note)}" for note in table.notes), r"\end{table}", "",
    ])  # fmt: skip


_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
})  # fmt: skip


def _escape(text: str) -> str:
    return text.translate(_LATEX)


def as_csv(tables: Sequence[Table]) -> str:
    """One number a line: table, row, column, value, mark. Cells without a number are left out."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["table", "row", "column", "value", "mark"])
    for table in tables:
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if cell.value is not None:
                    writer.writerow([table.key, row.label, column, cell.number(), cell.mark])
    return stream.getvalue()
