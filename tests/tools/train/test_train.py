"""tools.train: whenever it is stopped, it ends with the same weights; and what it says when something is wrong."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from caffe.proto import caffe_pb2

from layers import refinement
from layers.common.errors import RarError
from tests.tools.small import SMALL, write_project
from tests.tools.train.runs import (
    RunThere,
    assert_same_run,
    assert_same_run_but,
    figures,
    read_log,
    train,
)
from tools.build.environment import caffe_folder
from tools.model import network
from tools.model.caffe_net import net_from
from tools.model.run_record import read_record
from tools.train import run

Usage = namedtuple("Usage", "total used free")


def test_an_uninterrupted_run(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {
        ".lock", "log.csv", "rar.caffemodel", "rar_iter_8.caffemodel", "rar_iter_8.solverstate", "rar_solver.prototxt",
        "rar_start.caffemodel", "run.json", "warm_up.caffemodel", "warm_up_solver.prototxt", "rar.about.json",
    }  # fmt: skip
    rows = read_log(finished)
    expected = [("warm_up", n) for n in (2, 4)] + [("rar", n) for n in (2, 4, 6, 8, 10, 12)]
    assert [(row["phase"], int(row["iteration"])) for row in rows] == expected
    assert all(float(row["nme_pupil_s_hat_3"]) > 0 for row in rows[2:])
    validated = [int(row["iteration"]) for row in rows[2:] if row["val_nme_pupil_s_hat_3"]]
    assert validated == [SMALL.end_to_end.test_interval], "there is a val/, so it is scored"


def test_the_learning_rate_falls_in_a_straight_line(finished: Path) -> None:
    for row in read_log(finished)[2:]:
        expected = SMALL.end_to_end.base_lr * (1 - int(row["iteration"]) / SMALL.end_to_end.iterations)
        assert float(row["learning_rate"]) == pytest.approx(expected, rel=0.01)


def test_the_features_are_standardised_once_before_the_second_phase(finished: Path) -> None:
    def statistics(name: str) -> list[list[float]]:
        net = caffe_pb2.NetParameter.FromString((finished / name).read_bytes())
        return [list(blob.data) for layer in net.layer if layer.name == "phi_0" for blob in layer.blobs]

    mean, variance, count = statistics("rar_start.caffemodel")
    assert count == [1]
    assert max(variance) > 0 and len(set(mean)) > 10
    assert statistics("rar.caffemodel") == [mean, variance, count], "the solver must leave them alone"


def test_the_end_to_end_phase_starts_from_the_warm_up(finished: Path) -> None:
    """From its weights, but from the first row of the data."""

    def layers(name: str) -> dict[str, list[float]]:
        net = caffe_pb2.NetParameter.FromString((finished / name).read_bytes())
        return {layer.name: list(layer.blobs[0].data) for layer in net.layer if layer.blobs}

    warm, final = layers("warm_up.caffemodel"), layers("rar.caffemodel")
    assert warm["train_samples"] == [2 * SMALL.warm_up.iterations]
    assert final["train_samples"] == [2 * SMALL.end_to_end.iterations]
    change = sum(abs(a - b) for a, b in zip(warm["conv1_1"], final["conv1_1"], strict=True))
    assert 0 < change < 0.2 * sum(map(abs, warm["conv1_1"]))


def test_a_variant_starts_from_a_warm_up_that_is_there(project: Path, finished: Path, run_there: RunThere) -> None:
    """An ablation: another weighting, the same CNN to start from."""
    shutil.copy(finished / "warm_up.caffemodel", project)
    options = "--preset tiny+weighting=uniform+steps=2 --warm-up warm_up.caffemodel"
    command = f"exec /usr/bin/python3 -m tests.tools.small {options} --out variant --data $DATA"
    done = run_there(project, "sh", "-c", command, GLOG_minloglevel="2")
    assert (done.returncode, done.stdout) == (0, "variant/rar.caffemodel\n"), done.stderr[-2000:]
    rows = read_log(project / "variant")
    assert {row["phase"] for row in rows} == {"rar"}
    assert all(float(row["nme_pupil_s_hat_2"]) > 0 for row in rows)


@pytest.mark.parametrize("new_steps", [False, True])
def test_steps_go_on_from_those_of_another_training_or_start_anew(
    project: Path, finished: Path, run_there: RunThere, new_steps: bool
) -> None:
    """Staged training: R-LSTM with random centres first, then A-LSTM beside it; and new steps on a CNN that is good."""
    shutil.copy(finished / "rar.caffemodel", project / "first.caffemodel")
    change = "reinforce+policy=sample" if new_steps else "counterfactual"
    options = f"--preset tiny+estimator={change} --warm-up first.caffemodel {'--new-steps' * new_steps}"
    command = f"exec /usr/bin/python3 -m tests.tools.small --out out --data $DATA {options}"
    done = run_there(project, "sh", "-c", command, GLOG_minloglevel="2")
    assert done.returncode == 0, done.stderr[-2000:]
    assert ("r_lstm_input_0" in done.stderr) == new_steps

    def weights_of(path: Path, layer: str) -> list[float]:
        net = caffe_pb2.NetParameter.FromString(path.read_bytes())
        return next(list(one.blobs[0].data) for one in net.layer if one.name == layer)

    first, start = project / "first.caffemodel", project / "out" / "rar_start.caffemodel"
    assert weights_of(start, "conv1_1") == weights_of(first, "conv1_1")
    same = weights_of(start, "r_lstm_candidate_0") == weights_of(first, "r_lstm_candidate_0")
    assert same != new_steps
    if new_steps:  # REINFORCE's baseline is in the snapshots
        assert any(weights_of(project / "out" / "rar.caffemodel", "loss_reward"))


def test_stopped_by_ctrl_c_and_run_again(project: Path, finished: Path, run_there: RunThere) -> None:
    """Stopped between two rows of the log and two snapshots: the state is saved, and the run goes on from there."""
    stopped = train(run_there, project, INTERRUPT="7 SIGINT")
    assert (stopped.returncode, stopped.stdout) == (130, "")
    assert stopped.stderr.splitlines()[-1] == "stopped at iteration 7: run the same command to go on"
    assert "Traceback" not in stopped.stderr
    listed = json.loads((project / "out" / "run.json").read_text())["snapshots"]["rar"]
    assert [entry["iteration"] for entry in listed] == [4, 7]
    again = train(run_there, project)
    assert again.returncode == 0, again.stderr[-2000:]
    assert "warm_up: done already" in again.stderr
    assert "rar: going on from iteration 7" in again.stderr
    for kind in ("caffemodel", "solverstate"):
        assert not (project / "out" / f"rar_iter_7.{kind}").exists()
    rows = figures(project / "out")
    assert [row["iteration"] for row in rows] == [row["iteration"] for row in figures(finished)]
    # The row after the stop is the mean of what came after it.
    skipped = next(i for i, row in enumerate(rows) if row["phase"] == "rar" and row["iteration"] == "8")
    assert_same_run_but(project / "out", finished, skipped)


def test_killed_in_a_snapshot_and_run_again(project: Path, finished: Path, run_there: RunThere) -> None:
    """SIGKILL in the seventh iteration, and what a kill within the snapshot of the sixth would have left."""
    killed, out = train(run_there, project, INTERRUPT="7 SIGKILL"), project / "out"
    assert killed.returncode == -9
    assert [row["iteration"] for row in read_log(out) if row["phase"] == "rar"] == ["2", "4", "6"]
    for kind in ("caffemodel", "solverstate"):
        whole = (out / f"rar_iter_4.{kind}").read_bytes()
        (out / f"rar_iter_8.{kind}").write_bytes(whole[: len(whole) // 2])
    before = read_log(out)
    again = train(run_there, project)
    assert again.returncode == 0, again.stderr[-2000:]
    assert "rar: going on from iteration 4" in again.stderr
    assert_same_run(out, finished)
    # The rows of what was kept stay as they were, and time goes on from there.
    after = read_log(out)
    assert after[:4] == before[:4]
    seconds = [float(row["seconds"]) for row in after[2:]]
    assert seconds == sorted(seconds) and seconds[-1] > 0


def test_stopped_by_a_kill_of_the_ordinary_kind(project: Path, run_there: RunThere) -> None:
    stopped = train(run_there, project, INTERRUPT="2 SIGTERM")
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines()[-1] == "stopped at iteration 2: run the same command to go on"


# In this process: what it says when something is wrong ----------------------------------------------------------------


def test_a_finished_run_is_not_done_again(
    here: Callable[..., None], finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, "out")
    before = {path: path.stat().st_mtime_ns for path in Path("out").glob("*.caffemodel")}
    here()
    shown = capsys.readouterr()
    assert shown.out == "out/rar.caffemodel\n"
    assert "warm_up: done already" in shown.err and "rar: done already" in shown.err
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_net_that_diverges_stops_the_run(project: Path, run_there: RunThere) -> None:
    """In a process of its own, which must end in order: Caffe's pooling corrupts memory when NaNs pass backward."""
    exploding = replace(SMALL, end_to_end=replace(SMALL.end_to_end, base_lr=1e30))
    done = train(run_there, write_project(project, exploding))
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: conv8 is not finite, the net has diverged: lower base_lr")
    assert "Traceback" not in done.stderr
    assert not (project / "out" / "rar.caffemodel").exists()
    record = read_record(project / "out")
    assert record is not None and not record.snapshots.get("rar")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("train_val_warm_up", "num_output: 32", "num_output: 0", "layer 'conv2_1': Check failed: num_output_ > 0"),
        ("solver_warm_up", 'lr_policy: "poly"', 'lr_policy: "step"', "Check failed: this->param_.stepsize() > 0"),
    ],
)
def test_a_net_that_caffe_dies_of_is_one_line(
    name: str, old: str, new: str, said: str, project: Path, run_there: RunThere
) -> None:
    """A person may have changed it."""
    file = project / "prototxt" / "tiny" / f"{name}.prototxt"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    done = train(run_there, project)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        f"error: {project / 'prototxt/tiny/solver_warm_up.prototxt'}: Caffe cannot train this ({said}"
    )


