"""Weights of a training that goes on, handed over in pieces: half precision, a few files of a limited size."""

from __future__ import annotations

from pathlib import Path

from layers.common.errors import RarError
from tools.model.half_precision import halve
from tools.model.weight_file import read_weights

PIECE = 15 << 20  # bytes
PIECES = 6  # files at most, of all trainings together


def newest(run: Path, phase: str) -> Path | None:
    """The final weights of a phase, else its newest snapshot; None before the first."""
    final = run / f"{phase}.caffemodel"
    if final.is_file():
        return final
    snapshots = [path for path in run.glob(f"{phase}_iter_*.caffemodel") if path.with_suffix(".solverstate").is_file()]
    return max(snapshots, key=lambda path: path.stat().st_mtime, default=None)


def hand_over(weights: Path, out: Path, work: Path, name: str, most: int = PIECES) -> list[Path]:
    """Put weights into `out` as NAME.caffemodel.h5.00, .01 ...; `cat` joins them. Those of before go.

    RarError when they are damaged, as a snapshot that is being written is, or need more than `most` files.
    """
    half = work / f"{name}.caffemodel.h5"
    halve(read_weights(weights).layers, half)
    content = half.read_bytes()
    if len(content) > PIECE * most:
        raise RarError(f"{half}: {len(content) >> 20} MiB do not go into {most} files of {PIECE >> 20} MiB")
    for old in out.glob(f"{half.name}.*"):
        old.unlink()
    written = []
    for number, begin in enumerate(range(0, len(content), PIECE)):
        piece = out / f"{half.name}.{number:02d}"
        piece.write_bytes(content[begin : begin + PIECE])
        written.append(piece)
    return written
