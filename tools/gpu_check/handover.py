"""Weights of a training that goes on, handed over in pieces: half precision, a few files of a limited size."""

from __future__ import annotations

from pathlib import Path

from layers.common.errors import RarError
from tools.model.half_precision import halve
from tools.model.weight_file import read_weights

PIECE = 15 << 20  # bytes
PIECES = 4  # files at most
NAME = "weights.caffemodel.h5"


def newest(run: Path, phase: str) -> Path | None:
    """The final weights of a phase, else its newest snapshot; None before the first."""
    final = run / f"{phase}.caffemodel"
    if final.is_file():
        return final
    snapshots = [path for path in run.glob(f"{phase}_iter_*.caffemodel") if path.with_suffix(".solverstate").is_file()]
    return max(snapshots, key=lambda path: path.stat().st_mtime, default=None)


def hand_over(weights: Path, out: Path, work: Path) -> list[Path]:
    """Put weights into `out` as weights.caffemodel.h5.00, .01 ...; `cat` joins them. Those of before go.

    RarError when they are damaged, as a snapshot that is being written is, or need more than PIECES files.
    """
    half = work / NAME
    halve(read_weights(weights).layers, half)
    content = half.read_bytes()
    if len(content) > PIECE * PIECES:
        raise RarError(f"{half}: {len(content) >> 20} MiB do not go into {PIECES} files of {PIECE >> 20}: take it")
    for old in out.glob(f"{NAME}.*"):
        old.unlink()
    written = []
    for number, begin in enumerate(range(0, len(content), PIECE)):
        piece = out / f"{NAME}.{number:02d}"
        piece.write_bytes(content[begin : begin + PIECE])
        written.append(piece)
    return written