def test_a_loss_that_is_not_finite_stops_the_run(here: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinement, "refinement_loss", lambda *_: np.inf)
    with pytest.raises(RarError, match="loss_refinement_0 is not finite at iteration 1: lower base_lr in out/rar_s"):
        here("--warm-up-iterations", "1")


def test_missing_data_are_one_clear_line(project: Path, run_there: RunThere) -> None:
    done = train(run_there, project, data="nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("error: no nowhere/manifest.json: prepare the data")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("gpus", ["0", "0,1"])
def test_gpus_that_caffe_cannot_use(here: Callable[..., None], gpus: str) -> None:
    if "cpu" not in caffe_folder().name:
        pytest.skip("this Caffe was built for GPUs")
    with pytest.raises(RarError, match="cannot use GPU 0, this Caffe was built for the CPU alone: make caffe CUDA=1"):
        here("--gpus", gpus)


def test_missing_shape_pool(here: Callable[..., None], prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path / "data")
    (tmp_path / "data" / "shape_pool.h5").unlink()
    with pytest.raises(RarError, match=r"shape_pool\.h5 is no shape pool"):
        here("--data", str(tmp_path / "data"), "--warm-up-iterations", "1")


def test_a_preset_that_starts_from_vgg_gets_its_weights(
    here: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "default_weights", lambda: tmp_path / "default.caffemodel")
    with pytest.raises(RarError, match=f"no weights at {tmp_path}/default.caffemodel"):
        here(preset=replace(SMALL, pretrained=True))


def test_wrong_initial_weights_are_refused(here: Callable[..., None], tmp_path: Path) -> None:
    pretrained = replace(SMALL, pretrained=True)
    for content, words in ((None, "no weights at"), (b"no caffemodel", "is no caffemodel"), (b"", "is empty")):
        path = tmp_path / "vgg.caffemodel"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(RarError, match=words):
            here("--vgg19", str(path), preset=pretrained)
    other = replace(SMALL, stages=(replace(SMALL.stages[0], channels=4), *SMALL.stages[1:]))
    net_from(network.deploy(other)).save(str(path))
    with pytest.raises(RarError, match="conv1_1 is .*it is for another net"):
        here("--vgg19", str(path), preset=pretrained)


def test_an_output_folder_that_cannot_be(project: Path, run_there: RunThere) -> None:
    (project / "file").write_text("in the way")
    done = train(run_there, project, out="file/run")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: cannot use file/run (Not a directory)")
    assert "Traceback" not in done.stderr


def test_from_any_folder(here: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here("--out", "o u t", "--warm-up-iterations", "1", "--iterations", "1")
    assert (tmp_path / "o u t" / "rar.caffemodel").is_file()


def test_a_full_disk_stops_before_the_snapshot(here: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**30, 2**30, 1000))
    with pytest.raises(RarError, match="out: 0 MiB free, a snapshot wants .*make room and run the same command again"):
        here()
    assert not list(Path("out").glob("*.caffemodel")) and not list(Path("out").glob("*.solverstate"))
