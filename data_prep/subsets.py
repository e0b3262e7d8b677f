"""The parts a raw data set consists of, and what a reader found of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from data_prep.records import FaceRecord


@dataclass(frozen=True)
class Subset:
    """A part of a raw data set, the set its faces go to, and how many it has when complete.

    kind: what it is on the disk, "folder" or "file".
    """

    name: str
    set: str
    faces: int
    kind: str = "folder"


@dataclass
class SubsetScan:
    """What one part, at `folder` (None: not there), holds: `found` annotations, the faces, one line per problem."""

    subset: Subset
    folder: Path | None = None
    found: int = 0
    records: list[FaceRecord] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
