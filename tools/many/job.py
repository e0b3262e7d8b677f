"""What every worker is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """What a worker needs to know: preset, absolute path and sha256 of the weights, versions that must be its own."""

    preset: str
    weights: str
    sha256: str
    stages: bool
    versions: tuple[tuple[str, str], ...]
