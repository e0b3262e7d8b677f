"""Every command a person runs: help, and a wrong option in words instead of a trace."""

from __future__ import annotations

import importlib
import runpy
import sys

import click
import pytest

from tests.conftest import PROJECT

COMMANDS = [
    "tools.cli", "tools.cli.demo", "tools.cli.ablations", "tools.test",
    "data_prep.check", "data_prep.prepare_300w", "data_prep.prepare_cofw", "data_prep.prepare_mtfl",
    "data_prep.shape_pool", "data_prep.synthetic_faces", "tools.bench", "tools.detect", "tools.many",
    "tools.draw", "tools.draw.compare", "tools.evaluate", "tools.model.prototxt", "tools.report.page",
    "tools.report.ship", "tools.evaluate.paper_tables", "tools.test.faces", "tools.test.occlusion", "tools.test.oracle",
    "tools.onnx", "tools.onnx.compare", "tools.train", "tools.model.vgg19", "tools.web",
]  # fmt: skip


def ending(module: str, *arguments: str) -> object:
    """Exit status of python3 -m MODULE ARGUMENTS, run in this process."""
    path = PROJECT / module.replace(".", "/")
    program = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    before, sys.argv = sys.argv, [str(program), *arguments]
    try:
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(program), run_name="__main__")
    finally:
        sys.argv = before
    return end.value.code


@pytest.mark.parametrize("module", COMMANDS)
def test_help(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(module, "--help") == 0
    assert capsys.readouterr().out.startswith("Usage: ")


@pytest.mark.parametrize("module", COMMANDS)
def test_every_number_has_bounds(module: str) -> None:
    """No command takes `--iterations 0` or `--batch -1`, and finds out later."""
    name = f"{module}.__main__" if (PROJECT / module.replace(".", "/")).is_dir() else module
    main = importlib.import_module(name).main
    options = [option for command in (main, *getattr(main, "commands", {}).values()) for option in command.params]
    unbounded = [option.name for option in options if type(option.type) in (type(click.INT), type(click.FLOAT))]
    assert unbounded == []


@pytest.mark.parametrize("module", COMMANDS)
def test_a_wrong_option_is_explained(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(module, "--colour", "blue") == 2
    assert "No such option: --colour" in capsys.readouterr().err.splitlines()[-1]
