"""A training of the small preset: one that has ended, and one in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.small import LOG_EVERY, SMALL, files
from tests.tools.train.runs import RunThere, train
from tools.model import presets, prototxt
from tools.model.presets import Preset
from tools.train import phase
from tools.train.__main__ import main


@pytest.fixture(scope="session")
def finished(small_project: Path, tmp_path_factory: pytest.TempPathFactory, run_there: RunThere) -> Path:
    """The folder of an uninterrupted run."""
    project = shutil.copytree(small_project, tmp_path_factory.mktemp("finished") / "project")
    done = train(run_there, project)
    assert (done.returncode, done.stdout) == (0, "out/rar.caffemodel\n"), done.stderr[-2000:]
    return project / "out"


@pytest.fixture
def here(project: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """here(OPTION, ..., preset=SMALL): run tools.train in this process, in the project's folder."""
    monkeypatch.chdir(project)
    monkeypatch.setattr(prototxt, "PROTOTXT", project / "prototxt")
    monkeypatch.setattr(prototxt, "files", files)
    monkeypatch.setattr(phase, "LOG_EVERY", LOG_EVERY)
    for name in ("DATA", "TEST_SET"):
        monkeypatch.setenv(name, "put back afterwards")

    def run(*options: str, preset: Preset = SMALL) -> None:
        monkeypatch.setitem(presets.PRESETS, "tiny", preset)
        usual = {"--preset": "tiny", "--data": str(prepared), "--out": "out"}
        usual |= dict(zip(options[::2], options[1::2], strict=True))
        main([word for pair in usual.items() for word in pair], standalone_mode=False)

    return run
