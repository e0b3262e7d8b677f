"""tools.train.maps and tools.train.steps: steps on stored maps are the net's own steps, trained, and a whole model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from layers.common.errors import RarError
from layers.common.prepared import PreparedSet
from tests.tools.small import SMALL
from tools.model import network, presets
from tools.model.caffe_net import backward, forward, net_from
from tools.model.crop_detector import CropDetector
from tools.model.presets import preset
from tools.train import maps, steps

NAME = "tiny+shift_radius=2+attention_peak=1"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(presets.PRESETS, "tiny", replace(SMALL, support=5))


@pytest.fixture
def data(prepared: Path, tmp_path: Path) -> Path:
    """Prepared data with a set to validate on."""
    shutil.copytree(prepared, tmp_path / "data")
    if not (tmp_path / "data" / "val").is_dir():
        shutil.copytree(prepared / "helen", tmp_path / "data" / "val")
    return tmp_path / "data"


@pytest.fixture
def weights(data: Path, tmp_path: Path, small: None) -> Path:
    """Weights of the preset, as they start."""
    net = net_from(network.deploy(preset(NAME)))
    pool = steps.read_shape_pool(data / "shape_pool.h5")
    for blob, value in zip(net.params["initialisation"], (pool.centres, pool.mean_shape), strict=True):
        blob.data[...] = value
    for blob in net.params["phi_0"]:
        blob.data[...] = 1
    net.save(str(tmp_path / "start.caffemodel"))
    return tmp_path / "start.caffemodel"


@pytest.fixture
def stored(data: Path, weights: Path, tmp_path: Path) -> Path:
    out = tmp_path / "maps"
    words = ["--preset", NAME, "--weights", str(weights), "--data", str(data), "--out", str(out), "--crops", "8"]
    maps.main(words, standalone_mode=False)
    return out


def train(data: Path, weights: Path, stored: Path, out: Path, *more: str) -> Path:
    words = ["--preset", NAME, "--weights", str(weights), "--data", str(data), "--maps", str(stored), "--out", str(out)]
    steps.main([*words, "--iterations", "4", "--batch", "2", *more], standalone_mode=False)
    return out / "rar.caffemodel"


def test_the_model_that_is_saved_does_on_images_what_the_steps_did_on_maps(
    data: Path, weights: Path, stored: Path, tmp_path: Path
) -> None:
    """Validation after training, on maps, against the saved model on the images; maps are rounded to half precision."""
    saved = train(data, weights, stored, tmp_path / "run")
    last = (tmp_path / "run" / "log.csv").read_text().splitlines()
    row = dict(zip(last[0].split(","), last[-1].split(","), strict=True))
    faces = PreparedSet(data / "val")
    rows = np.flatnonzero(faces.copy == 0)
    found = CropDetector(preset(NAME), saved).detect(np.stack([faces.image(int(r)) for r in rows]))
    errors = 100 * steps.metrics.stage_errors(found.stages, faces.shape[rows], faces.scheme, "pupil").mean(0)
    for t in (0, 1, 3):
        assert float(row[f"val_{t}"]) == pytest.approx(errors[t], rel=0.01), t
    assert not np.allclose(found.stages[:, 0], found.stages[:, -1])


def test_the_same_seed_gives_the_same_weights_another_others(
    data: Path, weights: Path, stored: Path, tmp_path: Path
) -> None:
    one, again = (train(data, weights, stored, tmp_path / run) for run in ("one", "again"))
    other = train(data, weights, stored, tmp_path / "other", "--seed", "1")
    assert one.read_bytes() == again.read_bytes()
    assert one.read_bytes() != other.read_bytes()


def test_going_on_from_given_steps(data: Path, weights: Path, stored: Path, tmp_path: Path) -> None:
    first = train(data, weights, stored, tmp_path / "first")
    still = train(data, weights, stored, tmp_path / "still", "--steps-from", str(first), "--base-lr", "1e-12")
    before, after = (CropDetector(preset(NAME), path).net.params for path in (first, still))
    for name in ("a_lstm_candidate_0", "r_lstm_candidate_0"):
        np.testing.assert_allclose(after[name][0].data, before[name][0].data, atol=1e-6)


def test_absent_maps_are_said_in_one_line(data: Path, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(RarError, match=r"no maps of train in .*tools\.train\.maps"):
        train(data, weights, tmp_path / "nowhere", tmp_path / "run")


def test_a_frozen_cnn_leaves_the_gradients_of_the_steps_as_they_are(small: None) -> None:
    """cnn_lr=0 keeps the gradient out of deconv7, and out of nothing else."""
    gradients = []
    for rate in (1.0, 0.0):
        chosen = replace(preset(NAME), cnn_lr=rate)
        steps.caffe.set_random_seed(0)
        net = net_from(steps.steps_net(chosen, 2, training=True))
        rng = np.random.default_rng(0)
        for name in net.inputs:
            net.blobs[name].data[...] = rng.uniform(0.2, 0.8, net.blobs[name].data.shape)
        for name in ("s_d", "shape"):
            net.blobs[name].data[...] = rng.uniform(10, 50, net.blobs[name].data.shape)
        for key in ("a_lstm_candidate_0", "r_lstm_candidate_0"):
            net.params[key][0].data[...] = rng.uniform(-0.1, 0.1, net.params[key][0].data.shape)
        for blob in net.params["phi_0"]:
            blob.data[...] = 1
        forward(net)
        backward(net)
        gradients.append([np.array(net.params[key][0].diff) for key in ("a_lstm_candidate_0", "r_lstm_candidate_0")])
    for frozen, free in zip(gradients[1], gradients[0], strict=True):
        assert np.abs(free).max() > 0
        np.testing.assert_allclose(frozen, free, rtol=1e-5, atol=1e-9)
