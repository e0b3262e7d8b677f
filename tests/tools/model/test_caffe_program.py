"""The `caffe` program itself on our nets: train, kill, resume; test; and what it says to a user's mistakes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import lmdb
import numpy as np
import pytest
from caffe.proto import caffe_pb2

from layers.common import datum
from layers.common.metrics import face_errors, failure_rate
from layers.common.prepared import IMAGES, PreparedSet, row_key
from layers.common.schemes import SCHEME_68
from tests.tools.small import SMALL
from tools.model import network
from tools.model.caffe_net import net_from
from tools.model.crop_detector import CropDetector

Run = CompletedProcess[str]
RunThere = Callable[..., Run]
SOLVER = "prototxt/tiny/solver.prototxt"
NET = "prototxt/tiny/train_val.prototxt"


def read_weights(path: Path) -> dict[str, list[list[float]]]:
    net = caffe_pb2.NetParameter.FromString(path.read_bytes())
    return {layer.name: [list(blob.data) for blob in layer.blobs] for layer in net.layer if layer.blobs}


def read_state(path: Path) -> Any:
    return caffe_pb2.SolverState.FromString(path.read_bytes())


def test_killed_and_resumed_training_ends_as_an_uninterrupted_one(
    trained: Path, project: Path, run_there: RunThere
) -> None:
    killed = run_there(project, "caffe", "train", "-solver", SOLVER, INTERRUPT="7 SIGKILL")
    snapshots = project / "runs" / "tiny"
    assert killed.returncode == -9
    assert sorted(path.name for path in snapshots.iterdir()) == ["rar_iter_4.caffemodel", "rar_iter_4.solverstate"]
    resumed = run_there(project, "caffe", "train", "-solver", SOLVER, "-snapshot", "runs/tiny/rar_iter_4.solverstate")
    assert resumed.returncode == 0, resumed.stderr[-2000:]

    expected, found = (read_weights(folder / "rar_iter_12.caffemodel") for folder in (trained, snapshots))
    assert found == expected
    assert found["train_samples"] == [[12 * 2]], "the row to read next"
    assert found != read_weights(snapshots / "rar_iter_4.caffemodel")
    expected, found = (read_state(folder / "rar_iter_12.solverstate") for folder in (trained, snapshots))
    assert (found.iter, found.current_step) == (expected.iter, expected.current_step) == (12, 0)
    assert [blob.data for blob in found.history] == [blob.data for blob in expected.history]
    assert any(any(blob.data) for blob in found.history)


# caffe test -----------------------------------------------------------------------------------------------------------


def caffe_test(run_there: RunThere, project: Path, weights: Path, iterations: int = 1, **variables: str) -> Run:
    options = ["-model", NET, "-weights", str(weights), "-iterations", str(iterations)]
    return run_there(project, "caffe", "test", *options, **variables)


def scalar(done: Run, name: str) -> float:
    """The mean that `caffe test` prints last."""
    return float(re.findall(rf"\] {name} = ([-\d.e+]+)", done.stderr)[-1])


def test_caffe_test_prints_the_error_and_failure_rate(
    trained: Path, prepared: Path, project: Path, run_there: RunThere
) -> None:
    """The same figures as the deploy net's, on every face of the set once."""
    weights, faces = trained / "rar_iter_12.caffemodel", PreparedSet(prepared / "helen")
    done = caffe_test(run_there, project, weights, len(faces))
    assert done.returncode == 0, done.stderr[-2000:]
    detector = CropDetector(SMALL, weights, project / "prototxt" / "tiny" / "deploy.prototxt")
    found = detector.detect(np.stack([faces.image(row) for row in range(len(faces))]))
    final, truth = found.stages[:, -1], faces.shape
    by_pupil = face_errors(final, truth, SCHEME_68, "pupil")
    assert scalar(done, "nme_pupil_s_hat_3") == pytest.approx(100 * by_pupil.mean(), rel=1e-4)
    assert scalar(done, "fr10_s_hat_3") == pytest.approx(100 * failure_rate(by_pupil))
    corner = 100 * face_errors(final, truth, SCHEME_68, "corner").mean()
    assert scalar(done, "nme_corner_s_hat_3") == pytest.approx(corner, rel=1e-4)
    s_d = 100 * face_errors(found.s_d, truth, SCHEME_68, "pupil").mean()
    assert scalar(done, "nme_pupil_s_d") == pytest.approx(s_d, rel=1e-4)


def test_weights_of_another_preset_are_refused(project: Path, tmp_path: Path, run_there: RunThere) -> None:
    other = net_from(network.deploy(replace(SMALL, reduction=16)))
    other.save(str(tmp_path / "other.caffemodel"))
    done = caffe_test(run_there, project, tmp_path / "other.caffemodel")
    assert done.returncode != 0
    assert "layer 'reduction'; shape mismatch" in done.stderr


def test_a_truncated_weight_file_is_refused(trained: Path, project: Path, tmp_path: Path, run_there: RunThere) -> None:
    cut = tmp_path / "cut.caffemodel"
    cut.write_bytes((trained / "rar_iter_12.caffemodel").read_bytes()[:-1000])
    assert caffe_test(run_there, project, cut).returncode != 0


def errors(done: Run) -> list[str]:
    """The lines that our own layers say; nothing of Python's trace may be near them."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def test_an_unset_variable_is_named(trained: Path, project: Path, run_there: RunThere) -> None:
    done = caffe_test(run_there, project, trained / "rar_iter_12.caffemodel", DATA="")
    assert errors(done) == ["error: $DATA/$TEST_SET: the variable is not set; e.g. export DATA=data/300w"]


def test_a_missing_set_is_named(trained: Path, prepared: Path, project: Path, run_there: RunThere) -> None:
    done = caffe_test(run_there, project, trained / "rar_iter_12.caffemodel", TEST_SET="cofw")
    assert errors(done) == [f"error: no prepared set at {prepared}/cofw: prepare the data again (make data-300w)"]


def test_a_corrupt_image_is_named(
    trained: Path, prepared: Path, project: Path, tmp_path: Path, run_there: RunThere
) -> None:
    shutil.copytree(prepared / "helen", tmp_path / "helen")
    shutil.copy(prepared / "shape_pool.h5", tmp_path)
    broken = datum.encode(datum.Datum(3, 64, 64, b"\xff\xd8 no JPEG at all", label=1))
    with lmdb.open(str(tmp_path / "helen" / IMAGES)) as images, images.begin(write=True) as transaction:
        transaction.put(row_key(1), broken)
    options = {"DATA": str(tmp_path), "TEST_SET": "helen"}
    weights = trained / "rar_iter_12.caffemodel"
    assert caffe_test(run_there, project, weights, 1, **options).returncode == 0
    (line,) = errors(caffe_test(run_there, project, weights, 2, **options))
    assert line.startswith(f"error: {tmp_path}/helen/images.lmdb, row 1: no 64 px image in it: prepare")
