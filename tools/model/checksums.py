"""What lies beside a weight file and says its checksum: the model card of one that ships, the record of a run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tools.model.card import CARD, front_matter
from tools.model.run_record import FILE, read_record


class Expected(NamedTuple):
    """The sha256 that a weight file should have, and the file that says so."""

    sha256: str
    said_by: Path


def expected_sha256(weights: Path) -> Expected | None:
    """The checksum said beside the weights; None where nothing is. RarError for a damaged record of a run."""
    card = weights.with_name(CARD)
    front = front_matter(card)
    if front.get("weights") == weights.name and "sha256" in front:
        return Expected(front["sha256"], card)
    record = read_record(weights.parent)
    entry = record.entry(weights.name) if record else None
    return Expected(str(entry["sha256"]), weights.with_name(FILE)) if entry else None
