"""The training log: one CSV a run, cut back to the snapshot when a phase is resumed."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path

from layers.common.files import finished_file

FIELDS = ("phase", "iteration", "seconds", "learning_rate")


class TrainingLog:
    """OUT/log.csv: phase, iteration, seconds of training, learning rate, every scalar's mean since the last row."""

    def __init__(self, path: Path, phase: str, iteration: int, scalars: list[str]) -> None:
        self.path, self.phase = path, phase
        rows = self._read()
        kept = [row for row in rows if row["phase"] != phase or int(row["iteration"]) <= iteration]
        columns = [*FIELDS, *dict.fromkeys([name for row in rows for name in row if name not in FIELDS] + scalars)]
        with finished_file(path, durable=True) as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(kept)
        self.columns = columns
        self.seconds_before = max((float(row["seconds"]) for row in kept if row["phase"] == phase), default=0.0)

    def _read(self) -> list[dict[str, str]]:
        """The rows that are whole: a kill or a power cut can leave part of one, or zeros; a line on stderr then."""
        if not self.path.is_file():
            return []
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        ended = [line for line in lines if line.endswith("\n") and "\0" not in line]  # a last number may lack digits
        rows = list(csv.DictReader(ended, quoting=csv.QUOTE_NONE))  # a stray quote would take the next rows too
        whole = [row for row in rows if _is_whole(row)]
        if damaged := len(lines) - len(ended) + len(rows) - len(whole):
            print(f"{self.path}: damaged rows, left out: {damaged}", file=sys.stderr)
        return whole

    def write(self, iteration: int, seconds: float, learning_rate: float, scalars: dict[str, float]) -> None:
        """Append a row; `seconds` since the phase was started or resumed."""
        values = {name: f"{value:.6g}" for name, value in scalars.items()}
        row = {
            "phase": self.phase,
            "iteration": iteration,
            "seconds": f"{self.seconds_before + seconds:.1f}",
            "learning_rate": f"{learning_rate:.3g}",
            **values,
        }
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns).writerow(row)


def _is_whole(row: dict[str, str]) -> bool:
    """Whether a row has every column, and nothing but numbers in those of scalars, which may be empty."""
    try:
        numbers = [float(row["seconds"]), float(row["learning_rate"]), int(row["iteration"])]
        for name in row.keys() - {*FIELDS}:
            float(row[name] or 0)
    except (KeyError, ValueError, TypeError):
        return False
    return "phase" in row and None not in (*row, *row.values()) and all(map(math.isfinite, numbers))
