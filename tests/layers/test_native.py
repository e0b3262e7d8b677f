"""The compiled twins of the layers against their Python passes: the same net twice, forward and backward."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import caffe
import numpy as np
import pytest

from layers import native
from tests.layers.conftest import python_layer
from tools.model.gradient_check import layer_net

Array = np.ndarray
N, L, C, SIZE = 2, 68, 7, 24

pytestmark = pytest.mark.skipif(native.TWINS is None, reason="this Caffe has no compiled twins, or RAR_NUMPY=1 is set")


@pytest.fixture(autouse=True)
def on_the_cpu(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--gpu", default=False):
        pytest.skip("the twins are the CPU's")


def shapes(rng: np.random.Generator, n: int = N) -> Array:
    """Faces on a crop of SIZE, with landmarks at its border, off it, at half pixels and far away."""
    s = rng.uniform(0, SIZE - 1, (n, L, 2))
    s[0, :6] = [(-3.2, 4), (SIZE + 2, SIZE - 1), (0, 0), (SIZE - 1, SIZE - 0.5), (2.5, 3.5), (1e9, -1e30)]
    return s.astype(np.float32)


def maps(rng: np.random.Generator, channels: int, scale: float = 1) -> Array:
    return (scale * rng.standard_normal((N, channels, SIZE, SIZE))).astype(np.float32)


def two_passes(layer: Any, inputs: dict[str, Array], compiled: bool, patch: pytest.MonkeyPatch) -> dict[str, Array]:
    """All data after a forward pass, and all diffs after a backward pass with random diffs on what is no input."""
    with patch.context() as context:
        if not compiled:
            context.setattr(native, "TWINS", None)
        net = layer_net(layer, inputs)
    assert bool(getattr(net.layers[-1], "native", None)) == compiled
    for name, data in inputs.items():
        net.blobs[name].data[...] = data
    net.forward()
    found = {f"{name} data": blob.data.copy() for name, blob in net.blobs.items()}
    rng = np.random.default_rng(3)
    for name, blob in net.blobs.items():
        blob.diff[...] = rng.standard_normal(blob.data.shape)
        if name in inputs and name not in layer.top:
            blob.diff[...] = 7
    net.backward()
    return found | {f"{name} diff": blob.diff.copy() for name, blob in net.blobs.items()}


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def case(kind: str, inputs: dict[str, Array], tops: list[str], **parameters: Any) -> tuple[Any, dict[str, Array]]:
    return python_layer(kind, list(inputs), tops, **parameters), inputs


def positive(*size: int) -> Array:
    return rng().uniform(0.01, 1, size).astype(np.float32)


def conv8_and_shape() -> dict[str, Array]:
    return {"conv8": maps(rng(), L, 4), "shape": shapes(rng())}


def shift_inputs() -> dict[str, Array]:
    conv8 = maps(rng(), L, 4)
    partition = np.log(np.exp(conv8.astype(np.float64)).sum((2, 3))).astype(np.float32)
    return {"conv8": conv8, "log_partition": partition, "s_hat": np.clip(shapes(rng()), -50, 50)}


FEATURES = {"deconv7": maps(rng(), C), "s_hat": shapes(rng())}
ATTENTION = {
    "confidence": rng().standard_normal((1, N, L)).astype(np.float32),
    "s_hat": shapes(rng())[:, ::-1].clip(-50, 50),
}
UPDATE = {
    "h": rng().uniform(-1, 1, (1, N, 2 * L)).astype(np.float32),
    "gamma": positive(N, L),
    "s_hat": np.clip(shapes(rng()), -50, 50),
}
LOSS = {name: np.clip(shapes(np.random.default_rng(i)), -50, 50) for i, name in enumerate(("delta", "s_hat", "shape"))}
CASES = {
    "decoding": case("heatmap.HeatmapDecodeLayer", {"conv8": maps(rng(), L, 4)}, ["s_d", "peak"], radius=2),
    "decoding in place": case(
        "heatmap.HeatmapDecodeLayer", {"conv8": maps(rng(), L)}, ["conv8", "s_d", "peak", "log_partition"], radius=3
    ),
    "conv8's loss": case("heatmap.SoftmaxRegressionLossLayer", conv8_and_shape(), ["loss"], sigma=1.3),
    "features": case("shape_indexed.ShapeIndexedFeatureLayer", FEATURES, ["phi"], window=3),
    "features in place": case("shape_indexed.ShapeIndexedFeatureLayer", FEATURES, ["deconv7", "phi"], window=4),
    "one pixel": case("shape_indexed.ShapeIndexedFeatureLayer", FEATURES, ["phi"], window=1),
    "mean shift": case("mean_shift.MeanShiftLayer", shift_inputs(), ["u"], radius=2),
    "mean shift in place": case("mean_shift.MeanShiftLayer", shift_inputs(), ["conv8", "u"], radius=3),
    "attention": case("attention.AttentionCentreLayer", ATTENTION, ["centre", "gamma"]),
    "attention, peak, narrow": case(
        "attention.AttentionCentreLayer", ATTENTION, ["centre", "gamma"], kappa="peak", width=0.5
    ),
    "attention, straight through": case(
        "attention.AttentionCentreLayer", ATTENTION, ["centre", "gamma"], straight_through=True, temperature=0.3
    ),
    "attention, policy": case(
        "attention.AttentionCentreLayer", ATTENTION, ["centre", "gamma", "p"], straight_through=True, kappa="peak"
    ),
    "weighting": case(
        "reweight.ReweightLayer", {"phi": maps(rng(), L).reshape(N, L, -1), "gamma": positive(N, L)}, ["x"], scale=0.3
    ),
    "update": case("refinement.ShapeUpdateLayer", UPDATE, ["delta", "moved"], alpha=12.0),
    "update, Gamma twice": case(
        "refinement.ShapeUpdateLayer", UPDATE, ["delta", "moved"], alpha=12.0, gamma_twice=True
    ),
    "refinement loss": case("refinement.RefinementLossLayer", LOSS | {"gamma": positive(N, L)}, ["loss"]),
}


@pytest.mark.parametrize("name", CASES)
def test_equals_the_python_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, inputs = CASES[name]
    wanted = two_passes(layer, inputs, False, monkeypatch)
    found = two_passes(layer, inputs, True, monkeypatch)
    assert set(found) == set(wanted)
    for blob, numbers in wanted.items():
        scale = float(np.abs(numbers).max()) if numbers.size and np.isfinite(numbers).all() else 1.0
        np.testing.assert_allclose(found[blob], numbers, rtol=2e-5, atol=2e-6 * scale, err_msg=blob)


def basis(size: int, landmarks: int) -> Array:
    """Basis shapes of unit inter-pupil distance round one face."""
    face = np.random.default_rng(5).uniform(-1, 1, (landmarks, 2))
    return (face + 0.15 * rng().standard_normal((size, landmarks, 2))).astype(np.float32)


@pytest.mark.parametrize(("landmarks", "size", "fit"), [(68, 100, {}), (68, 100, {"supports": [10]}), (5, 50, {}),
                                                       (29, 3, {"supports": [1, 100]})])  # fmt: skip
def test_the_robust_start_equals_numpys(
    landmarks: int, size: int, fit: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes_ = basis(size, landmarks)
    turn = np.array([[0.9, -0.3], [0.3, 0.9]])
    faces = 11 * basis(40, landmarks) @ turn + 40 + rng().standard_normal((40, landmarks, 2))
    hidden = rng().random((40, landmarks)) < 0.2
    faces[hidden] += 30 * rng().standard_normal((int(hidden.sum()), 2))
    faces[-1] = 50  # a shape that is one point
    parameters = {"landmarks": landmarks, "basis_size": size, "crop_size": 96, "fit": fit}
    layer = python_layer("initialisation.InitialisationLayer", ["s_d"], ["s_hat"], **parameters)
    found = []
    for compiled in (False, True):
        with monkeypatch.context() as context:
            if not compiled:
                context.setattr(native, "TWINS", None)
            net = layer_net(layer, {"s_d": faces.astype(np.float32)}, caffe.TEST)
        net.blobs["s_d"].data[...] = faces
        for scale in (0.5, 1):  # the basis changes between passes, as when weights are loaded
            net.params["layer"][0].data[...] = scale * shapes_
            net.forward()
        found.append(net.blobs["s_hat"].data.copy())
    np.testing.assert_allclose(found[1], found[0], atol=1e-3)  # px


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="a subset names no landmark"):
        blob = layer_net(CASES["features"][0], CASES["features"][1]).blobs["s_hat"]
        native.TWINS.robust_initialisation(blob, [[0, 99]], 0.2, 0.1, 0.005, 0.02, 3, 3, [10])


def test_they_can_be_turned_off() -> None:
    code = "from layers import native; print(native.TWINS)"
    env = {**os.environ, "RAR_NUMPY": "1"}
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"
