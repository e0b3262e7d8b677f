"""Where data, runs and weights are unless a user says otherwise: under the project's folder, whatever the current one.

The weights to use are chosen here and nowhere else.
"""

from __future__ import annotations

import sys
from pathlib import Path

from layers.common.errors import RarError
from tools import PROJECT
from tools.common.paths import in_project, shown
from tools.model.about import know_scheme
from tools.model.presets import preset

MODELS = PROJECT / "models"
SUFFIX = ".caffemodel.h5"  # of weights at half precision, as they ship
DEFAULT = "compact"  # the preset of commands that detect
RESULT = "rar.caffemodel"  # the weights that a finished run leaves
SHIPPED = "shipped"  # instead of a file: the weights under models/
TRACES = ("log.csv", "*.solverstate", "*.caffemodel", "*_solver.prototxt")  # of a run that was begun


def prepared_folder(name: str, data_set: str = "300w") -> Path:
    """Where prepared data of the crop size of the preset `name` are: data/300w_128."""
    return in_project("data", f"{data_set}_{preset(name).crop_size}")


def run_folder(name: str) -> Path:
    """Where the preset, or variant, `name` is trained: runs/NAME."""
    return in_project("runs", name)


def shipped_weights(name: str) -> Path:
    """The weights that come with the project for the preset `name`; RarError when there are none."""
    base = name.partition("+")[0]
    path = MODELS / base / f"{base}{SUFFIX}"
    if not path.is_file():
        raise RarError(f"no weights of {base} come with the project: train them, or give --weights FILE")
    return path


def shipped_models() -> list[str]:
    """The presets whose weights come with the project."""
    return sorted(path.parent.name for path in MODELS.glob(f"*/*{SUFFIX}"))


def begun(run: Path) -> bool:
    """Whether a training has left anything in the folder `run`."""
    return any(next(run.glob(trace), None) for trace in TRACES)


def chosen_weights(name: str, run: Path | None = None, given: Path | None = None) -> Path:
    """The weights a command uses: those given; else those of the finished run; else those that come with the project.

    name: of a preset or variant. run: the folder of its training, by default run_folder(name). given: a file, or the
    word "shipped". The shipped ones are taken unasked only where no run was ever begun, and a line on stderr says so.
    RarError where a run was begun and has no final weights, and where there are no weights at all.
    """
    folder = run or run_folder(name)
    finished = (folder / RESULT).is_file()
    if given is None and not finished and begun(folder):
        raise RarError(
            f"the training in {folder} was begun and has no {RESULT}: run the same training again to end it, "
            f"or give --weights FILE, or --weights {SHIPPED}"
        )
    know_scheme(given or folder / RESULT)
    preset(name)  # a wrong name is told as such
    if given is not None:
        return shown(shipped_weights(name)) if str(given) == SHIPPED else given
    if finished:
        return folder / RESULT
    try:
        path = shown(shipped_weights(name))
    except RarError:
        raise RarError(f"no weights at {folder / RESULT}: train first, or give --weights FILE") from None
    print(f"no training in {folder}: using the weights that come with the project, {path}", file=sys.stderr)
    return path
