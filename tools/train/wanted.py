"""What a user wants to train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Training:
    """What to train on what: the options of the command.

    new_steps: the LSTMs start anew, though the weights of `warm_up` have some.
    """

    name: str
    data: Path
    out: Path
    seed: int
    vgg19: Path | None
    warm_up: Path | None
    warm_up_iterations: int | None
    iterations: int | None
    new_steps: bool = False
