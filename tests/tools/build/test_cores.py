"""Programs that compute at once share the cores, and any number of threads computes the same numbers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CORES = 6

LOOKING = """
import ctypes, sys, time
from layers.quiet import caffe
from tools.build.environment import caffe_folder
threads = ctypes.CDLL(str(caffe_folder() / "lib/libcaffe.so"))["_ZN5caffe5cores7threadsEv"]
class Look(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape(1)
    def forward(self, bottom, top):
        print(threads(), flush=True)
        while sys.stdin.readline() == "look\\n":  # within the pass until told to leave it
            time.sleep(0.05)
            print(threads(), flush=True)
sys.modules["looking"] = sys.modules["__main__"]
net = caffe.Net(sys.argv[1], caffe.TEST)
print(threads(), flush=True)
while sys.stdin.readline():
    net.forward()
    print("out", flush=True)
"""
NET = 'layer { name: "y" type: "Python" top: "y" python_param { module: "looking" layer: "Look" } }'


class Program:
    """One that computes when told to, and tells how many threads it may use."""

    def __init__(self, folder: Path, **variables: str) -> None:
        net = folder / "net.prototxt"
        net.write_text(NET)
        env = {**os.environ, "OMP_NUM_THREADS": str(CORES), "CAFFE_SHARE_CORES": str(CORES)}
        env |= {"CAFFE_SHARE_FILE": str(folder / "cores"), **variables}
        command = [sys.executable, "-c", LOOKING, str(net)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True)
        assert self.answer() == env["OMP_NUM_THREADS"], "outside a pass: all"

    def answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def tell(self, what: str = "") -> str:
        assert self.process.stdin
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self.answer()

    def enter(self) -> int:
        """Begin a pass, and stay in it; its threads."""
        return int(self.tell())

    def look(self) -> int:
        """The threads a while later, within the pass."""
        return int(self.tell("look"))

    def leave(self) -> None:
        assert self.tell() == "out"

    def threads(self) -> int:
        """Those of a pass."""
        found = self.enter()
        self.leave()
        return found


@contextmanager
def programs(folder: Path, *variables: dict[str, str]) -> Iterator[list[Program]]:
    """One program for every set of variables."""
    with ExitStack() as stack:
        made = []
        for own in variables:
            program = Program(folder, **own)
            stack.callback(program.process.wait)
            stack.callback(program.process.kill)
            made.append(program)
        yield made


def test_those_within_a_pass_share(tmp_path: Path) -> None:
    with programs(tmp_path, {}, {}, {}) as (one, two, three):
        assert one.enter() == CORES
        assert two.enter() == CORES // 2
        assert three.threads() == CORES // 3
        one.leave()
        assert one.threads() == CORES // 2, "two is within a pass still"
        two.leave()
        assert two.threads() == CORES


def test_a_share_changes_within_a_pass(tmp_path: Path) -> None:
    with programs(tmp_path, {}, {}) as (one, other):
        assert one.enter() == CORES
        other.enter()
        assert one.look() == CORES // 2
        other.leave()
        assert one.look() == CORES


def test_one_that_is_killed_or_stopped_or_nicer_does_not_count(tmp_path: Path) -> None:
    with programs(tmp_path, {}, {}) as (one, other):
        other.enter()
        assert one.threads() == CORES // 2
        os.kill(other.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, other.process.pid, os.WSTOPPED | os.WNOWAIT)
        assert one.threads() == CORES
        os.kill(other.process.pid, signal.SIGCONT)
        os.waitid(os.P_PID, other.process.pid, os.WCONTINUED | os.WNOWAIT)
        assert one.threads() == CORES // 2
        os.setpriority(os.PRIO_PROCESS, other.process.pid, 5)
        assert one.enter() == CORES
        other.leave()
        assert other.threads() == CORES // 2, "it makes room itself"
        one.leave()
        other.enter()
        other.process.kill()
        other.process.wait()
        assert one.threads() == CORES


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_one_on_other_cores_does_not_count(tmp_path: Path) -> None:
    first, second, *_ = sorted(os.sched_getaffinity(0))
    with programs(tmp_path, {}, {}) as (one, other):
        os.sched_setaffinity(one.process.pid, {first})
        os.sched_setaffinity(other.process.pid, {second})
        other.enter()
        assert one.threads() == CORES
        os.sched_setaffinity(other.process.pid, {first, second})
        assert one.threads() == CORES // 2


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({"OMP_NUM_THREADS": "2"}, 2),
        ({"CAFFE_SHARE_CORES": "1"}, 1),
        ({"CAFFE_SHARE_CORES": "0"}, CORES),
        ({"CAFFE_SHARE_CORES": ""}, CORES),
        ({"CAFFE_SHARE_FILE": "/nowhere/cores"}, CORES),
    ],
)
def test_the_environment_decides(tmp_path: Path, variables: dict[str, str], wanted: int) -> None:
    with programs(tmp_path, {}, variables) as (one, other):
        one.enter()
        assert other.threads() == wanted


PASSES = """
import sys
from pathlib import Path
import numpy as np
from tools.bench.tasks import open_task
from tools.model.presets import preset
task = open_task(sys.argv[1], preset(sys.argv[2]), 2, Path(sys.argv[3]))
task.run()
net = task.net
kept = {f"{name} {kind}": getattr(blob, kind).copy() for name, blob in net.blobs.items() for kind in ("data", "diff")}
kept |= {f"{name} {i}": blob.diff.copy() for name, blobs in net.params.items() for i, blob in enumerate(blobs)}
np.savez(sys.argv[4], **kept)
"""


@pytest.mark.parametrize(("task", "preset"), [("training", "tiny"), ("cnn_training", "compact")])
def test_any_number_of_threads_computes_the_same(tmp_path: Path, prepared: Path, task: str, preset: str) -> None:
    found: list[Any] = []
    for cores in ("1", "2", "3"):
        env = {**os.environ, "OMP_NUM_THREADS": cores, "OPENBLAS_NUM_THREADS": cores, "CAFFE_SHARE_CORES": "0"}
        file = tmp_path / f"{cores}.npz"
        subprocess.run([sys.executable, "-c", PASSES, task, preset, str(prepared), str(file)], env=env, check=True)
        found.append(np.load(file))
    for name in found[0].files:
        for other in found[1:]:
            np.testing.assert_array_equal(other[name], found[0][name], err_msg=name)
