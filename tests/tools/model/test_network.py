"""The unrolled net in Caffe against the paper's equations in plain numpy, and its gradient against differences."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import caffe
import h5py
import numpy as np
import pytest

from layers import native
from layers.common.face_fit import FaceSpace, FitSettings
from layers.common.schemes import SCHEME_68
from layers.common.shapes import pupil_distance
from tests.tools.model import reference
from tools.model import network
from tools.model.caffe_net import net_from
from tools.model.guided import GuidedSteps
from tools.model.presets import TINY, Preset

Array = np.ndarray
SMALL = replace(TINY, crop_size=32, steps=4, basis_size=6, deconv7=8, stages=TINY.stages[:2], reduction=8, deconv6=8)
SHIFTED = replace(SMALL, shift_radius=2, shift_scale=300.0)  # untrained maps are flat: their shift is small
PEAK = replace(SMALL, gamma="peak", gamma_width=0.8, feature_scale=0.02, attention_scale=5.0)


def faces(count: int, size: int) -> Array:
    """Ellipses of 68 points with two eyes apart: enough of a face for the geometry."""
    generator = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    shape = np.stack([np.cos(angle), np.sin(angle)], -1) * 0.3
    shape[36:42] = (-0.15, -0.1) + 0.02 * shape[:6]
    shape[42:48] = (0.15, -0.1) + 0.02 * shape[:6]
    shape = shape + generator.normal(scale=0.02, size=(count, 68, 2))
    return np.asarray((0.5 + shape) * size, np.float32)


@pytest.fixture
def pool(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Array:
    """A shape pool where the nets look for it."""
    shapes = faces(SMALL.basis_size, 1)
    centred = shapes - shapes.mean(1, keepdims=True)
    with h5py.File(tmp_path / "shape_pool.h5", "w") as file:
        file["centres"] = centred / pupil_distance(centred, SCHEME_68)[:, None, None]
        file["mean_shape"] = shapes.mean(0)
    monkeypatch.setenv("DATA", str(tmp_path))
    return shapes


def training_net(preset: Preset) -> Any:
    """The end-to-end training net with Input layers for the images and shapes; its gradients are not shared out yet."""
    proto = network.train_val(preset, warm_up=False)
    inputs = {"data": (2, 3, preset.crop_size, preset.crop_size), "shape": (2, preset.landmarks, 2)}
    kept = [layer for layer in proto.layer if not layer.name.endswith("_samples")]
    del proto.layer[:]
    for name, size in inputs.items():
        proto.layer.add(name=name, type="Input", top=[name]).input_param.shape.add(dim=size)
    proto.layer.extend(kept)
    caffe.set_random_seed(3)
    net = net_from(proto)
    net.blobs["data"].data[...] = np.random.default_rng(1).normal(scale=60, size=inputs["data"])
    net.blobs["shape"].data[...] = faces(2, preset.crop_size)[:, : preset.landmarks]
    generator = np.random.default_rng(2)
    mean, variance, count = (blob.data for blob in net.params["phi_0"])
    mean[...], variance[...], count[...] = generator.normal(size=mean.shape), generator.uniform(1, 2, variance.shape), 1
    return net


def lstm(net: Any, name: str, units: int) -> reference.Lstm:
    parts = ("input", "forget", "output", "candidate")
    weights = {part: tuple(blob.data.astype(np.float64) for blob in net.params[f"{name}_{part}_0"]) for part in parts}
    return reference.Lstm(weights, np.zeros(units), np.zeros(units))


@pytest.mark.parametrize("preset", [SMALL, SHIFTED, PEAK])
def test_unrolled_net_equals_the_equations(preset: Preset, pool: Array) -> None:
    net = training_net(preset)
    net.forward()
    mean, variance = (blob.data.reshape(68, -1).astype(np.float64) for blob in list(net.params["phi_0"])[:2])
    expected_losses = np.zeros(2)
    centres = []
    for face in range(2):
        given = reference.Recurrence(
            deconv7=net.blobs["deconv7"].data[face].astype(np.float64),
            probabilities=reference.over_places(net.blobs["conv8"].data[face].astype(np.float64)),
            steps=preset.steps,
            alpha=preset.alpha,
            window=preset.window,
            scale=preset.feature_scale,
            attention_scale=preset.attention_scale or preset.feature_scale,
            mean=mean,
            variance=variance,
            shift_radius=preset.shift_radius,
            shift_scale=preset.shift_scale,
            kappa=preset.gamma,
            width=preset.gamma_width,
        )
        start = net.blobs["s_hat_0"].data[face].astype(np.float64)
        run = reference.recurrence(given, start, lstm(net, "a_lstm", 68), lstm(net, "r_lstm", 136))
        for t in range(preset.steps):
            assert net.blobs[f"centre_{t}"].data[face, 0] == run.centre[t]
            np.testing.assert_allclose(net.blobs[f"a_lstm_h_{t + 1}"].data[0, face], run.confidence[t], atol=3e-5)
            np.testing.assert_allclose(net.blobs[f"gamma_{t}"].data[face], run.gamma[t], atol=5e-6)
            np.testing.assert_allclose(net.blobs[f"delta_{t}"].data[face], run.delta[t], atol=1e-4)
            np.testing.assert_allclose(net.blobs[f"s_hat_{t + 1}"].data[face], run.s_hat[t + 1], atol=1e-3)
        shape = net.blobs["shape"].data[face].astype(np.float64)
        expected_losses += np.array(reference.losses(run, shape, preset.eta)) / 2
        centres += run.centre
    refinement = sum(float(net.blobs[f"loss_refinement_{t}"].data) for t in range(preset.steps))
    np.testing.assert_allclose(refinement, expected_losses[0], rtol=1e-4)
    np.testing.assert_allclose(float(net.blobs["loss_reward"].data), expected_losses[1], rtol=1e-3, atol=1e-5)
    assert len(set(centres)) > 1, "the test's net looks at one landmark only"
    assert np.abs(net.blobs["delta_0"].data).max() > 1e-3, "the test's net does not move"


@pytest.mark.skipif(native.TWINS is None, reason="this Caffe has no compiled twins, or RAR_NUMPY=1 is set")
@pytest.mark.parametrize("preset", [SMALL, SHIFTED, PEAK])
def test_training_is_the_same_with_the_python_layers(
    preset: Preset, pool: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five iterations of plain gradient descent: the losses on the way and the weights at the end."""
    losses, weights = [], []
    for compiled in (True, False):
        with monkeypatch.context() as context:
            if not compiled:
                context.setattr(native, "TWINS", None)
            net = training_net(preset)
        assert any(getattr(layer, "native", None) for layer in net.layers) == compiled
        passes = []
        for _ in range(5):
            net.clear_param_diffs()
            passes.append(objective(net))
            net.backward()
            for blobs in net.params.values():
                for blob in blobs:
                    blob.data[...] -= 1e-3 * blob.diff / max(1, np.linalg.norm(blob.diff))
        losses.append(passes)
        weights.append(np.concatenate([blob.data.ravel() for blobs in net.params.values() for blob in blobs]))
    assert losses[0][0] != losses[0][-1], "the test's net does not learn"
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-4)


