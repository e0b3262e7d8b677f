"""The training log: one CSV a run, cut back to the snapshot when a phase is resumed."""

from __future__ import annotations

import csv
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
        with finished_file(path) as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(kept)
        self.columns = columns
        self.seconds_before = max((float(row["seconds"]) for row in kept if row["phase"] == phase), default=0.0)

    def _read(self) -> list[dict[str, str]]:
        if not self.path.is_file():
            return []
        with self.path.open(newline="") as file:
            return list(csv.DictReader(file))

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
