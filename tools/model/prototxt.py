"""Write prototxt/<preset>/*.prototxt from network.py and presets.py, or check that they are up to date."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from layers.common import paper
from layers.common.errors import RarError, run_command
from tools import PROJECT
from tools.model import network
from tools.model.presets import COMMITTED, PRESETS, Phase, Preset, preset
from tools.model.text import net_text

PROTOTXT = PROJECT / "prototxt"
COUNTED = "# Steps, and what is of a step, are counted from 0.\n"
HEADER = "# Made from tools/model/network.py and tools/model/presets.py: change those, then make prototxt.\n"

SOLVER = """\
net: "{net}"

# The paper (Sect. 4.1): SGD, momentum 0.9, weight decay 0.0001, mini-batch of {paper_batch} (in the net{own_batch}).
type: "SGD"
momentum: {momentum}
weight_decay: {decay}

# Ours: the paper gives no learning rate, policy or number of iterations.
base_lr: {phase.base_lr}
lr_policy: "poly"  # falls in a straight line to 0 at max_iter: no steps to guess
power: 1
max_iter: {phase.iterations}
# A small mini-batch can be of hard faces alone: no single step may be large enough to shut the LSTMs' gates.
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
        paper_batch=paper.BATCH_SIZE,
        own_batch="" if preset.batch_size == paper.BATCH_SIZE else f", where it is {preset.batch_size}",
        momentum=paper.MOMENTUM,
        decay=paper.WEIGHT_DECAY,
        phase=phase,
        test_iter=TEST_ITERATIONS,
        prefix=f"runs/{preset.name}/{prefix}",
    )


def files(preset: Preset, folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file of a preset and its text. folder: where the solvers are to look for the nets."""
    warm_up = solver(preset, preset.warm_up, f"{folder}/train_val_warm_up.prototxt", "warm_up")
    end_to_end = solver(preset, preset.end_to_end, f"{folder}/train_val.prototxt", "rar")
    yield folder / "train_val.prototxt", HEADER + COUNTED + net_text(network.train_val(preset, warm_up=False))
    yield folder / "train_val_warm_up.prototxt", HEADER + net_text(network.train_val(preset, warm_up=True))
    yield folder / "deploy.prototxt", HEADER + COUNTED + net_text(network.deploy(preset))
    yield folder / "solver.prototxt", HEADER + end_to_end
    yield folder / "solver_warm_up.prototxt", HEADER + warm_up


def unchanged(preset: Preset, name: str) -> str:
    """The text of a preset's committed file when nobody has changed it."""
    return next((text for path, text in files(preset, Path("prototxt", preset.name)) if path.name == name), "")


def folder_of(preset: Preset, run: Path) -> Path:
    """Where the files of a preset are: its committed folder; without one prototxt/ in `run`, written now."""
    if preset.name in COMMITTED:
        return PROTOTXT / preset.name
    return write(preset, run / "prototxt")


def write(preset: Preset, folder: Path) -> Path:
    """Write the files of a preset; returns their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files(preset, folder):
        path.write_text(text)
    return folder


@click.command(help=__doc__)
@click.option("--check", is_flag=True, help="write nothing; fail when a file differs")
@click.option("--preset", "name", help="any preset or variant, instead of those under prototxt/")
@click.option("--out", type=click.Path(path_type=Path), help="folder for the files of that preset")
def main(check: bool, name: str | None, out: Path | None) -> None:
    if name or out:
        if not (name and out) or check:
            raise RarError("--preset NAME and --out FOLDER go together, without --check")
        write(preset(name), out)
        print(out)
        return
    stale = []
    for committed in COMMITTED:
        for file, text in files(PRESETS[committed], Path("prototxt", committed)):
            path = PROTOTXT.parent / file
            if path.is_file() and path.read_text() == text:
                continue
            stale.append(str(file))
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    if check and stale:
        raise RarError(f"not as the code makes them: {', '.join(stale)}: run make prototxt")
    print(f"{len(stale)} files written" if stale else "all files up to date", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
