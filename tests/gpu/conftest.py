"""Programs run on a GPU, and what the built Caffe has."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import NO_GPU, why_no_gpu
from tools.build.cache import MANIFEST
from tools.build.environment import PROJECT, caffe_environment, caffe_folder

Run = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def two_gpus(gpu: int) -> str:
    """Two GPUs and NCCL, as --gpus takes them."""
    if why := why_no_gpu(1):
        pytest.skip(f"{NO_GPU}, a second one: {why}")
    if "NCCL" not in libraries():
        pytest.skip("this Caffe was built without NCCL: make caffe CUDA=1 NCCL=1")
    return "0,1"


@pytest.fixture(scope="session")
def cudnn(gpu: int) -> str:
    """The version of the cuDNN that Caffe was built with."""
    if "CUDNN" not in libraries():
        pytest.skip("this Caffe was built without cuDNN: make caffe CUDA=1 CUDNN=1")
    return libraries()["CUDNN"]


def libraries() -> dict[str, str]:
    """cuDNN's and NCCL's versions in this Caffe."""
    found: dict[str, str] = json.loads((caffe_folder() / MANIFEST).read_text()).get("cuda_libraries", {})
    return found


@pytest.fixture(scope="session")
def run(prepared: Path) -> Callable[..., Run]:
    """run("caffe", "test", ..., NAME="value"): a program in the project's root, $DATA set to drawn faces."""

    def run(*command: str, **variables: str) -> Run:
        ours = {"GLOG_minloglevel": "0", "DATA": str(prepared), "TEST_SET": "helen"}
        env = {**os.environ, **caffe_environment(), **ours, **variables}
        return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False)

    return run
