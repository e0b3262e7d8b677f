"""Eqs. (13), (14) and (18) by hand; the gradients are in test_gradients.py."""

from __future__ import annotations

import numpy as np
import pytest

from layers.common.errors import RarError
from layers.common.gamma import gamma_for_every_centre
from layers.common.schemes import SCHEME_5
from layers.reward import expected_reward, reinforce, rewards
from tests.layers.conftest import Array, forward, python_layer

STEPS = 3


@pytest.fixture
def shapes(rng: np.random.Generator, five_points: Array) -> Array:
    """s_hat_0 ... s_hat_T (T+1, N, L, 2), the error halved at each step."""
    error = rng.normal(scale=2, size=five_points.shape)
    return np.stack([five_points + error / 2**t for t in range(STEPS + 1)])


def layer_inputs(shape: Array, s_hat: Array, confidence: Array, centres: Array) -> dict[str, Array]:
    return {
        "shape": shape,
        **{f"s_hat_{t}": value.astype(np.float32) for t, value in enumerate(s_hat)},
        **{f"confidence_{t}": value[None].astype(np.float32) for t, value in enumerate(confidence)},
        **{f"centre_{t}": value[:, None].astype(np.float32) for t, value in enumerate(centres)},
    }


def test_reward_by_hand(shapes: Array, five_points: Array) -> None:
    reward = rewards(shapes, five_points, SCHEME_5)
    assert reward.shape == (STEPS, 2, 5)
    gamma = gamma_for_every_centre(shapes[:-1], SCHEME_5)
    for t, face, centre in np.ndindex(reward.shape):
        weights = gamma[t, face, centre][:, None]
        before = np.sum((weights * (five_points[face] - shapes[t, face])) ** 2)
        after = np.sum((weights * (five_points[face] - shapes[t + 1, face])) ** 2)
        assert reward[t, face, centre] == pytest.approx(before - after, rel=1e-5)


def test_a_better_shape_is_rewarded_and_a_worse_one_punished(shapes: Array, five_points: Array) -> None:
    assert (rewards(shapes, five_points, SCHEME_5) > 0).all()
    assert (rewards(shapes[::-1], five_points, SCHEME_5) < 0).all()


def test_the_expected_reward_of_a_cold_policy_is_that_of_its_argmax(
    rng: np.random.Generator, shapes: Array, five_points: Array
) -> None:
    eta, reward = 0.7, rewards(shapes, five_points, SCHEME_5)
    confidence = rng.uniform(-1, 1, reward.shape)
    chosen = np.take_along_axis(reward, confidence.argmax(-1)[..., None], -1)[..., 0]
    by_hand = sum(eta**t * chosen[t].mean() for t in range(STEPS))
    assert expected_reward(reward, confidence, eta, 1e-4)[0] == pytest.approx(by_hand)
    assert reinforce(reward, confidence, confidence.argmax(-1), eta, 1e-4)[0] == pytest.approx(by_hand)


def test_the_gradient_raises_what_earns_more_than_the_mean(shapes: Array, five_points: Array) -> None:
    reward = rewards(shapes, five_points, SCHEME_5)
    _, gradient = expected_reward(reward, np.zeros_like(reward), 1.0, 0.1)
    better = reward > reward.mean(-1, keepdims=True)
    np.testing.assert_array_equal(gradient > 0, better)


def test_the_layer_is_a_loss_minus_the_reward(rng: np.random.Generator, shapes: Array, five_points: Array) -> None:
    confidence = rng.uniform(-1, 1, (STEPS, 2, 5))
    centres = rng.integers(5, size=(STEPS, 2))
    inputs = layer_inputs(five_points, shapes, confidence, centres)
    reward = rewards(shapes, five_points, SCHEME_5)
    values = {
        "expected": expected_reward(reward, confidence, 0.9, 0.1)[0],
        "reinforce": reinforce(reward, confidence, centres, 0.9, 0.1)[0],
    }
    for estimator, value in values.items():
        layer = python_layer(
            "reward.AttentionRewardLayer", list(inputs), ["loss"],
            scheme="5", eta=0.9, temperature=0.1, estimator=estimator,
        )  # fmt: skip
        loss = float(forward(layer, inputs).blobs["loss"].data)
        assert loss < 0
        assert loss == pytest.approx(-value, rel=1e-4)


def test_wrong_bottoms_and_estimators_are_refused(shapes: Array, five_points: Array) -> None:
    inputs = layer_inputs(five_points, shapes, np.zeros((STEPS, 2, 5)), np.zeros((STEPS, 2)))
    fewer = list(inputs)[:-1]
    with pytest.raises(RarError, match="takes shape, T\\+1 shapes s_hat"):
        forward(python_layer("reward.AttentionRewardLayer", fewer, ["loss"], scheme="5"), inputs)
    with pytest.raises(RarError, match="estimator is one of"):
        forward(python_layer("reward.AttentionRewardLayer", list(inputs), ["loss"], estimator="exact"), inputs)
