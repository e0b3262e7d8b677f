"""Running tools.train as a process of its own, and what two runs have in common."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

from caffe.proto import caffe_pb2

Run = CompletedProcess[str]
RunThere = Callable[..., Run]


def train(run_there: RunThere, project: Path, out: str = "out", **variables: str) -> Run:
    """tools.train with the small preset, as a process of its own."""
    data = ["--data", variables.pop("data", "")] if "data" in variables else ["--data", "$DATA"]
    command = f"exec /usr/bin/python3 -m tests.tools.small --preset tiny --out {out} {' '.join(data)}"
    return run_there(project, "sh", "-c", command, GLOG_minloglevel="2", **variables)


def read_log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def figures(folder: Path) -> list[dict[str, str]]:
    """The log without the time that each row took."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in read_log(folder)]


def history(folder: Path) -> list[list[float]]:
    """The momentum at iteration 8, in the last state that is kept."""
    state = caffe_pb2.SolverState.FromString((folder / "rar_iter_8.solverstate").read_bytes())
    return [list(blob.data) for blob in state.history]


def assert_same_run(found: Path, expected: Path) -> None:
    """Weights with the place in the data, momentum and log, all to the last digit; nothing else left behind."""
    assert (found / "rar.caffemodel").read_bytes() == (expected / "rar.caffemodel").read_bytes()
    assert (found / "warm_up.caffemodel").read_bytes() == (expected / "warm_up.caffemodel").read_bytes()
    assert history(found) == history(expected)
    assert figures(found) == figures(expected)
    assert sorted(path.name for path in found.iterdir()) == sorted(path.name for path in expected.iterdir())


def assert_same_run_but(found: Path, expected: Path, row: int) -> None:
    """As assert_same_run, but for one row of the log, whose figures must be of the usual size all the same."""
    rows, others = figures(found), figures(expected)
    loss, usual = (float(log[row]["nme_pupil_s_hat_3"]) for log in (rows, others))
    assert 0.7 * usual < loss < 1.4 * usual
    assert rows[:row] + rows[row + 1 :] == others[:row] + others[row + 1 :]
    assert (found / "rar.caffemodel").read_bytes() == (expected / "rar.caffemodel").read_bytes()
    assert history(found) == history(expected)
