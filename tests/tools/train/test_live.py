"""tools.train on live data: stopped and killed it draws the very crops it would have drawn, and nobody stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from caffe.proto import caffe_pb2
from google.protobuf import text_format

from tests.tools.small import SMALL
from tests.tools.train.runs import Run, RunThere, assert_same_run, read_log, train
from tools.train import samples
from tools.train.samples import net_of_run

MODULE = "data_prep.live.worker"


@pytest.fixture(scope="module")
def run_live(run_there: RunThere, prepared_live: Path) -> Callable[..., Run]:
    """run_live(project, out, NAME="value"): tools.train of the small preset on patches."""

    def run(project: Path, out: str = "out", **variables: str) -> Run:
        return train(run_there, project, out, DATA=str(prepared_live), **variables)

    return run


@pytest.fixture(scope="module")
def finished(small_project: Path, tmp_path_factory: pytest.TempPathFactory, run_live: Callable[..., Run]) -> Path:
    """The folder of an uninterrupted run."""
    project = shutil.copytree(small_project, tmp_path_factory.mktemp("finished") / "project")
    done = run_live(project)
    assert (done.returncode, done.stdout) == (0, "out/rar.caffemodel\n"), done.stderr[-2000:]
    return project / "out"


def drawing_for(folder: Path) -> list[str]:
    """Processes that draw for a training in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if MODULE in (process / "cmdline").read_text() and (process / "cwd").readlink() == folder:
                found.append(process.name)
        except OSError:
            continue
    return found


def place(weights: Path) -> list[float]:
    net = caffe_pb2.NetParameter.FromString(weights.read_bytes())
    (found,) = (list(layer.blobs[0].data) for layer in net.layer if layer.name == "train_samples")
    return found


def test_both_phases_read_live_crops(finished: Path, prepared_live: Path) -> None:
    for phase, first_visit, iterations in (
        ("warm_up", 0, SMALL.warm_up.iterations), ("rar", samples.FIRST_VISITS["rar"], SMALL.end_to_end.iterations)
    ):  # fmt: skip
        net = text_format.Parse((finished / f"{phase}_train_val.prototxt").read_text(), caffe_pb2.NetParameter())
        train_samples, test_samples = net.layer[:2]
        assert train_samples.python_param.layer == "LiveSampleLayer"
        assert test_samples.python_param.layer == "SampleLayer", "validation faces stay as they are"
        parameters = json.loads(train_samples.python_param.param_str)
        assert parameters == {"source": "$DATA/train", "batch_size": 2, "seed": 0, "first_visit": first_visit}
        assert place(finished / f"{phase}.caffemodel") == [0, 2 * iterations]
    assert all(np.isfinite(float(row["loss_conv8"])) for row in read_log(finished))
    assert drawing_for(finished.parent) == []


def test_killed_and_run_again(project: Path, finished: Path, run_live: Callable[..., Run]) -> None:
    """12 iterations in one go, or 6 of them, a kill, and what is left from the last snapshot: one and the same."""
    killed = run_live(project, INTERRUPT="7 SIGKILL")
    assert killed.returncode == -9
    again = run_live(project)
    assert again.returncode == 0, again.stderr[-2000:]
    assert "rar: going on from iteration 4" in again.stderr
    assert_same_run(project / "out", finished)
    assert drawing_for(project) == []


def test_caffe_train_on_the_files_of_the_run(
    project: Path, finished: Path, prepared_live: Path, run_there: RunThere
) -> None:
    """Caffe's own program, in which Python is a guest, draws and ends as well."""
    shutil.copytree(finished, project / "out")
    command = ("caffe", "train", "-solver", "out/warm_up_solver.prototxt")
    done = run_there(project, *command, DATA=str(prepared_live), TEST_SET="val")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Optimization Done." in done.stderr
    assert place(project / "out" / "warm_up_iter_4.caffemodel") == [0, 8]
    assert drawing_for(project) == []


def test_another_seed_sees_other_crops(small_project: Path, prepared_live: Path, tmp_path: Path) -> None:
    net = small_project / "prototxt" / "tiny" / "train_val.prototxt"
    text = {seed: net_of_run(net, prepared_live, tmp_path, "rar", seed).read_text() for seed in (1, 2)}
    assert text[1].replace('"seed": 1', '"seed": 2') == text[2] != text[1]


def test_on_crops_the_committed_net_is_trained(small_project: Path, prepared: Path, tmp_path: Path) -> None:
    net = small_project / "prototxt" / "tiny" / "train_val.prototxt"
    assert net_of_run(net, prepared, tmp_path, "rar", 0) == net
    assert net_of_run(net, tmp_path / "nowhere", tmp_path, "rar", 0) == net
    assert list(tmp_path.iterdir()) == []


def test_a_warm_up_of_the_other_kind_is_taken(project: Path, finished: Path, run_there: RunThere) -> None:
    """Its place in the data is of no use, and not worth a word."""
    shutil.copy(finished / "warm_up.caffemodel", project)
    options = "--preset tiny --warm-up warm_up.caffemodel --out o --data $DATA"
    command = f"exec /usr/bin/python3 -m tests.tools.small {options}"
    stopped = run_there(project, "sh", "-c", command, GLOG_minloglevel="2", INTERRUPT="3 SIGINT")
    assert stopped.returncode == 130, stopped.stderr[-2000:]
    assert "start anew" not in stopped.stderr
    assert place(project / "o" / "rar_iter_3.caffemodel") == [6]


def test_stopped_by_ctrl_c_and_run_on_the_other_kind(
    project: Path, run_there: RunThere, run_live: Callable[..., Run]
) -> None:
    """Nobody is left drawing; and a snapshot goes on with its own kind of data alone."""
    stopped = run_live(project, INTERRUPT="5 SIGINT")
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines()[-1] == "stopped at iteration 5: run the same command to go on"
    assert drawing_for(project) == []
    other = train(run_there, project)
    assert other.returncode == 1
    assert other.stderr.splitlines()[-1].startswith(
        "error: out holds another training (other data (faces, crops, augmentation or shape pool)): give what it was"
    )
    assert "Traceback" not in other.stderr
