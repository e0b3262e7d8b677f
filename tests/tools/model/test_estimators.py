"""Estimators of A-LSTM's gradient, by real nets, against the exact one: five landmarks, three steps, all 125 sequences.

The exact gradient is that of the mean over all sequences, in float64, by the confidences of every step (a shift of them
is what is differentiated), so that what a choice does to later steps is in it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import caffe
import numpy as np
import pytest
from caffe import layers as L  # noqa: N812  Caffe's own convention

from layers.common import heatmaps
from tests.tools.model.enumeration import PARTS, Problem
from tests.tools.model.reference import Lstm, Recurrence, over_places
from tools.model import network
from tools.model.caffe_net import net_from
from tools.model.guided import GuidedSteps
from tools.model.presets import TINY, Preset

Array = np.ndarray
STEPS, LANDMARKS, CHANNELS, SIZE = 3, 5, 2, 32
FEATURES = CHANNELS + 2
FACE = np.array([[10.2, 11.3], [21.4, 10.9], [15.8, 16.3], [12.1, 21.2], [20.3, 21.7]])
FACES = (1, 3)
SMALL = replace(
    TINY, crop_size=SIZE, steps=STEPS, landmarks=LANDMARKS, scheme="5", basis_size=6, initialisation="direct",
    shift_radius=4, shift_scale=0.5, cnn_lr=0, temperature=0.3, eta=0.9, attention_scale=3.0,
    refinement_weight=0, reward_weight=(SIZE / 256) ** 2,
)  # fmt: skip
READINGS = {
    "sum, 2D": replace(SMALL, feature_scale=3.0),
    "sum, D/2": replace(SMALL, feature_scale=3.0, gamma_width=0.5),
    "peak, 2D": replace(SMALL, feature_scale=0.8, gamma="peak"),
    "peak, D/2": replace(SMALL, feature_scale=0.8, gamma="peak", gamma_width=0.5),
}
ALL = pytest.mark.parametrize("reading", list(READINGS))


def net_of(preset: Preset) -> Any:
    """The steps of the training net and their losses; maps, start and true shape are its inputs.

    R-LSTM moves landmarks along their mean shift, with some crosstalk, as a trained one does.
    """
    n = caffe.NetSpec()
    sizes = {
        "data": (1, 3, 2, 2), "shape": (1, LANDMARKS, 2), "deconv7_steps": (1, CHANNELS, SIZE, SIZE),
        "conv8_read": (1, LANDMARKS, SIZE, SIZE), "log_partition": (1, LANDMARKS), "s_d": (1, LANDMARKS, 2),
    }  # fmt: skip
    for name, size in sizes.items():
        n[name] = L.Input(shape={"dim": list(size)})
    network.recurrence(n, preset, pool="", training=True)
    network.recurrence_losses(n, preset)
    network.silence(n, n[f"a_lstm_c_{STEPS}"], n[f"r_lstm_c_{STEPS}"])
    net = net_from(network.finish(n, "steps"))
    generator = np.random.default_rng(7)
    for blob, value in zip(net.params["phi_0"], (0, 1, 1), strict=True):
        blob.data[...] = value
    for name, spread in (("a_lstm", 0.5), ("r_lstm", 0.04)):
        for part in PARTS:
            w, b = net.params[f"{name}_{part}_0"]
            w.data[...], b.data[...] = generator.normal(scale=spread, size=w.data.shape), 0
    along = net.params["r_lstm_candidate_0"][0].data[:, 2 * LANDMARKS :].reshape(LANDMARKS, 2, LANDMARKS, FEATURES)
    for landmark in range(LANDMARKS):
        along[landmark, :, landmark, CHANNELS:] += 0.6 * np.eye(2)
    return net


def show(net: Any, face: int) -> None:
    """Maps that peak near the true places, but for a landmark that is hidden, and a start some px off."""
    rng = np.random.default_rng(face)
    truth = FACE + rng.normal(size=FACE.shape)
    y, x = np.mgrid[:SIZE, :SIZE]
    seen = truth + rng.normal(scale=0.7, size=truth.shape)
    maps = np.stack([-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 8 for at in seen])
    maps += rng.normal(scale=0.3, size=maps.shape)
    maps[face % LANDMARKS] *= 0.1
    net.blobs["conv8"].data[0] = maps
    net.blobs["log_partition"].data[...] = heatmaps.log_partition(net.blobs["conv8"].data)
    net.blobs["deconv7_steps"].data[...] = rng.normal(size=(1, CHANNELS, SIZE, SIZE))
    net.blobs["shape"].data[0] = truth
    net.blobs["s_d"].data[0] = truth + rng.normal(scale=1.5, size=truth.shape)


def problem_of(net: Any, preset: Preset) -> Problem:
    """The same in float64."""

    def first(name: str) -> Array:
        return np.asarray(net.blobs[name].data[0], np.float64)

    def lstm(name: str, units: int) -> Lstm:
        shared = {part: net.params[f"{name}_{part}_0"] for part in PARTS}
        weights = {part: tuple(blob.data.astype(np.float64) for blob in blobs) for part, blobs in shared.items()}
        return Lstm(weights, np.zeros(units), np.zeros(units))

    steps = Recurrence(
        deconv7=first("deconv7_steps"), probabilities=over_places(first("conv8")), steps=STEPS,
        alpha=preset.alpha, window=preset.window,
        scale=preset.feature_scale, attention_scale=preset.attention_scale, mean=np.zeros((LANDMARKS, CHANNELS)),
        variance=np.ones((LANDMARKS, CHANNELS)), shift_radius=preset.shift_radius, shift_scale=preset.shift_scale,
        kappa=preset.gamma, width=preset.gamma_width,
    )  # fmt: skip
    return Problem(
        steps, first("s_d"), first("shape"), lstm("a_lstm", LANDMARKS), lstm("r_lstm", 2 * LANDMARKS),
        preset.temperature, preset.eta, preset.reading.even(LANDMARKS),
    )  # fmt: skip


class Exact(NamedTuple):
    """Gradients (faces, T, L) by the confidences: of the return, weighted as printed and un-weighted; minus that of the
    last squared error; and of each step's own reward by its own choice alone, weighted and un-weighted."""

    weighted: Array
    unweighted: Array
    final: Array
    own_weighted: Array
    own_unweighted: Array


