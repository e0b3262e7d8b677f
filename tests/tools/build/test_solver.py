"""The step of SGD that we add to Caffe against its equation."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import caffe
import numpy as np
import pytest

NET = """
layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 dim: 400 } } }
layer { name: "y" type: "InnerProduct" bottom: "x" top: "y" param { lr_mult: 2 decay_mult: 3 } param { decay_mult: 0 }
  inner_product_param { num_output: 301 weight_filler { type: "gaussian" } bias_filler { type: "gaussian" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "y" top: "loss" }
"""
RATE, MOMENTUM, DECAY, PASSES = 0.05, 0.9, 0.01, 2  # PASSES: of a step
MULTIPLIERS = ((2, 3), (1, 0))  # of the rate and of the decay: weights, bias


def solver_in(folder: Path, settings: str, net: str = NET) -> Any:
    """A solver of the net, without snapshots."""
    (folder / "net.prototxt").write_text(net)
    (folder / "solver.prototxt").write_text(
        f'net: "{folder / "net.prototxt"}" type: "SGD" lr_policy: "fixed" base_lr: {RATE} weight_decay: {DECAY}\n'
        f"iter_size: {PASSES} snapshot_after_train: false {settings}"
    )
    return caffe.get_solver(str(folder / "solver.prototxt"))


@pytest.mark.parametrize("decay", ["L2", "L1"])
@pytest.mark.parametrize("momentum", [MOMENTUM, 0])
@pytest.mark.parametrize("clip", [-1, 10])
def test_a_step_follows_its_equation(tmp_path: Path, decay: str, momentum: float, clip: float) -> None:
    """v = rate (g / passes + decay w) + momentum v, w = w - v, and the gradient becomes v; L1: the sign of w."""
    solver = solver_in(tmp_path, f'momentum: {momentum} regularization_type: "{decay}" clip_gradients: {clip}')
    blobs = solver.net.params["y"]
    weights = [blob.data.astype(np.float64) for blob in blobs]
    updates = [np.zeros_like(w) for w in weights]
    draw = np.random.default_rng(0)
    for _ in range(3):
        gradients = [draw.standard_normal(w.shape) for w in weights]
        norm = np.sqrt(sum((g**2).sum() for g in gradients))
        shrink = clip / norm if 0 < clip < norm else 1
        for i, (rate, decayed) in enumerate(MULTIPLIERS):
            blobs[i].diff[...] = gradients[i]
            pulled = weights[i] if decay == "L2" else np.sign(weights[i])
            gradient = shrink * gradients[i] / PASSES + DECAY * decayed * pulled
            updates[i] = RATE * rate * gradient + momentum * updates[i]
            weights[i] -= updates[i]
        solver.apply_update()
        for blob, w, update in zip(blobs, weights, updates, strict=True):
            np.testing.assert_allclose(blob.data, w, atol=1e-6 * np.abs(w).max())
            np.testing.assert_allclose(blob.diff, update, atol=1e-6 * np.abs(update).max())


@pytest.mark.parametrize("gradient", [np.nan, np.inf])
def test_at_a_rate_of_nought_no_gradient_counts(tmp_path: Path, gradient: float) -> None:
    """As in Caffe: weights that are not trained stay, whatever flows back to them."""
    solver = solver_in(tmp_path, f"momentum: {MOMENTUM}", NET.replace("lr_mult: 2", "lr_mult: 0"))
    weights, bias = solver.net.params["y"]
    before = weights.data.copy(), bias.data.copy()
    weights.diff[...] = gradient
    bias.diff[...] = 1
    solver.apply_update()
    np.testing.assert_array_equal(weights.data, before[0])
    np.testing.assert_allclose(bias.data, before[1] - RATE / PASSES, atol=1e-6)


def stepped(folder: Path) -> str:
    """The weights after a step whose gradients were too large."""
    solver = solver_in(folder, f"momentum: {MOMENTUM} clip_gradients: 10 random_seed: 1")
    for blob in solver.net.params["y"]:
        blob.diff[...] = np.random.default_rng(0).standard_normal(blob.diff.shape)
    solver.apply_update()
    return hashlib.sha256(solver.net.params["y"][0].data.tobytes()).hexdigest()


def test_any_number_of_threads_makes_the_same_step(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\nfrom tests.tools.build.test_solver import stepped\n"
        "print(stepped(pathlib.Path(sys.argv[1])))"
    )
    found = set()
    for threads in ("1", "2", "3"):
        env = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "GLOG_minloglevel": "2"}
        command = [sys.executable, "-c", code, str(tmp_path)]
        found.add(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)
    assert len(found) == 1