def test_the_start_is_as_sparse_as_the_preset_says(pool: Array) -> None:
    """|c|_0 and the threshold of eq. (11) reach the layer: its s_hat_0 is FaceSpace's with the same settings."""
    found = []
    for support, threshold in ((2, 0.3), (SMALL.basis_size, 0.1)):
        net = training_net(replace(SMALL, support=support, inlier_threshold=threshold))
        net.forward()
        basis = net.params["initialisation"][0].data
        space = FaceSpace(basis, FitSettings(supports=(support,), threshold=threshold))
        s_hat_0 = net.blobs["s_hat_0"].data
        np.testing.assert_allclose(s_hat_0, [space.fit(s_d).shape for s_d in net.blobs["s_d"].data], atol=1e-4)
        found.append(s_hat_0.copy())
    assert np.abs(found[0] - found[1]).max() > 0.1


def objective(net: Any) -> float:
    """The weighted sum of all losses, as Caffe's solver sees it."""
    net.forward()
    return sum(weight * float(net.blobs[name].data) for name, weight in net.blob_loss_weights.items() if weight)


@pytest.mark.parametrize(
    "layer", ["conv1_1", "deconv7", "a_lstm_input_0", "a_lstm_forget_0", "r_lstm_candidate_0", "r_lstm_output_0"]
)
def test_end_to_end_gradient(pool: Array, layer: str) -> None:
    """d(objective)/d(weights) through all steps: conv1_1 learns from the shape losses, the LSTMs through time.

    Gamma and the place of a window count as constants in the gradient, so they are held constant here:
    gamma = 1/L, features of one place, start from the mean shape. With such weights no choice matters, so A-LSTM is
    tested where it learns from its policy.
    """
    preset = replace(SMALL, weighting="uniform", initialisation="mean", window=1, conv8_weight=0, feature_scale=3)
    if layer.startswith("a_lstm"):
        preset = replace(preset, estimator="counterfactual", reward_weight=10, entropy_weight=0.3)
    net = training_net(preset)
    for _, blobs in net.params.items():
        for blob in blobs:
            blob.diff[...] = 0
    net.forward()
    net.backward()
    weights = net.params[layer][0]
    analytic = weights.diff.astype(np.float64).ravel()
    largest = np.argsort(-np.abs(analytic))[:6]
    assert np.abs(analytic[largest]).min() > 0, f"nothing reaches {layer}"
    flat = weights.data.reshape(-1)
    for index in largest:
        before, step = float(flat[index]), 2e-3 * max(1.0, abs(float(flat[index])))
        flat[index] = before + step
        above = objective(net)
        flat[index] = before - step
        below = objective(net)
        flat[index] = before
        np.testing.assert_allclose(analytic[index], (above - below) / (2 * step), rtol=0.05, atol=2e-3)


