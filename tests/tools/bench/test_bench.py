"""The benchmark: its processes on the smallest preset, its table, what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from layers.common.errors import RarError
from tools.bench import report
from tools.bench.__main__ import has_amx
from tools.bench.measure import check, median_layers
from tools.build.environment import PROJECT, caffe_environment

SPEED = {
    "medians_ms": {
        "cnn_forward ours": 400.0,
        "cnn_forward stock": 1200.0,
        "cnn_forward torch contiguous_format": 600.0,
        "cnn_forward torch channels_last": 500.0,
        "detector ours": 440.0,
        "cnn_training ours": 2000.0,
        "training ours": 2300.0,
        "cnn_forward bf16": 100.0,
        "cnn_forward torch_bf16 contiguous_format": 300.0,
        "cnn_forward torch_bf16 channels_last": 125.0,
    },
    "peak_mib": {f"{task} ours": 1024.0 for task in report.TASKS} | {"cnn_forward bf16": 900.0},
    "differences": {
        "cnn_forward torch channels_last": 2e-6,
        "cnn_training torch channels_last": 1e-6,
        "cnn_forward bf16": 1e-2,
    },
    "torch_version": "2.13",
}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **caffe_environment(), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tools.bench", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False)


def test_measures_every_task_beside_stock_caffe(tmp_path: Path) -> None:
    done = bench("--preset", "tiny", "--repeats", "1", "--no-growth", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads((tmp_path / "results.json").read_text())
    speed = results["speed"]["tiny"]
    who = ("ours", "stock", "bf16") if has_amx() else ("ours", "stock")
    assert set(speed["medians_ms"]) == {f"{task} {one}" for task in report.TASKS for one in who}
    assert set(speed["differences"]) == ({"cnn_forward bf16"} if has_amx() else set())
    assert all(value > 0 for value in speed["medians_ms"].values())
    assert all(value > 50 for value in speed["peak_mib"].values())  # MiB, of a process with Caffe in it
    forward, backward = speed["layers_ms"]["training ours"]["conv1_1"]
    assert forward > 0 and backward > 0
    assert (tmp_path / "bench.png").stat().st_size > 10_000
    assert "| tiny | whole detector, 1 face |" in done.stdout
    shared = results["sharing"]["tiny"]
    assert all(shared[task][who] > 0 for task in ("detector", "training") for who in ("one", "two"))
    assert shared["beside"]["beside"] > shared["beside"]["alone"] > 0


def test_the_table_compares_with_the_better_layout() -> None:
    results = {
        "machine": {"cpu": "Some CPU", "cores": 2, "gpu": ""},
        "repeats": 5,
        "commit": "abc",
        "speed": {"vgg19": SPEED},
    }
    lines = report.table(results).splitlines()
    assert lines[0] == "Some CPU, 2 cores; medians of 5 rounds, ms; commit abc"
    row = "400 | 100 | 1,200 | 500 | 125 | 0.33 | 0.80 | 0.25 | 0.80 | 1,024 | 900"
    assert f"| vgg19 | CNN forward, 1 face | {row} |" in lines
    row = "2,000 | - | - | - | - | - | - | - | - | 1,024 | -"
    assert f"| vgg19 | CNN forward + backward, 2 faces | {row} |" in lines
    columns = lines[2].count("|")
    assert all(line.count("|") == columns for line in lines[2:8])
    line = "vgg19: largest difference of conv8 from this Caffe's, of its largest value: "
    assert f"{line}PyTorch 2.0e-06, this Caffe, bf16 1.0e-02 (PyTorch 2.13)." in lines
    assert "vgg19: all that is not conv1-conv8 adds 10.0 % forward, 15.0 % in training." in lines


def test_the_table_says_what_is_left_of_a_shared_machine() -> None:
    pair, beside = {"one": 8.0, "two": 10.0}, {"alone": 10.0, "beside": 50.0, "one_thread": 40.0}
    assert report.sharing_table({"tiny": {"detector": pair, "training": pair, "beside": beside}})[3:] == [
        "| tiny | two at once, whole detector, 1 face: a second | 8.00 | 10.00 | 1.25 |",
        "| tiny | two at once, training iteration, 2 faces: a second | 8.00 | 10.00 | 1.25 |",
        "| tiny | CNN forward, 1 face, beside eight busy programs (40.0 with one thread): ms | 10.0 | 50.0 | 5.0 |",
        "",
    ]


def test_a_contestant_that_computes_something_else_is_named() -> None:
    check({"cnn_forward torch channels_last": 1e-5, "cnn_forward bf16": 1e-2}, 1e-4)
    for value in (2e-3, float("nan")):
        with pytest.raises(RarError, match="^cnn_forward torch channels_last: conv8 differs by"):
            check({"cnn_forward bf16": 1e-2, "cnn_forward torch channels_last": value}, 1e-4)


def test_layer_times_are_medians() -> None:
    runs = [{"a": [1.0, 5.0]}, {"a": [9.0, 6.0]}, {"a": [2.0, 70.0]}]
    assert median_layers(runs) == {"a": [2.0, 6.0]}


@pytest.mark.parametrize("python", ["/nowhere/python", "/usr/bin/python3"])
def test_a_python_without_torch_is_named(python: str, tmp_path: Path) -> None:
    done = bench("--preset", "tiny", "--torch-python", python, "--out", str(tmp_path))
    assert (done.returncode, done.stderr) == (
        1,
        f"error: {python} cannot import torch: install it there, or leave TORCH_PYTHON out\n",
    )
