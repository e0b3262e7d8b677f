"""The step of SGD that we add to Caffe against its equation."""

from __future__ import annotations

from pathlib import Path

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


@pytest.mark.parametrize("decay", ["L2", "L1"])
@pytest.mark.parametrize("momentum", [MOMENTUM, 0])
def test_a_step_follows_its_equation(tmp_path: Path, decay: str, momentum: float) -> None:
    """v = rate (g / passes + decay w) + momentum v, w = w - v, and the gradient becomes v; L1: the sign of w."""
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(
        f'net: "{tmp_path / "net.prototxt"}" type: "SGD" lr_policy: "fixed" base_lr: {RATE} momentum: {momentum}\n'
        f'weight_decay: {DECAY} regularization_type: "{decay}" iter_size: {PASSES} snapshot_after_train: false'
    )
    solver = caffe.get_solver(str(tmp_path / "solver.prototxt"))
    blobs = solver.net.params["y"]
    weights = [blob.data.astype(np.float64) for blob in blobs]
    updates = [np.zeros_like(w) for w in weights]
    draw = np.random.default_rng(0)
    for _ in range(3):
        for i, (blob, (rate, decayed)) in enumerate(zip(blobs, MULTIPLIERS, strict=True)):
            blob.diff[...] = draw.standard_normal(blob.diff.shape)
            shrunk = weights[i] if decay == "L2" else np.sign(weights[i])
            gradient = blob.diff / PASSES + DECAY * decayed * shrunk
            updates[i] = RATE * rate * gradient + momentum * updates[i]
            weights[i] -= updates[i]
        solver.apply_update()
        for blob, w, update in zip(blobs, weights, updates, strict=True):
            np.testing.assert_allclose(blob.data, w, atol=1e-6 * np.abs(w).max())
            np.testing.assert_allclose(blob.diff, update, atol=1e-6 * np.abs(update).max())