@pytest.mark.parametrize("preset", [SMALL, SHIFTED])
def test_no_split_of_maps_per_step(preset: Preset, pool: Array) -> None:
    """T steps and conv8 read deconv7: one Split of two, not of T + 1 full-size gradients. Of conv8 there is none."""
    net = training_net(preset)
    copies = [name for name in net.blobs if name.startswith(("deconv7", "conv8"))]
    assert sorted(copies) == ["conv8", "deconv7", "deconv7_conv8", "deconv7_steps"]


def test_a_frozen_cnn_gets_no_gradient(pool: Array) -> None:
    net = training_net(replace(SHIFTED, cnn_lr=0))
    for blobs in net.params.values():
        for blob in blobs:
            blob.diff[...] = 0
    net.forward()
    net.backward()
    moved = {name for name, blobs in net.params.items() if any(blob.diff.any() for blob in blobs)}
    assert {"a_lstm_candidate_0", "r_lstm_candidate_0", "r_lstm_output_3"} <= moved
    assert not [name for name in moved if "lstm" not in name]


@pytest.mark.parametrize("landmarks", [5, 29])
def test_other_numbers_of_landmarks(landmarks: int, pool: Array, tmp_path: Any) -> None:
    """Every layer runs, forward and backward, on the schemes of AFLW, which has no eye corners, and of COFW."""
    with h5py.File(tmp_path / "shape_pool.h5", "r+") as file:
        for name, shapes in (("centres", file["centres"][:, :landmarks]), ("mean_shape", pool.mean(0)[:landmarks])):
            del file[name]
            file[name] = shapes
    net = training_net(replace(SMALL, landmarks=landmarks, scheme=str(landmarks)))
    net.forward()
    net.backward()
    figures = {name for name in net.outputs if name.endswith(f"s_hat_{SMALL.steps}")}
    corner = {f"nme_corner_s_hat_{SMALL.steps}"} if landmarks == 29 else set()
    assert figures == {f"nme_pupil_s_hat_{SMALL.steps}", f"fr10_s_hat_{SMALL.steps}"} | corner
    assert all(np.isfinite(net.blobs[name].data).all() for name in net.outputs)
    assert net.params["conv1_1"][0].diff.any()


@pytest.mark.parametrize("preset", [SMALL, SHIFTED])
def test_deploy_net_gives_the_shapes_of_the_training_net(preset: Preset, pool: Array, tmp_path: Any) -> None:
    """Weights carry the basis shapes: the deploy net needs no shape pool, and follows any batch size."""
    trained = training_net(preset)
    trained.forward()
    trained.save(str(tmp_path / "w.caffemodel"))
    deployed = net_from(network.deploy(preset), caffe.TEST)
    deployed.copy_from(str(tmp_path / "w.caffemodel"))
    deployed.blobs["data"].reshape(*trained.blobs["data"].shape)
    deployed.reshape()
    deployed.blobs["data"].data[...] = trained.blobs["data"].data
    deployed.forward()
    for name in ("s_d", "s_hat_0", f"s_hat_{preset.steps}"):
        np.testing.assert_allclose(deployed.blobs[name].data, trained.blobs[name].data, atol=1e-4)


def test_a_fixed_order_walks_through_the_face_and_ends_on_the_contour(pool: Array) -> None:
    net = training_net(replace(SMALL, policy="fixed", steps=15))
    net.forward(end="centre_14")
    order = [int(net.blobs[f"centre_{t}"].data[0, 0]) for t in range(15)]
    contour = SCHEME_68.groups["contour"]
    assert len(set(order)) == 15
    assert [landmark in contour for landmark in order] == [False] * 11 + [True] * 4


