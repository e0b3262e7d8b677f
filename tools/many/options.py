"""The option that all commands for several machines share."""

from __future__ import annotations

from pathlib import Path

import click

from tools.common.paths import in_project

FOLDER = "certificates"

certificates_option = click.option(
    "--certificates",
    type=click.Path(path_type=Path),
    default=lambda: in_project(FOLDER),
    help=f"folder made by many-certificates  [default: {FOLDER} in the project]",
)
