"""Tables on the screen, and in files of the formats asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from layers.common.files import finished_file
from tools.evaluate.table import Table, as_csv, as_latex, as_markdown, as_text

FILE = click.Path(path_type=Path, dir_okay=False)
FORMATS = {"markdown": as_markdown, "csv": as_csv, "latex": as_latex}


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --csv, --markdown and --latex."""
    for name in FORMATS:
        command = click.option(f"--{name}", type=FILE, help=f"write the tables as {name} too")(command)
    return command


def show(tables: Sequence[Table], outputs: dict[str, Path | None]) -> None:
    """Print the tables, and write them in the other formats asked for."""
    print(as_text(tables))
    for name, path in outputs.items():
        if path:
            with finished_file(path) as part:
                part.write_text(FORMATS[name](tables), encoding="utf-8")
