"""The command group. Subcommands are imported when they are wanted: some need packages that others do not."""

from __future__ import annotations

import copy
import importlib
from typing import Any

import click

from layers.common.errors import run_command
from tools.cli.table import COMMANDS, PLAIN
from tools.common.stopping import importing
from tools.common.version import commit, version

INTERRUPTED = 130


class Lazy(click.Group):
    """The commands of tools/cli/table.py."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Their names, in the table's order."""
        return [*COMMANDS, *PLAIN]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The click command called `name`, with its examples; None for an unknown one."""
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].place.partition(":")
        with importing():
            found: click.Command = copy.copy(getattr(importlib.import_module(module), attribute))
        lines = "\n".join(f"  rar-caffe {example}" for example in COMMANDS[name].examples)
        found.epilog = f"\b\nExamples:\n{lines}"
        return found

    def invoke(self, context: click.Context) -> Any:
        """As click does, but that Ctrl-C ends in the status that shells know: click's own is that of bad input."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            context.exit(INTERRUPTED)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table alone."""
        rows = [*((name, one.summary) for name, one in COMMANDS.items()), *PLAIN.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(f"{version()} (commit {commit()})", message="RAR-Caffe %(version)s")
def main() -> None:
    """Robust facial landmarks by Recurrent Attentive-Refinement Networks (ECCV 2016), in BVLC Caffe.

    Paths that you give are relative to where you are. Without them data, runs and results lie in the project's folder.
    """


if __name__ == "__main__":
    run_command(lambda: main(prog_name="rar-caffe"))
