"""The test run: results in px of the original image, in a file that tools.evaluate scores."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data_prep.manifest import read_manifest, write_manifest
from data_prep.patches import PatchSet
from layers.common.errors import RarError
from layers.common.files import sha256
from layers.common.prepared import PreparedSet
from layers.common.shapes import affine_apply
from tests.conftest import PROJECT
from tests.tools.small import SMALL
from tools.common.version import version
from tools.evaluate.__main__ import main as evaluate
from tools.evaluate.origin import origin
from tools.evaluate.results import Data, Results, read_results
from tools.model import crop_detector, presets
from tools.model.crop_detector import CropDetector, Detections
from tools.test import faces as test_faces


@pytest.fixture
def tested(
    trained: Path, small_project: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Results]:
    """tested(batch="4", ...): run the command with these options; what its results file holds."""
    monkeypatch.setattr(crop_detector, "PROTOTXT", small_project / "prototxt")
    monkeypatch.setitem(presets.PRESETS, "tiny", SMALL)

    def run(**options: str) -> Results:
        usual = {"preset": "tiny", "weights": str(trained / "rar_iter_12.caffemodel"), "data": str(prepared)}
        usual |= {"out": str(tmp_path / "results.json"), **options}
        test_faces.main([word for name, value in usual.items() for word in (f"--{name}", value)], standalone_mode=False)
        return read_results(Path(usual["out"]))

    return run


def test_every_face_of_every_set(
    tested: Callable[..., Results], trained: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tested()
    expected = [(subset, name) for subset in ("helen", "lfpw", "ibug") for name in PreparedSet(prepared / subset).name]
    assert [(face.subset, face.name) for face in results.faces] == expected
    assert results.steps == SMALL.steps
    weights = trained / "rar_iter_12.caffemodel"
    assert (results.model.name, results.model.sha256, results.model.version) == ("tiny", sha256(weights), version())
    assert (results.data.raw, results.data.boxes, results.data.margin) == ("synthetic", "detector", 1.4)
    assert capsys.readouterr().out == f"{tmp_path / 'results.json'}\n"


def test_boxes_are_those_of_each_set(tested: Callable[..., Results], prepared: Path, tmp_path: Path) -> None:
    """One that was prepared later, otherwise, relabels no other; its own label is in the file, and in every table."""
    data = Path(shutil.copytree(prepared, tmp_path / "data"))
    book = read_manifest(data)
    book["sets"]["ibug"]["settings"] |= {"boxes": "gt", "margin": 2.0}
    book["parameters"] |= {"boxes": "gt", "margin": 2.0}
    write_manifest(data, book)
    results = tested(data=str(data))
    assert results.data == Data("detector", 1.4, "synthetic", "", {"ibug": ("gt", 2.0)})
    assert "boxes detector with margin 1.4; ibug: boxes gt with margin 2" in origin("tiny", results, "8")
    assert tested(data=str(data), sets="ibug").data == Data("gt", 2.0, "synthetic", "")
    book["sets"]["ibug"]["raw"] = "mine"
    write_manifest(data, book)
    with pytest.raises(RarError, match="ibug is of mine and helen of synthetic: test them one by one"):
        tested(data=str(data))


def test_a_damaged_set_is_not_tested(tested: Callable[..., Results], prepared: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(prepared, tmp_path / "data"))
    images = data / "helen" / "images.lmdb" / "data.mdb"
    content = bytearray(images.read_bytes())
    content[len(content) // 2] ^= 1
    images.write_bytes(content)
    with pytest.raises(RarError, match=r"helen/images\.lmdb/data\.mdb: not the file that was written, its checksum"):
        tested(data=str(data))
    assert tested(data=str(data), sets="lfpw").faces


def test_shapes_are_in_px_of_the_original_image(
    tested: Callable[..., Results], trained: Path, small_project: Path, prepared: Path
) -> None:
    faces = PreparedSet(prepared / "lfpw")
    found = CropDetector(
        SMALL, trained / "rar_iter_12.caffemodel", small_project / "prototxt" / "tiny" / "deploy.prototxt"
    ).detect(np.stack([faces.image(row) for row in range(len(faces))]))
    results = tested(sets="lfpw")
    for row, face in enumerate(results.faces):
        matrix = faces.crop_to_image[row]
        np.testing.assert_allclose(face.s_d, affine_apply(matrix, found.s_d[row]), atol=2e-3)
        for stage, expected in zip(face.stages, found.stages[row], strict=True):
            np.testing.assert_allclose(stage, affine_apply(matrix, expected), atol=2e-3)
        np.testing.assert_allclose(face.ground_truth, affine_apply(matrix, faces.shape[row]), atol=1e-2)
        np.testing.assert_allclose(face.box, faces.box[row], atol=1e-3)
        np.testing.assert_array_equal(face.centres, found.centres[row])


def test_the_plain_crops_of_live_data(
    tested: Callable[..., Results], trained: Path, small_project: Path, prepared_live: Path
) -> None:
    """Training faces are tested as well, as COFW's have to be."""
    results = tested(sets="train", data=str(prepared_live), batch="8")
    faces = PatchSet(prepared_live / "train")
    assert [face.name for face in results.faces] == list(faces.name)
    found = CropDetector(
        SMALL, trained / "rar_iter_12.caffemodel", small_project / "prototxt" / "tiny" / "deploy.prototxt"
    ).detect(np.stack([faces.image(row) for row in range(8)]))
    for row, face in enumerate(results.faces[:8]):
        np.testing.assert_allclose(face.s_d, affine_apply(faces.crop_to_image[row], found.s_d[row]), atol=2e-3)
        np.testing.assert_allclose(face.ground_truth, faces.image_shape[row], atol=1e-2)


