"""Options that the commands share: which model, which data, where the results go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tools.model.places import DEFAULT, SHIPPED, chosen_weights, prepared_folder, run_folder
from tools.model.presets import preset

PATH = click.Path(path_type=Path)
RUN = "tools.model.options.run"  # its place in the context's own notes
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def model_options_for(default: str) -> Decorator:
    """--preset, --run and --weights, as `name` and `weights`: the path that chosen_weights gives."""

    def found(context: click.Context, parameter: click.Parameter, given: Path | None) -> Path:
        return chosen_weights(context.params["name"], context.meta.get(RUN), given)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        weights = click.option(
            "--weights",
            type=PATH,
            callback=found,
            help=f"caffemodel of that preset, or `{SHIPPED}`; without it those of the run, else those under models/",
        )
        return preset_option(default)(run_option(weights(command)))

    return decorate


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Those of commands that detect, which take the preset that ships unless told otherwise."""
    return model_options_for(DEFAULT)(command)


def preset_option(default: str) -> Decorator:
    """--preset, as `name`, read before the options that depend on it; with a scheme's name, where its file is given."""

    def named(context: click.Context, parameter: click.Parameter, given: str) -> str:
        return preset(given).name if ".json" in given else given

    return click.option(
        "--preset",
        "name",
        default=default,
        show_default=True,
        is_eager=True,
        callback=named,
        help=f"or a variant: {default}+steps=8",
    )


def run_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--run, which only the options below look at."""

    def kept(context: click.Context, parameter: click.Parameter, given: Path | None) -> None:
        context.meta[RUN] = given

    return click.option(
        "--run",
        type=PATH,
        is_eager=True,
        expose_value=False,
        callback=kept,
        help="folder of the preset's training  [default: runs/PRESET in the project]",
    )(command)


def run_of(context: click.Context) -> Path:
    """The folder of the training that --run names, or of the preset's."""
    return context.meta.get(RUN) or run_folder(context.params["name"])


def in_run(option: str, leaf: str, help_text: str) -> Decorator:
    """An option for a path that is RUN/leaf unless given; leaf "" is the run's folder itself."""

    def placed(context: click.Context, parameter: click.Parameter, given: Path | None) -> Path:
        return given or run_of(context) / leaf

    where = f"RUN/{leaf}" if leaf else "RUN"
    return click.option(option, type=PATH, callback=placed, help=f"{help_text}  [default: {where}]")


def data_option(data_set: str = "300w", subset: str = "") -> Decorator:
    """--data, prepared data; by default the project's, of the preset's crop size."""

    def placed(context: click.Context, parameter: click.Parameter, given: Path | None) -> Path:
        return given or prepared_folder(context.params["name"], data_set) / subset

    where = f"data/{data_set}_CROP{f'/{subset}' if subset else ''} in the project"
    return click.option("--data", type=PATH, callback=placed, help=f"prepared data  [default: {where}]")
