"""Eqs. (13), (14) and (18) by hand; the gradients are in test_gradients.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layers.common.errors import RarError
from layers.reward import rewards
from tests.layers.conftest import Array, forward, python_layer

STEPS = 3


@pytest.fixture
def shapes(rng: np.random.Generator, five_points: Array) -> Array:
    """s_hat_0 ... s_hat_T (T+1, N, L, 2), the error halved at each step."""
    error = rng.normal(scale=2, size=five_points.shape)
    return np.stack([five_points + error / 2**t for t in range(STEPS + 1)])


@pytest.fixture
def gamma(rng: np.random.Generator) -> Array:
    return rng.dirichlet(np.ones(5), (STEPS, 2))


def layer_inputs(shape: Array, s_hat: Array, gamma: Array) -> dict[str, Array]:
    return {
        "shape": shape,
        **{f"s_hat_{t}": value.astype(np.float32) for t, value in enumerate(s_hat)},
        **{f"gamma_{t}": value.astype(np.float32) for t, value in enumerate(gamma)},
    }


def test_reward_by_hand(shapes: Array, five_points: Array, gamma: Array) -> None:
    reward = rewards(shapes, five_points, gamma)
    assert reward.shape == (STEPS, 2)
    for t, face in np.ndindex(reward.shape):
        weights = gamma[t, face][:, None]
        before = np.sum((weights * (five_points[face] - shapes[t, face])) ** 2)
        after = np.sum((weights * (five_points[face] - shapes[t + 1, face])) ** 2)
        assert reward[t, face] == pytest.approx(before - after, rel=1e-5)


def test_a_better_shape_is_rewarded_and_a_worse_one_punished(shapes: Array, five_points: Array, gamma: Array) -> None:
    assert (rewards(shapes, five_points, gamma) > 0).all()
    assert (rewards(shapes[::-1], five_points, gamma) < 0).all()


def loss(inputs: dict[str, Array], **parameters: Any) -> float:
    layer = python_layer("reward.AttentionRewardLayer", list(inputs), ["loss"], **parameters)
    return float(forward(layer, inputs).blobs["loss"].data)


def test_the_layer_is_minus_the_discounted_reward(shapes: Array, five_points: Array, gamma: Array) -> None:
    inputs, reward = layer_inputs(five_points, shapes, gamma), rewards(shapes, five_points, gamma)
    by_hand = sum(0.9**t * reward[t].mean() for t in range(STEPS))
    assert by_hand > 0
    assert loss(inputs, eta=0.9) == pytest.approx(-by_hand, rel=1e-4)


def test_unweighted_and_undiscounted_it_is_the_improvement_of_the_shape(
    shapes: Array, five_points: Array, gamma: Array
) -> None:
    """What lies between the first shape and the last does not matter: the sum telescopes."""
    squared = ((five_points - shapes[[0, -1]]) ** 2).sum((-1, -2)).mean(-1)
    found = loss(layer_inputs(five_points, shapes, gamma), eta=1.0, even_weight=0.2)
    assert found == pytest.approx(-0.04 * (squared[0] - squared[1]), rel=1e-4)


def test_wrong_bottoms_are_refused(shapes: Array, five_points: Array, gamma: Array) -> None:
    inputs = layer_inputs(five_points, shapes, gamma)
    fewer = list(inputs)[:-1]
    with pytest.raises(RarError, match="takes shape, T\\+1 shapes s_hat, and T each of gamma"):
        forward(python_layer("reward.AttentionRewardLayer", fewer, ["loss"]), inputs)