@pytest.mark.parametrize(
    ("settings", "reads"),
    [
        ({}, ("AttentionRewardLayer", False)),
        ({"estimator": "reinforce", "policy": "sample"}, ("ReinforceLayer", True)),
        ({"estimator": "counterfactual"}, ("ExpectedRewardLayer", True)),
        ({"entropy_weight": 0.5}, ("PolicyEntropyLayer", True)),
    ],
)
def test_each_estimator_has_its_loss_and_what_it_reads(settings: dict[str, Any], reads: tuple[str, bool]) -> None:
    kind, policies = reads
    proto = network.train_val(replace(SMALL, temperature=0.7, **settings), warm_up=False)
    assert kind in [layer.python_param.layer for layer in proto.layer]
    centres = [layer for layer in proto.layer if layer.python_param.layer == "AttentionCentreLayer"]
    assert len(centres) == SMALL.steps
    for t, layer in enumerate(centres):
        parameters = json.loads(layer.python_param.param_str)
        assert parameters["temperature"] == 0.7
        assert parameters["straight_through"] == ("estimator" not in settings)
        assert list(layer.top) == [f"centre_{t}", f"gamma_{t}", *[f"policy_{t}"] * policies]


def test_the_counterfactual_reads_the_r_lstms_own_weights(pool: Array) -> None:
    """The same numbers by name, so that training moves both; and the shape of the centre taken is the net's."""
    preset = replace(SHIFTED, estimator="counterfactual")
    net = training_net(preset)
    for part in ("input", "forget", "output", "candidate"):
        net.params[f"r_lstm_{part}_0"][0].data[...] += 0.01
    steps = GuidedSteps(net, preset)
    steps.begin()
    shapes, centres, _ = steps.run()
    shape, weights = net.blobs["shape"].data, steps.every_gamma(1)
    after = steps.every_next_shape(1)
    for face in range(2):
        np.testing.assert_allclose(after[face, centres[1, face]], shapes[2, face], atol=1e-4)
        for centre in (0, 30):
            gain = (shape[face] - shapes[1, face]) ** 2 - (shape[face] - after[face, centre]) ** 2
            by_hand = (weights[face, centre][:, None] ** 2 * gain).sum()
            assert net.blobs["reward_1"].data[face, centre] == pytest.approx(by_hand, rel=1e-3, abs=1e-6)
    assert np.abs(after - shapes[2][:, None]).max() > 1e-4, "every centre makes the same shape"


@pytest.mark.parametrize("policy", ["random", "stochastic"])
def test_a_face_draws_the_same_centres_in_any_batch(policy: str, pool: Array) -> None:
    preset = replace(SMALL, policy=policy, temperature=5.0)
    net = net_from(network.deploy(preset), caffe.TEST)
    net.params["initialisation"][0].data[...], net.params["initialisation"][1].data[...] = 0.1 * pool, pool.mean(0)
    images = np.random.default_rng(4).normal(scale=60, size=(5, 3, 32, 32))

    def centres(batch: Array) -> Array:
        net.blobs["data"].reshape(*batch.shape)
        net.reshape()
        net.blobs["data"].data[...] = batch
        net.forward()
        return np.stack([net.blobs[f"centre_{t}"].data[:, 0].copy() for t in range(preset.steps)], axis=1)

    together = centres(images)
    np.testing.assert_array_equal(centres(images[3:4])[0], together[3])
    np.testing.assert_array_equal(centres(images[[4, 3, 0]]), together[[4, 3, 0]])
    assert len({tuple(row) for row in together}) == 5 and len(set(together[0])) > 1


def test_the_history_and_the_peaks_reach_the_a_lstm(pool: Array) -> None:
    preset = replace(SMALL, attention_history=True, attention_peak=True, no_repeat=True)
    net = training_net(preset)
    net.forward()
    net.backward()
    features = SMALL.deconv7 * 68
    for t in range(preset.steps):
        seen = net.blobs[f"a_input_{t}"].data[0]
        chosen = [net.blobs[f"centre_{k}"].data[:, 0].astype(int) for k in range(t)]
        counted = sum((np.eye(68)[centre] for centre in chosen), np.zeros((2, 68)))
        np.testing.assert_array_equal(seen[:, features : features + 68], counted)
        np.testing.assert_array_equal(seen[:, features + 68 :], net.blobs["peak"].data)
        if t:
            assert (net.blobs[f"centre_{t}"].data != net.blobs[f"centre_{t - 1}"].data).all()
    assert net.params["a_lstm_candidate_0"][0].diff.any()


def test_one_lstm_can_stay_as_it_is(pool: Array) -> None:
    net = training_net(replace(SHIFTED, cnn_lr=0, refinement_lr=0))
    for blobs in net.params.values():
        for blob in blobs:
            blob.diff[...] = 0
    net.forward()
    net.backward()
    moved = {name for name, blobs in net.params.items() if any(blob.diff.any() for blob in blobs)}
    assert "a_lstm_candidate_0" in moved
    assert not [name for name in moved if name.startswith("r_lstm")]
