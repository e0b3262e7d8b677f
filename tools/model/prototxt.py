"""Write prototxt/<preset>/*.prototxt from network.py and presets.py, or check that they are up to date."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from layers.common import paper
from layers.common.errors import RarError, run_command
from tools import PROJECT
from tools.model import network
from tools.model.presets import PRESETS, Phase, Preset

PROTOTXT = PROJECT / "prototxt"
HEADER = "# Made from tools/model/network.py and tools/model/presets.py: change those, then make prototxt.\n"

SOLVER = """\
net: "{net}"

# The paper (Sect. 4.1): SGD, momentum 0.9, weight decay 0.0001, mini-batch of {batch} (in the net).
type: "SGD"
momentum: {momentum}
weight_decay: {decay}

# Ours: the paper gives no learning rate, policy or number of iterations.
base_lr: {phase.base_lr}
lr_policy: "poly"  # falls in a straight line to 0 at max_iter: no steps to guess
power: 1
max_iter: {phase.iterations}
# A mini-batch of two can be two hard faces: no single step may be large enough to shut the LSTMs' gates.
clip_gradients: {phase.clip_gradients}

# Validation reads $DATA/$TEST_SET; `make env` sets both.
test_iter: {test_iter}
test_interval: {phase.test_interval}
test_initialization: false

display: 100
average_loss: 100
snapshot: {phase.snapshot}
snapshot_prefix: "{prefix}"
random_seed: 0
"""

TEST_ITERATIONS = 100


def solver(preset: Preset, phase: Phase, net: str, prefix: str) -> str:
    """The text of a solver file; paths are relative to the project root, where `caffe train` is run."""
    return SOLVER.format(
        net=net,
        batch=paper.BATCH_SIZE,
        momentum=paper.MOMENTUM,
        decay=paper.WEIGHT_DECAY,
        phase=phase,
        test_iter=TEST_ITERATIONS,
        prefix=f"runs/{preset.name}/{prefix}",
    )


def text(proto: Any) -> str:
    """A net as prototxt, JSON parameters in single quotes so that they can be read."""
    plain = re.sub(r'param_str: "(.*)"', lambda match: "param_str: '" + match[1].replace('\\"', '"') + "'", str(proto))
    return HEADER + plain


def files(preset: Preset, folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file of a preset and its text. folder: where the solvers are to look for the nets."""
    warm_up = solver(preset, preset.warm_up, f"{folder}/train_val_warm_up.prototxt", "warm_up")
    end_to_end = solver(preset, preset.end_to_end, f"{folder}/train_val.prototxt", "rar")
    yield folder / "train_val.prototxt", text(network.train_val(preset, warm_up=False))
    yield folder / "train_val_warm_up.prototxt", text(network.train_val(preset, warm_up=True))
    yield folder / "deploy.prototxt", text(network.deploy(preset))
    yield folder / "solver.prototxt", HEADER + end_to_end
    yield folder / "solver_warm_up.prototxt", HEADER + warm_up


def folder_of(preset: Preset, run: Path) -> Path:
    """Where the files of a preset are: its committed folder; for a variant prototxt/ in `run`, written now."""
    if preset.name in PRESETS:
        return PROTOTXT / preset.name
    folder = run / "prototxt"
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files(preset, folder):
        path.write_text(text)
    return folder


@click.command(help=__doc__)
@click.option("--check", is_flag=True, help="write nothing; fail when a file differs")
def main(check: bool) -> None:
    stale = []
    for preset in PRESETS.values():
        for name, text in files(preset, Path("prototxt", preset.name)):
            path = PROTOTXT.parent / name
            if path.is_file() and path.read_text() == text:
                continue
            stale.append(str(name))
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    if check and stale:
        raise RarError(f"not as the code makes them: {', '.join(stale)}: run make prototxt")
    print(f"{len(stale)} files written" if stale else "all files up to date", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
