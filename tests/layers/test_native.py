"""The compiled twins of the layers against their Python passes: the same net twice, forward and backward."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import caffe
import numpy as np
import pytest

from layers import base, native
from layers.common.errors import RarError
from tests.layers import strict_arrays
from tests.layers.conftest import python_layer
from tools.model.gradient_check import layer_net

Array = np.ndarray
L, C, SIZE = 68, 7, 24

pytestmark = pytest.mark.skipif(native.TWINS is None, reason="this Caffe has no compiled twins, or RAR_NUMPY=1 is set")


@pytest.fixture(autouse=True)
def on_the_cpu(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--gpu", default=False):
        pytest.skip("the twins are the CPU's")


class Inputs:
    """What the layers are given, for n faces of `landmarks`: made anew by each call, from one seed."""

    def __init__(self, n: int, landmarks: int = L) -> None:
        self.n, self.landmarks, self.rng = n, landmarks, np.random.default_rng(11)

    def shapes(self, reach: float = np.inf) -> Array:
        """On a crop of SIZE, with landmarks at its border, off it, at half pixels and far away."""
        s = self.rng.uniform(0, SIZE - 1, (self.n, self.landmarks, 2))
        edges = [(-3.2, 4), (SIZE + 2, SIZE - 1), (0, 0), (SIZE - 1, SIZE - 0.5), (2.5, 3.5), (1e9, -1e30)]
        chosen = s.reshape(-1, 2)[: len(edges)]
        chosen[...] = edges[: len(chosen)]
        return np.asarray(s.clip(-reach, reach), np.float32)

    def maps(self, channels: int | None = None, scale: float = 1) -> Array:
        size = (self.n, channels or self.landmarks, SIZE, SIZE)
        return np.asarray(scale * self.rng.standard_normal(size), np.float32)

    def positive(self) -> Array:
        return self.rng.uniform(0.01, 1, (self.n, self.landmarks)).astype(np.float32)

    def row(self, each: int) -> Array:
        """As an LSTM gives it: (1, n, each L)."""
        return self.rng.uniform(-1, 1, (1, self.n, each * self.landmarks)).astype(np.float32)


def decoding(i: Inputs) -> dict[str, Array]:
    return {"conv8": i.maps(scale=4)}


def regression(i: Inputs) -> dict[str, Array]:
    return {"conv8": i.maps(scale=4), "shape": i.shapes()}


def features(i: Inputs) -> dict[str, Array]:
    return {"deconv7": i.maps(C), "s_hat": i.shapes()}


def shift(i: Inputs) -> dict[str, Array]:
    conv8 = i.maps(scale=4)
    partition = np.log(np.exp(conv8.astype(np.float64)).sum((2, 3))).astype(np.float32)
    return {"conv8": conv8, "log_partition": partition, "s_hat": i.shapes(reach=50)}


def attention(i: Inputs) -> dict[str, Array]:
    return {"confidence": i.row(1), "s_hat": i.shapes(reach=50)[:, ::-1]}


def weighting(i: Inputs) -> dict[str, Array]:
    return {"phi": i.maps().reshape(i.n, i.landmarks, -1), "gamma": i.positive()}


def update(i: Inputs) -> dict[str, Array]:
    return {"h": i.row(2), "gamma": i.positive(), "s_hat": i.shapes(reach=50)}


DECODE, LOSS = "heatmap.HeatmapDecodeLayer", "heatmap.SoftmaxRegressionLossLayer"
FEATURE, SHIFT = "shape_indexed.ShapeIndexedFeatureLayer", "mean_shift.MeanShiftLayer"
ATTENTION, REWEIGHT = "attention.AttentionCentreLayer", "reweight.ReweightLayer"
UPDATE = "refinement.ShapeUpdateLayer"
CHOICE = ["centre", "gamma"]
# The layer, what it is given, its tops, its settings.
Case = tuple[str, Callable[[Inputs], dict[str, Array]], list[str], dict[str, Any]]
CASES: dict[str, Case] = {
    "decoding": (DECODE, decoding, ["s_d", "peak"], {"radius": 2}),
    "decoding in place": (DECODE, decoding, ["conv8", "s_d", "peak", "log_partition"], {"radius": 3}),
    "conv8's loss": (LOSS, regression, ["loss"], {"sigma": 1.3}),
    "features": (FEATURE, features, ["phi"], {"window": 3}),
    "features in place": (FEATURE, features, ["deconv7", "phi"], {"window": 4}),
    "features of one pixel": (FEATURE, features, ["phi"], {"window": 1}),
    "mean shift": (SHIFT, shift, ["u"], {"radius": 2}),
    "mean shift in place": (SHIFT, shift, ["conv8", "u"], {"radius": 3}),
    "attention": (ATTENTION, attention, CHOICE, {}),
    "attention, peak, narrow": (ATTENTION, attention, CHOICE, {"kappa": "peak", "width": 0.5}),
    "attention, straight through": (ATTENTION, attention, CHOICE, {"straight_through": True, "temperature": 0.3}),
    "attention, policy": (ATTENTION, attention, [*CHOICE, "p"], {}),
    "attention, policy, peak": (ATTENTION, attention, [*CHOICE, "p"], {"straight_through": True, "kappa": "peak"}),
    "weighting": (REWEIGHT, weighting, ["x"], {"scale": 0.3}),
    "update": (UPDATE, update, ["delta", "moved"], {"alpha": 12.0}),
    "update, Gamma twice": (UPDATE, update, ["delta", "moved"], {"alpha": 12.0, "gamma_twice": True}),
}


def net_of(layer: Any, inputs: dict[str, Array], compiled: bool, patch: pytest.MonkeyPatch, phase: int) -> Any:
    """The layer's net, with or without its twin."""
    with patch.context() as context:
        if not compiled:
            context.setattr(native, "TWINS", None)
        return layer_net(layer, inputs, phase)


