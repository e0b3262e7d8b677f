"""`rar-caffe test`: results file, pictures and tables in the folder of the run, by the protocol of the data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from layers.common.errors import RarError
from tests.tools.small import SMALL
from tools.evaluate.results import read_results
from tools.model import crop_detector, presets
from tools.test.__main__ import main

LOG = "phase,iteration,seconds,learning_rate,loss_conv8,val_loss_conv8\nwarm_up,2,3,0.01,6.2,\nrar,4,7,0.001,5.9,\n"


@pytest.fixture
def finished(trained: Path, small_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a finished training of the small preset, with a space in its name."""
    monkeypatch.setattr(crop_detector, "PROTOTXT", small_project / "prototxt")
    monkeypatch.setitem(presets.PRESETS, "tiny", SMALL)
    folder = tmp_path / "a run"
    folder.mkdir()
    shutil.copy(trained / "rar_iter_12.caffemodel", folder / "rar.caffemodel")
    (folder / "log.csv").write_text(LOG)
    return folder


def test_all_of_a_run(finished: Path, prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--preset", "tiny", "--run", str(finished), "--data", str(prepared)], standalone_mode=False)
    found = read_results(finished / "results.json")
    assert found.model.weights == str(finished / "rar.caffemodel")
    assert {path.name for path in (finished / "pictures").iterdir()} >= {"overlays.png", "loss.png", "ced.png"}
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == str(finished / "results.json") and shown[-1].startswith("ibug")


def test_the_data_say_how_they_are_tested(finished: Path, prepared: Path, tmp_path: Path) -> None:
    """A manifest of another data set: its own sets are asked for, which these data have not."""
    shutil.copytree(prepared, tmp_path / "data")
    manifest = json.loads((tmp_path / "data" / "manifest.json").read_text())
    for entry in manifest["sets"].values():
        entry["raw"] = "mtfl"
    (tmp_path / "data" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RarError, match="none of aflw in"):
        main(["--preset", "tiny", "--run", str(finished), "--data", str(tmp_path / "data")], standalone_mode=False)


def test_a_run_that_did_not_end(finished: Path, prepared: Path) -> None:
    (finished / "rar.caffemodel").unlink()
    with pytest.raises(RarError, match="was begun and has no rar.caffemodel"):
        main(["--preset", "tiny", "--run", str(finished), "--data", str(prepared)], standalone_mode=False)
