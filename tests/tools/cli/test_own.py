"""Faces of one's own by a scheme of one's own, from annotations to detection."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from data_prep.check import check
from data_prep.manifest import read_manifest
from data_prep.synthetic_faces.write import Parameters, write
from layers.common import schemes
from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from layers.common.scheme_file import read_scheme
from tests.conftest import import_packages
from tools import PROJECT
from tools.cli.own import main as own
from tools.detect.detector import Detector
from tools.evaluate.results import read_results
from tools.model.places import chosen_weights
from tools.model.presets import TINY, preset
from tools.test.__main__ import protocol_of

EXAMPLES = PROJECT / "docs" / "examples"
GUIDE = PROJECT / "docs" / "own-data.md"


@pytest.fixture(autouse=True)
def no_own_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has read none."""
    monkeypatch.setattr(schemes, "_own", {})


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the guide's drawn faces, a few, and faces.csv made by its program."""
    folder = tmp_path_factory.mktemp("own")
    write(folder / "faces", Parameters(7, 3, 0), 0)
    subprocess.run([sys.executable, str(EXAMPLES / "twelve.py")], cwd=folder, check=True)
    return folder


class Shown(NamedTuple):
    exception: RarError | None
    stdout: str
    stderr: str


def prepare(folder: Path, out: Path, *words: object) -> Shown:
    """What `data own` says on the faces of the fixture."""
    fixed = ["--images", folder / "faces", "--annotations", folder / "faces.csv", "--out", out, "--preset", "tiny"]
    fixed += ["--copies", 2, "--workers", 0]
    failure = None
    with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
        try:
            own.main(list(map(str, [*fixed, *words])), standalone_mode=False)
        except RarError as error:
            failure = error
    return Shown(failure, stdout.getvalue(), stderr.getvalue())