def two_passes(layer: Any, inputs: dict[str, Array], compiled: bool, patch: pytest.MonkeyPatch) -> dict[str, Array]:
    """All data after a forward pass, and all diffs after a backward pass with random diffs on what is no input."""
    net = net_of(layer, inputs, compiled, patch, caffe.TRAIN)
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


def agree(layer: Any, inputs: dict[str, Array], patch: pytest.MonkeyPatch) -> dict[str, Array]:
    """What the Python layer gives, once its twin gives the same: to 2e-5, or 2e-6 of a blob's largest number."""
    wanted = two_passes(layer, inputs, False, patch)
    found = two_passes(layer, inputs, True, patch)
    assert set(found) == set(wanted)
    for blob, numbers in wanted.items():
        assert np.isfinite(found[blob]).all(), blob
        scale = max(float(np.abs(numbers).max()), 1e-3)  # what ought to be 0 is rounding alone
        np.testing.assert_allclose(found[blob], numbers, rtol=2e-5, atol=2e-6 * scale, err_msg=blob)
    return wanted


@pytest.mark.parametrize("faces", [1, 2, 5])
@pytest.mark.parametrize("name", CASES)
def test_equals_the_python_layer(name: str, faces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, inputs, tops, settings = CASES[name]
    given = inputs(Inputs(faces))
    agree(python_layer(kind, list(given), tops, **settings), given, monkeypatch)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[0] != ATTENTION])
