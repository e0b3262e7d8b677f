"""How a model of a landmark scheme is tested before it is shipped, and what its card tells of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from layers.common.errors import RarError
from layers.common.shapes import FloatArray
from tools.evaluate import aflw, w300
from tools.evaluate.results import Results
from tools.model.presets import Preset
from tools.test.faces import SETS


@dataclass(frozen=True)
class Measured:
    """A scored results file. scores: subset -> normaliser -> NME (n, T+2), S_d first, then S_hat_0 ... S_hat_T."""

    results: Results
    origin: str
    scores: dict[str, dict[str, FloatArray]]


@dataclass(frozen=True)
class Protocol:
    """results: the file of a tested run. sets: those of the prepared data to test on. paper_set: what it trained on."""

    results: str
    sets: tuple[str, ...]
    paper_set: str
    score: Callable[[Path], Measured]


def _on_300w(path: Path) -> Measured:
    found = w300.evaluate(path)
    return Measured(found.results, found.origin(), {name: score.stages for name, score in found.scores.items()})


def _on_aflw(path: Path) -> Measured:
    found = aflw.evaluate(path)
    return Measured(found.results, found.notes()[0], {aflw.SUBSET: {aflw.NORMALISER: found.errors}})


PROTOCOLS = {
    "68": Protocol("results.json", SETS, "the paper's set has 3,148", _on_300w),
    "5": Protocol("results_aflw.json", (aflw.SUBSET,), "the paper follows TCDCN, which has 10,000", _on_aflw),
}


def protocol(preset: Preset) -> Protocol:
    """The protocol of a preset's landmarks; RarError when there is none."""
    if preset.scheme not in PROTOCOLS:
        raise RarError(f"preset {preset.name} has {preset.scheme} points: models of {' and '.join(PROTOCOLS)} ship")
    return PROTOCOLS[preset.scheme]