def step(*words: object) -> str:
    """A command in a process of its own, which knows no scheme; its output."""
    env = {**os.environ, "PYTHONPATH": f"{PROJECT}:{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tools.cli", *map(str, words)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_whole_way(faces: Path, tmp_path: Path) -> None:
    """Prepared, trained for two iterations, tested, and detected with by weights alone that were moved elsewhere."""
    data, run = tmp_path / "mine", tmp_path / "run"
    shown = prepare(faces, data, "--scheme", EXAMPLES / "twelve.json", "--split", "set")
    assert shown.exception is None, shown.stderr
    assert "to train: rar-caffe train --preset tiny+scheme=twelve+basis_size=" in shown.stdout.splitlines()[-1]
    assert "faces to train on: enough to try it" in shown.stderr and "calibrate needs 20" in shown.stderr
    assert list(check(data)) == []
    assert protocol_of(data) == "own"
    name = shown.stdout.splitlines()[-1].split()[5] + "+steps=2"
    step("train", "--preset", name, "--data", data, "--out", run, "--warm-up-iterations", 2, "--iterations", 2)
    printed = step("test", "--preset", name, "--data", data, "--run", run)
    assert re.search(r"^test 3 faces NME_pupil [\d.]+ FR10 [\d.]+$", printed.splitlines()[-1])
    assert "chin" in printed
    assert (run / "pictures" / "overlays.png").is_file()
    results = read_results(run / "results_own.json")
    assert results.scheme == "twelve" and results.faces[0].stages.shape == (3, 12, 2)
    schemes._own.clear()
    with pytest.raises(RarError, match="no landmark scheme 'twelve'"):
        preset(name)
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in ("rar.caffemodel", "rar.about.json"):
        (run / file).rename(moved / file)
    picture = cv2.imread(str(next((faces / "faces" / "ibug").glob("*.jpg"))))
    with Detector(name, moved / "rar.caffemodel") as detector:
        [face] = detector.detect(picture, [[60, 60, 200, 200]])
    assert face.points.shape == (12, 2) and detector.preset.scheme == "twelve"
    found = step("detect", "--preset", name, "--weights", moved / "rar.caffemodel", "--out", tmp_path / "found",
                 "--boxes", _boxes(faces, tmp_path), faces / "faces" / "ibug")  # fmt: skip
    assert "1 faces in 1 of 1 pictures" in found
    head = (tmp_path / "found" / "faces.csv").read_text().splitlines()[0]
    assert head.endswith("x_12,y_12,yaw,pitch,roll")


def _boxes(faces: Path, folder: Path) -> Path:
    [picture] = (faces / "faces" / "ibug").glob("*.jpg")
    (folder / "boxes.csv").write_text(f"{picture.name},60,60,200,200\n")
    return folder / "boxes.csv"


def test_a_scheme_by_its_file(tmp_path: Path) -> None:
    """For weights beside which nothing is said: the name of the preset has the scheme's name."""
    made = preset(f"tiny+scheme={EXAMPLES / 'twelve.json'}+steps=8")
    assert (made.name, made.landmarks, made.steps) == ("tiny+scheme=twelve+steps=8", 12, 8)
    assert made == preset("tiny+scheme=twelve+steps=8")
    assert made.feature_scale < TINY.feature_scale and made.lstm_lr < TINY.lstm_lr
    assert preset("tiny+scheme=68") == preset("tiny").__class__(**{**vars(TINY), "name": "tiny+scheme=68"})
    with pytest.raises(RarError, match="scheme twelve has 12 landmarks"):
        preset("tiny+scheme=twelve+landmarks=13")
    with pytest.raises(RarError, match="no scheme file /nowhere.json"):
        preset("tiny+scheme=/nowhere.json")
    with pytest.raises(RarError, match="no landmark scheme 'thirteen'"):
        chosen_weights("tiny+scheme=thirteen", tmp_path)


def test_one_face(faces: Path, tmp_path: Path) -> None:
    lines = (faces / "faces.csv").read_text().splitlines()
    (tmp_path / "one.csv").write_text("\n".join(lines[:2]))
    one = ("--annotations", tmp_path / "one.csv", "--scheme", EXAMPLES / "twelve.json")
    shown = prepare(faces, tmp_path / "data", *one)
    assert shown.exception is None, shown.stderr
    assert "1 photographs: all of them are to train on" in shown.stderr
    assert "tiny+scheme=twelve+basis_size=2" in shown.stdout  # the face and its mirror image
    with PreparedSet(tmp_path / "data" / "train") as rows:
        assert len(rows) == 2
    assert not (tmp_path / "data" / "val").exists()
    shown = prepare(faces, tmp_path / "bare", *one, "--copies", 1)
    assert "one crop of one face cannot be trained on: give --copies 2 or more" in str(shown.exception)


def test_faces_to_test_on_alone(faces: Path, tmp_path: Path) -> None:
    lines = (faces / "faces.csv").read_text().splitlines()
    (tmp_path / "one.csv").write_text("\n".join([lines[0], lines[1].replace(",train,", ",test,")]))
    one = ("--annotations", tmp_path / "one.csv", "--scheme", EXAMPLES / "twelve.json", "--split", "set")
    shown = prepare(faces, tmp_path / "data", *one)
    assert shown.exception is None, shown.stderr
    wanted = f"to test: rar-caffe test --preset tiny+scheme=twelve --data {tmp_path / 'data'} --run YOUR_RUN"
    assert shown.stdout.splitlines()[-1] == f"no face to train on; {wanted}"


def test_data_of_another_scheme_are_not_mixed(faces: Path, tmp_path: Path) -> None:
    assert prepare(faces, tmp_path, "--scheme", EXAMPLES / "twelve.json").exception is None
    other = json.loads((EXAMPLES / "twelve.json").read_text())
    other["name"] = "dozen"
    (tmp_path / "dozen.json").write_text(json.dumps(other))
    shown = prepare(faces, tmp_path, "--scheme", tmp_path / "dozen.json")
    assert f"{tmp_path} holds faces of scheme twelve, not dozen" in str(shown.exception)
    schemes._own.clear()
    other["name"], other["mirror"] = "twelve", []
    other["eyes"] = {"left": [0], "right": [3]}
    (tmp_path / "other.json").write_text(json.dumps(other))
    shown = prepare(faces, tmp_path, "--scheme", tmp_path / "other.json")
    assert "two different landmark schemes are called 'twelve'" in str(shown.exception)
    assert "manifest.json" in str(shown.exception)


def test_a_scheme_without_eyes_gets_no_occluders(faces: Path, tmp_path: Path) -> None:
    other = json.loads((EXAMPLES / "twelve.json").read_text())
    del other["eyes"], other["groups"]
    other |= {"name": "eyeless", "normaliser": {"name": "nose to chin", "from": [4], "to": [11]}}
    (tmp_path / "eyeless.json").write_text(json.dumps(other))
    shown = prepare(faces, tmp_path / "data", "--scheme", tmp_path / "eyeless.json", "--occluded", 1)
    assert shown.exception is None, shown.stderr
    assert "no synthetic occluders" in shown.stderr
    assert read_manifest(tmp_path / "data")["parameters"]["occluded"] == 0
    with PreparedSet(tmp_path / "data" / "train") as rows:
        assert not rows.occluded.any()
        np.testing.assert_allclose(
            rows.normaliser[:, 0], np.linalg.norm(rows.image_shape[:, 4] - rows.image_shape[:, 11], axis=1)
        )


def test_masks_without_a_mouth_or_a_nose(faces: Path, tmp_path: Path) -> None:
    """Occluders hang on the eyes alone where the scheme has no such groups."""
    other = json.loads((EXAMPLES / "twelve.json").read_text())
    del other["groups"]
    (tmp_path / "plain.json").write_text(json.dumps(other | {"name": "plain"}))
    shown = prepare(faces, tmp_path / "data", "--scheme", tmp_path / "plain.json", "--occluded", 1, "--copies", 8)
    assert shown.exception is None, shown.stderr
    with PreparedSet(tmp_path / "data" / "train") as rows:
        assert rows.occluded.any()


def test_no_scheme_for_so_many_points(faces: Path, tmp_path: Path) -> None:
    shown = prepare(faces, tmp_path)
    assert "12 points a face and no scheme: describe yours by --scheme FILE.json" in str(shown.exception)
    shown = prepare(faces, tmp_path, "--scheme", "68")
    assert "12 points, and scheme 68 has 68 landmarks" in str(shown.exception)


@pytest.mark.slow
def test_the_guide(tmp_path: Path) -> None:
    """Every command of the worked example as it is printed, on fewer faces (K = 100 shapes want 50) and iterations."""
    import_packages("onnx")
    text = GUIDE.read_text(encoding="utf-8").partition("## A worked example")[2]
    commands = re.search(r"```sh\n(.*?)```", text, re.S)[1].splitlines()  # type: ignore[index]
    assert len(commands) == 8
    shorter = {"--train": "130", "--test": "20", "--copies": "2", "--warm-up-iterations": "4", "--iterations": "4"}
    (tmp_path / "docs").symlink_to(PROJECT / "docs")
    for command in commands:
        words = shlex.split(command)
        for i, word in enumerate(words[:-1]):
            if word in shorter and words[i + 1].isdecimal():
                words[i + 1] = shorter[word]
        words[0] = words[0].replace("./rar-caffe", str(PROJECT / "rar-caffe"))
        words += ["--validation", "0.6"] if "own" in words else []  # calibrate needs 20
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"
    assert (tmp_path / "twelve.onnx").is_file()
    assert json.loads((tmp_path / "found" / "faces.json").read_text())[0]["points"][11]
    assert read_scheme(EXAMPLES / "twelve.json").landmarks == 12
