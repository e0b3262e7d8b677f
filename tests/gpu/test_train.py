"""Training on one GPU and on two, and Caffe's own programs with -gpu."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from layers.common.prepared import PreparedSet
from tools.build.environment import PROJECT, caffe_environment
from tools.model.weight_file import read_weights

Run = subprocess.CompletedProcess[str]
RunThere = Callable[..., Run]
pytestmark = pytest.mark.gpu

ITERATIONS = 40
LONG = 600.0  # s
ENOUGH = 600  # iterations that a stop finds unfinished


def command(prepared: Path, out: Path, gpus: str, iterations: int = ITERATIONS) -> list[str]:
    """tools.train of `tiny`, `iterations` in each phase; gpus "": on the CPU."""
    places = ["--data", str(prepared), "--out", str(out), *(["--gpus", gpus] if gpus else [])]
    length = ["--warm-up-iterations", str(iterations), "--iterations", str(iterations)]
    return [sys.executable, "-m", "tools.train", "--preset", "tiny", *places, *length]


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def blobs(path: Path) -> dict[str, np.ndarray]:
    """The first blob of every layer of a caffemodel."""
    return {name: blobs[0] for name, blobs in read_weights(path).layers.items() if blobs}


@pytest.fixture(scope="module")
def on_gpu(gpu: int, prepared: Path, run: RunThere, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on GPU 0."""
    out = tmp_path_factory.mktemp("on_gpu") / "run"
    done = run(*command(prepared, out, str(gpu)), GLOG_minloglevel="2")
    assert (done.returncode, done.stdout) == (0, f"{out}/rar.caffemodel\n"), done.stderr[-2000:]
    return out


def test_one_gpu_learns_what_the_cpu_does(on_gpu: Path, prepared: Path, run: RunThere, tmp_path: Path) -> None:
    """Same initial weights, same faces: the losses of conv8 agree until rounding grows."""
    done = run(*command(prepared, tmp_path / "run", ""), GLOG_minloglevel="2")
    assert done.returncode == 0, done.stderr[-2000:]
    found, wanted = rows(on_gpu), rows(tmp_path / "run")
    assert [row["iteration"] for row in found] == [row["iteration"] for row in wanted]
    for ours, theirs in zip(found[:2], wanted[:2], strict=True):
        assert float(ours["loss_conv8"]) == pytest.approx(float(theirs["loss_conv8"]), rel=0.01)
    assert all(np.isfinite(float(row["loss_conv8"])) for row in found)


def test_caffe_test_with_gpu(on_gpu: Path, run: RunThere) -> None:
    model, weights = "prototxt/tiny/train_val.prototxt", str(on_gpu / "rar.caffemodel")
    done = run("caffe", "test", "-gpu", "0", "-model", model, "-weights", weights, "-iterations", "3")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Use GPU with device ID 0" in done.stderr
    assert "nme_pupil_s_hat_15 = " in done.stderr


def test_results_of_a_test_set(on_gpu: Path, prepared: Path, run: RunThere, tmp_path: Path) -> None:
    places = ["--weights", str(on_gpu / "rar.caffemodel"), "--data", str(prepared), "--out", str(tmp_path / "r.json")]
    done = run(sys.executable, "-m", "tools.test.faces", "--preset", "tiny", *places, "--gpu", "0")
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "r.json").is_file()


@contextmanager
def under_way(words: list[str], out: Path) -> Iterator[subprocess.Popen[str]]:
    """A training, once its log has its first row."""
    env = {**os.environ, **caffe_environment(), "GLOG_minloglevel": "2"}
    with subprocess.Popen(words, cwd=PROJECT, env=env, stdout=-1, stderr=-1, text=True) as process:
        end = time.monotonic() + LONG
        while not ((out / "log.csv").is_file() and rows(out)):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        yield process


@pytest.mark.parametrize("several", [False, True])
def test_stopped_and_run_again(
    gpu: int, several: bool, prepared: Path, run: RunThere, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    gpus = request.getfixturevalue("two_gpus") if several else str(gpu)
    out = tmp_path / "run"
    with under_way(command(prepared, out, gpus, ENOUGH), out) as process:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=LONG)
    assert process.returncode == 130, errors[-2000:]
    last = errors.splitlines()[-1]
    assert last.startswith("stopped at iteration ") and last.endswith(": run the same command to go on")
    iteration = int(last.split()[3].rstrip(":"))
    again = run(*command(prepared, out, gpus, ENOUGH), GLOG_minloglevel="2")
    assert again.returncode == 0, again.stderr[-2000:]
    assert f"warm_up: going on from iteration {iteration}" in again.stderr
    assert (out / "rar.caffemodel").is_file()


def test_two_gpus_train_on_four_faces_an_iteration(
    two_gpus: str, prepared: Path, run: RunThere, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    done = run(*command(prepared, out, two_gpus), GLOG_minloglevel="2")
    assert (done.returncode, done.stdout) == (0, f"{out}/rar.caffemodel\n"), done.stderr[-2000:]
    assert "2 mini-batches an iteration" in done.stderr
    weights = blobs(out / "rar.caffemodel")
    assert all(np.isfinite(values).all() for values in weights.values())
    faces = len(PreparedSet(prepared / "train"))
    assert weights["train_samples"][0] == 4 * ITERATIONS % faces
    assert float(rows(out)[-1]["loss_conv8"]) < float(rows(out)[0]["loss_conv8"])


def test_a_rank_that_is_killed_ends_both(two_gpus: str, prepared: Path, tmp_path: Path) -> None:
    def second_rank(pid: int) -> int:
        """The last process that the command has started."""
        return max(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    out = tmp_path / "run"
    with under_way(command(prepared, out, two_gpus, ENOUGH), out) as process:
        os.kill(second_rank(process.pid), signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.splitlines()[-1].endswith("run the same command to go on from the last snapshot")
