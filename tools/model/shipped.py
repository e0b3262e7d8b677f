"""The trained weights that come with the project, under models/, and the options of commands that use a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from layers.common.errors import RarError
from tools.model.half_precision import SUFFIX

MODELS = Path(__file__).resolve().parents[2] / "models"
DEFAULT = "compact"


def weights_of(name: str, given: Path | None = None) -> Path:
    """`given`, or the shipped weights of the preset `name`; RarError when there are none."""
    base = name.partition("+")[0]
    path = given or MODELS / base / f"{base}{SUFFIX}"
    if not given and not path.is_file():
        raise RarError(f"no weights of {base} come with the project: train them, or give --weights FILE")
    return path


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--preset and --weights, as `name` and `weights`: the path of weights_of."""

    def found(context: click.Context, parameter: click.Parameter, given: Path | None) -> Path:
        return weights_of(context.params["name"], given)

    weights = click.option(
        "--weights",
        type=click.Path(path_type=Path),
        callback=found,
        help="caffemodel of that preset; without it, the one under models/",
    )
    preset = click.option(
        "--preset", "name", default=DEFAULT, show_default=True, is_eager=True, help="or a variant, as compact+steps=8"
    )
    return preset(weights(command))
