"""Preparing a data set for a preset, which says how large the crops are."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import click

from data_prep import prepare_300w, prepare_cofw, prepare_mtfl
from data_prep.check import main as verify
from tools.cli.own import main as own
from tools.model.options import preset_option
from tools.model.places import prepared_folder
from tools.model.presets import AFLW_COMPACT, preset


@click.group()
def main() -> None:
    """Prepare a data set: crops, augmentation, synthetic occlusion, shape pool."""


def add(called: str, command: click.Command, data_set: str, default: str, centres: int | None = None) -> None:
    """A subcommand: `command` of data_prep, its crop size and folder by default those of a preset.

    centres: how many shapes the pool has unless told otherwise.
    """

    def prepare(name: str, **options: Any) -> None:
        options["crop_size"] = options["crop_size"] or preset(name).crop_size
        options["out"] = options["out"] or prepared_folder(name, data_set)
        assert command.callback
        command.callback(**options)

    adapted = click.Command(called, params=[], callback=prepare, help=command.help)
    for shared in command.params:
        option = copy.copy(shared)
        if option.name in ("out", "crop_size"):
            assert isinstance(option, click.Option)
            option.required, option.default, option.show_default = False, None, False
            where = f"data/{data_set}_CROP in the project" if option.name == "out" else "the preset's"
            option.help = f"{option.help} [default: {where}]"
        if option.name == "centres" and centres:
            option.default = centres
        adapted.params.append(option)
    main.add_command(preset_option(default)(adapted))  # type: ignore[arg-type]


@click.command()
@preset_option("vgg19")
@click.argument("data", required=False, type=click.Path(path_type=Path))
def check(name: str, data: Path | None) -> None:
    """Verify DATA, by default the preset's 300-W: manifest, checksums, images, landmarks, transforms, order."""
    assert verify.callback
    verify.callback(data or prepared_folder(name))


main.add_command(own, "own")
add("300w", prepare_300w.main, "300w", "vgg19")
add("cofw", prepare_cofw.main, "cofw", "vgg19")
add("aflw", prepare_mtfl.main, "mtfl", "vgg19", AFLW_COMPACT.basis_size)
