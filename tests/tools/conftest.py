"""Made-up results of a model, for the tests of what reads them; a small preset trained by `caffe train`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.tools.small import write_project
from tools.build.environment import caffe_environment
from tools.evaluate.results import Data, FaceResult, Model, Results

STEPS = 3
EYES, CORNERS = 60.0, 100.0  # px, inter-pupil and outer-corner distance of every made-up face


def made_face(name: str, subset: str, error: float, rng: np.random.Generator) -> FaceResult:
    """A 68-point face whose stage t is `error` * (STEPS + 1 - t) px off, S_d another `error` px."""
    truth = rng.uniform(20, 200, size=(68, 2))
    truth[36:42] = [(0, 50), (16, 47), (24, 47), (40, 50), (24, 53), (16, 53)]
    truth[42:48] = truth[36:42] + (EYES, 0)
    offsets = error * np.arange(STEPS + 2, 0, -1)[:, None, None] * np.array([0.6, 0.8])
    shapes = truth + offsets
    return FaceResult(
        name=name,
        subset=subset,
        ground_truth=truth,
        s_d=shapes[0],
        stages=shapes[1:],
        centres=rng.integers(0, 68, STEPS),
        confidence=rng.uniform(-1, 1, (STEPS, 68)),
        peak=rng.uniform(0, 0.1, 68),
        box=np.array([10.0, 20.0, 210.0, 220.0]),
    )


@pytest.fixture
def make_results() -> Callable[..., Results]:
    """make_results({"helen": 330, ...}, error=1.5 px at the last stage, raw="300w", name="vgg19")."""

    def make(subsets: dict[str, int], error: float = 1.5, raw: str = "300w", name: str = "vgg19") -> Results:
        rng = np.random.default_rng(6)
        faces = [made_face(f"{subset}/{i + 1}", subset, error, rng) for subset, n in subsets.items() for i in range(n)]
        return Results(
            scheme="68",
            model=Model(name, "rar_iter_1000.caffemodel", "0123456789abcdef" * 4, "c0ffee" * 6 + "0123"),
            data=Data("detector", 1.4, raw, ""),
            steps=STEPS,
            faces=tuple(faces),
        )

    return make


Run = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def run_there(prepared: Path) -> Callable[..., Run]:
    """run_there(folder, "caffe", "train", ..., NAME="value"): a program run in `folder`, one thread, $DATA set.

    One thread, because the order of a parallel sum would make the last digits a matter of luck. NAME="" unsets.
    """

    def run(folder: Path, *command: str, **variables: str) -> Run:
        threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        ours = {**threads, "GLOG_minloglevel": "0", "DATA": str(prepared), "TEST_SET": "helen"}
        wanted = {**os.environ, **caffe_environment(), **ours, **variables}
        env = {name: value for name, value in wanted.items() if value}
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small preset's prototxt/, not to be written to."""
    return write_project(tmp_path_factory.mktemp("small"))


@pytest.fixture
def project(small_project: Path, tmp_path: Path) -> Path:
    """A copy of it to run in."""
    return shutil.copytree(small_project, tmp_path / "project")


@pytest.fixture(scope="session")
def trained(small_project: Path, tmp_path_factory: pytest.TempPathFactory, run_there: Callable[..., Run]) -> Path:
    """What an uninterrupted `caffe train` of the small preset leaves: rar_iter_{4,8,12}.caffemodel and .solverstate."""
    folder = shutil.copytree(small_project, tmp_path_factory.mktemp("trained") / "project")
    done = run_there(folder, "caffe", "train", "-solver", "prototxt/tiny/solver.prototxt")
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "runs" / "tiny"