@cache
def exact(reading: str) -> Exact:
    preset, rows = READINGS[reading], []
    for face in FACES:
        net = net_of(preset)
        show(net, face)
        by_value = problem_of(net, preset).gradient_by_confidence()
        weighted, unweighted, final = by_value[:STEPS], by_value[STEPS : 2 * STEPS], by_value[-1]
        steps = np.arange(STEPS)
        rows.append((weighted.sum(0), unweighted.sum(0), final, weighted[steps, steps], unweighted[steps, steps]))
    return Exact(*(np.stack(column) for column in zip(*rows, strict=True)))


@cache
def estimated(reading: str, **settings: Any) -> tuple[Array, float]:
    """The mean of the net's gradient over all sequences (faces, T, L), and its variance over its squared length."""
    preset = replace(READINGS[reading], **dict(settings))
    means, variances = [], []
    for face in FACES:
        net = net_of(preset)
        show(net, face)
        mean, square = np.zeros((STEPS, LANDMARKS)), 0.0
        for probability, centres, stages, _ in problem_of(net, preset).sequences():
            found = gradient(net, preset, centres, stages)
            mean, square = mean + probability * found, square + probability * float((found**2).sum())
        means.append(mean)
        variances.append(square / (mean**2).sum() - 1)
    return np.stack(means), float(np.mean(variances))


def gradient(net: Any, preset: Preset, centres: tuple[int, ...], stages: list[Array]) -> Array:
    """What one backward pass says of the confidences (T, L), uphill, when these centres are taken."""
    if preset.estimator == "reinforce":
        net.params["loss_reward"][0].data[...] = [[0.1, 0.2, 0.1], [1, 1, 1]]  # a baseline that is there, and poor
    steps = GuidedSteps(net, preset)
    steps.begin()
    shapes, _, _ = steps.run(lambda now: np.array([centres[now.t]]))
    np.testing.assert_allclose(shapes[:, 0], stages, atol=1e-3)
    net.backward()
    return -np.stack([net.blobs[net.bottom_names[f"centre_{t}"][0]].diff[0, 0] for t in range(STEPS)], dtype=np.float64)


def cosine(found: Array, wanted: Array) -> float:
    return float((found * wanted).sum() / np.sqrt((found**2).sum() * (wanted**2).sum()))


def off(found: Array, wanted: Array) -> float:
    """The length of the difference over that of what is wanted."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@ALL
@pytest.mark.parametrize("reward", ["weighted", "unweighted"])
def test_reinforce_is_unbiased(reading: str, reward: str) -> None:
    found, _ = estimated(reading, estimator="reinforce", policy="sample", reward=reward)
    assert off(found, getattr(exact(reading), reward)) < 0.01


@ALL
@pytest.mark.parametrize("reward", ["weighted", "unweighted"])
def test_counterfactual_is_exact_for_the_steps_own_reward(reading: str, reward: str) -> None:
    found, variance = estimated(reading, estimator="counterfactual", reward=reward)
    assert off(found, getattr(exact(reading), f"own_{reward}")) < 0.01
    assert variance < 2


@ALL
def test_straight_through_is_the_gradient_of_the_mean_weights(reading: str) -> None:
    for reward in ("weighted", "unweighted"):
        preset = replace(READINGS[reading], reward=reward)
        net = net_of(preset)
        show(net, 2)
        problem = problem_of(net, preset)
        for i, (_, centres, stages, _) in enumerate(problem.sequences()):
            if i % 50 == 7:
                wanted = problem.straight_through(centres, unweighted=reward == "unweighted")
                assert off(gradient(net, preset, centres, stages), wanted) < 1e-4


# Of straight-through: the cosine with the gradient of the last error; of counterfactual: with that of the return.
COSINES = {
    "sum, 2D": (0.97, 0.90),
    "sum, D/2": (0.35, 0.95),
    "peak, 2D": (0.97, 0.75),
    "peak, D/2": (0.88, 0.93),
}


@ALL
def test_the_other_estimators_reach_their_cosine(reading: str) -> None:
    straight, _ = estimated(reading, reward="unweighted")
    counterfactual, _ = estimated(reading, estimator="counterfactual", reward="unweighted")
    wanted, (through, one_step) = exact(reading), COSINES[reading]
    assert cosine(straight, wanted.final) > through
    assert cosine(counterfactual, wanted.unweighted) > one_step


@pytest.mark.parametrize("reading", ["sum, 2D", "peak, 2D"])
def test_a_choice_is_credited_with_what_comes_after(reading: str) -> None:
    """The first choice's gradient less what its own reward alone gives is that of the later rewards."""
    wanted = exact(reading)
    later = (wanted.unweighted - wanted.own_unweighted)[:, 0]
    for settings, least in (({"estimator": "reinforce", "policy": "sample"}, 0.999), ({}, 0.85)):
        found, _ = estimated(reading, reward="unweighted", **settings)
        assert cosine(found[:, 0] - wanted.own_unweighted[:, 0], later) > least
    one_step, _ = estimated(reading, estimator="counterfactual", reward="unweighted")
    assert np.linalg.norm(one_step[:, 0] - wanted.own_unweighted[:, 0]) < 0.01 * np.linalg.norm(later)
