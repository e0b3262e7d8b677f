"""What decides the weights that a training ends with, and how two trainings differ in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from data_prep.manifest import training_digest
from layers.common.files import sha256
from tools.model.presets import Phase, Preset
from tools.train.wanted import Training

# What a difference is called: that of a checksum would tell nobody anything.
WORDS = {
    "data": "other data (faces, crops, augmentation or shape pool)",
    "start": "other weights to start from",
    "solvers": "another number of GPUs",
    "own_warm_up": "with --warm-up where there was none, or without it",
}


def with_lengths(chosen: Preset, wanted: Training) -> Preset:
    """The preset with as many iterations as are wanted."""
    return replace(
        chosen,
        warm_up=shortened(chosen.warm_up, wanted.warm_up_iterations),
        end_to_end=shortened(chosen.end_to_end, wanted.iterations),
    )


def shortened(phase: Phase, iterations: int | None) -> Phase:
    """The phase with another number of iterations, when one is given."""
    return phase if iterations is None else replace(phase, iterations=iterations)


def identity(wanted: Training, chosen: Preset, manifest: dict[str, Any], solvers: int) -> dict[str, Any]:
    """All of it, as JSON reads it back; `chosen` has the lengths that are wanted.

    Not in it: where data and weights lie, and the code, which may be newer when a training goes on.
    """
    settings = asdict(chosen)
    del settings["name"]
    if wanted.warm_up:
        del settings["warm_up"]
    start = wanted.warm_up or wanted.vgg19
    found = {
        "preset": chosen.name,
        "settings": settings,
        "data": training_digest(manifest),
        "seed": wanted.seed,
        "solvers": solvers,
        "own_warm_up": not wanted.warm_up,
        "start": _checksum(start) if start else None,
        "new_steps": wanted.new_steps,
    }
    return dict(json.loads(json.dumps(found)))


def _checksum(start: Path) -> str | None:
    """None for a file that is not there: a training that has begun no longer needs it."""
    return sha256(start) if start.is_file() else None


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is not as it was, in words. A setting that only one of them knows is of another version of the code."""
    old, new = dict(_flat(then)), dict(_flat(now))
    words = []
    for name, value in new.items():
        absent = name == "start" and None in (value, old.get(name))
        if name == "preset" or name not in old or old[name] == value or absent:
            continue
        words.append(WORDS.get(name, f"{name.removeprefix('settings.')} {_short(old[name])}, now {_short(value)}"))
    return words


def _flat(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of objects in objects, by path."""
    if not isinstance(tree, dict):
        yield path, tree
        return
    for name, value in tree.items():
        yield from _flat(value, f"{path}.{name}" if path else name)


def _short(value: Any) -> str:
    words = json.dumps(value)
    return words if len(words) < 60 else f"{words[:56]} ..."