def test_one_landmark(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, inputs, tops, settings = CASES[name]
    given = inputs(Inputs(2, landmarks=1))
    agree(python_layer(kind, list(given), tops, **settings), given, monkeypatch)


@pytest.mark.parametrize("scheme", ["5", "29"])
def test_attention_among_fewer_landmarks(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = attention(Inputs(3, landmarks=int(scheme)))
    settings = {"scheme": scheme, "straight_through": True}
    agree(python_layer(ATTENTION, list(given), [*CHOICE, "p"], **settings), given, monkeypatch)


@pytest.mark.parametrize("name", CASES)
def test_equal_numbers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of equal scores, features and confidences is taken; a face that is one point divides by no zero."""
    kind, inputs, tops, settings = CASES[name]
    given = {blob: np.full_like(numbers, 3) for blob, numbers in inputs(Inputs(2)).items()}
    agree(python_layer(kind, list(given), tops, **settings), given, monkeypatch)


@pytest.mark.parametrize("settings", [{"policy": "fixed"}, {"weighting": "uniform"}, {"weighting": "ones"}])
def test_other_settings_are_left_to_python(settings: dict[str, Any]) -> None:
    given = attention(Inputs(1))
    net = layer_net(python_layer(ATTENTION, list(given), CHOICE, **settings), given)
    assert net.layers[-1].native is None


@pytest.mark.parametrize("name", CASES)
def test_on_a_gpu_the_host_computes_what_is_small(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers of whole maps have no twin there, and all others have theirs."""
    kind, inputs, tops, settings = CASES[name]
    given = inputs(Inputs(1))
    monkeypatch.setattr(base, "memory_here", strict_arrays.StrictMemory)
    net = layer_net(python_layer(kind, list(given), tops, **settings), given)
    assert (net.layers[-1].native is not None) == (kind in (ATTENTION, UPDATE))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_net_that_diverged_is_told(number: float) -> None:
    given = decoding(Inputs(2))
    net = layer_net(python_layer(DECODE, list(given), ["s_d", "peak"], radius=2), given)
    net.blobs["conv8"].data[...] = given["conv8"]
    net.blobs["conv8"].data[1, 3, 4, 5] = number
    with pytest.raises(RarError, match="conv8 is not finite"):
        net.forward()


@pytest.mark.parametrize("name", ["conv8's loss", "features", "mean shift", "attention", "update"])
def test_a_shape_that_is_none_harms_nothing(name: str) -> None:
    """No memory outside the maps is read or written, whatever the shape."""
    kind, inputs, tops, settings = CASES[name]
    given = inputs(Inputs(2))
    net = layer_net(python_layer(kind, list(given), tops, **settings), given)
    for blob, numbers in given.items():
        net.blobs[blob].data[...] = np.nan if blob in ("s_hat", "shape") else numbers
    net.forward()
    net.backward()


def basis(size: int, landmarks: int) -> Array:
    """Basis shapes of unit inter-pupil distance round one face."""
    face = np.random.default_rng(5).uniform(-1, 1, (landmarks, 2))
    noise = np.random.default_rng(11).standard_normal((size, landmarks, 2))
    return np.asarray(face + 0.15 * noise, np.float32)


@pytest.mark.parametrize(("landmarks", "size", "fit"), [(68, 100, {}), (68, 100, {"supports": [10]}), (5, 50, {}),
                                                       (29, 3, {"supports": [1, 100]})])  # fmt: skip
def test_the_robust_start_equals_numpys(
    landmarks: int, size: int, fit: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes_ = basis(size, landmarks)
    turn = np.array([[0.9, -0.3], [0.3, 0.9]])
    rng = np.random.default_rng(12)
    faces = 11 * basis(40, landmarks) @ turn + 40 + rng.standard_normal((40, landmarks, 2))
    hidden = rng.random((40, landmarks)) < 0.2
    faces[hidden] += 30 * rng.standard_normal((int(hidden.sum()), 2))
    faces[-1] = 50  # a shape that is one point
    parameters = {"landmarks": landmarks, "basis_size": size, "crop_size": 96, "fit": fit}
    layer = python_layer("initialisation.InitialisationLayer", ["s_d"], ["s_hat"], **parameters)
    found = []
    for compiled in (False, True):
        net = net_of(layer, {"s_d": faces.astype(np.float32)}, compiled, monkeypatch, caffe.TEST)
        net.blobs["s_d"].data[...] = faces
        for scale in (0.5, 1):  # the basis changes between passes, as when weights are loaded
            net.params["layer"][0].data[...] = scale * shapes_
            net.forward()
        found.append(net.blobs["s_hat"].data.copy())
    np.testing.assert_allclose(found[1], found[0], atol=1e-3)  # px


def test_what_does_not_fit_is_refused() -> None:
    given = features(Inputs(1))
    blob = layer_net(python_layer(FEATURE, list(given), ["phi"], window=3), given).blobs["s_hat"]
    with pytest.raises(ValueError, match="a subset names no landmark"):
        native.TWINS.robust_initialisation(blob, [[0, 99]], 0.2, 0.1, 0.005, 0.02, 3, 3, [10])


def test_they_can_be_turned_off() -> None:
    code = "from layers import native; print(native.TWINS)"
    env = {**os.environ, "RAR_NUMPY": "1"}
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"