class OneFace:
    """Stands for a prepared set: one crop, cut at (10, 20) of its image and shrunk to half."""

    crop_to_image = np.array([[[2.0, 0.0, 10.0], [0.0, 2.0, 20.0]]])
    image_shape, name, box, copy = np.zeros((1, 68, 2)), ["a"], np.zeros((1, 4)), np.zeros(1)
    occluded = np.zeros((1, 68), np.uint8)

    def __len__(self) -> int:
        return 1

    def image(self, row: int) -> NDArray[np.uint8]:
        return np.zeros((64, 64, 3), np.uint8)


def test_mapping_by_hand() -> None:
    """Crop px (3, 5) is image px (16, 30)."""
    stages = np.tile(np.array([3.0, 5.0], np.float32), (1, 4, 68, 1))
    found = Detections(stages[:, 0] + 1, stages, np.zeros((1, 3), np.int64), np.zeros((1, 3, 68)), np.ones((1, 68)))
    stub: Any = SimpleNamespace(detect=lambda crops: found)
    faces: Any = OneFace()
    (face,) = test_faces.test_set(stub, faces, "helen", 1)
    np.testing.assert_array_equal(face.stages, np.tile([16.0, 30.0], (4, 68, 1)))
    np.testing.assert_array_equal(face.s_d, np.tile([18.0, 32.0], (68, 1)))


def test_the_batch_does_not_matter(tested: Callable[..., Results]) -> None:
    one, four = tested(batch="1"), tested(batch="4")
    assert [face.name for face in one.faces] == [face.name for face in four.faces]
    for a, b in zip(one.faces, four.faces, strict=True):
        np.testing.assert_allclose(a.stages, b.stages, atol=5e-3)
        np.testing.assert_array_equal(a.centres, b.centres)


def test_the_evaluator_scores_the_file(
    tested: Callable[..., Results], prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tested()
    capsys.readouterr()
    evaluate(["300w", "--results", str(tmp_path / "results.json")], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    faces = PreparedSet(prepared / "helen")
    distances = [np.linalg.norm(face.stages[-1] - face.ground_truth, axis=-1) for face in results.faces[: len(faces)]]
    nme = 100 * np.mean(np.mean(distances, axis=1) / faces.normaliser[:, 0])
    (helen,) = [line for line in lines if line.startswith("helen ")]
    assert helen.startswith(f"helen {len(faces)} faces NME_pupil {nme:.2f} NME_corner ")


def test_absent_sets_are_named_and_the_rest_is_tested(
    tested: Callable[..., Results], prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(prepared / "ibug", data / "ibug")
    shutil.copy(prepared / "manifest.json", data)
    results = tested(data=str(data))
    assert {face.subset for face in results.faces} == {"ibug"}
    assert f"not in {data}, left out: helen, lfpw" in capsys.readouterr().err


def test_no_data(tested: Callable[..., Results], prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(RarError, match=r"no .*manifest\.json: prepare the data"):
        tested(data=str(tmp_path))
    shutil.copy(prepared / "manifest.json", tmp_path)
    with pytest.raises(RarError, match="none of helen,lfpw,ibug in .*prepare the data first"):
        tested(data=str(tmp_path))


def test_wrong_weights_are_one_clear_line(
    prepared: Path, trained: Path, tmp_path: Path, run_there: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """The small preset's weights for the committed `tiny`."""
    options = ["--weights", str(trained / "rar_iter_12.caffemodel"), "--data", str(prepared), "--preset", "tiny"]
    command = ["/usr/bin/python3", "-m", "tools.test.faces", *options, "--out", str(tmp_path / "r.json")]
    done = run_there(PROJECT, *command, GLOG_minloglevel="2")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and "it is for another net" in line
    assert not (tmp_path / "r.json").exists()
