"""REINFORCE: returns, what a choice is credited with, and the baseline. That it is unbiased: tests/tools/model."""

from __future__ import annotations

from typing import Any

import caffe
import numpy as np
import pytest

from layers.reinforce import reinforce_gradient, returns
from layers.reward import rewards
from tests.layers.conftest import Array, forward, python_layer
from tools.model.gradient_check import layer_net

STEPS, ETA = 3, 0.8


@pytest.fixture
def inputs(rng: np.random.Generator, five_points: Array) -> dict[str, Array]:
    made = {
        "shape": five_points,
        **{f"s_hat_{t}": five_points + rng.normal(size=(2, 5, 2)) / (t + 1) for t in range(STEPS + 1)},
        **{f"gamma_{t}": rng.dirichlet(np.ones(5), 2) for t in range(STEPS)},
        **{f"policy_{t}": rng.dirichlet(np.full(5, 3.0), 2) for t in range(STEPS)},
        **{f"centre_{t}": rng.integers(5, size=(2, 1)) for t in range(STEPS)},
    }
    return {name: value.astype(np.float32) for name, value in made.items()}


def stacked(inputs: dict[str, Array], name: str, count: int) -> Array:
    return np.stack([inputs[f"{name}_{t}"] for t in range(count)]).astype(np.float64)


def layer(inputs: dict[str, Array]) -> Any:
    return python_layer("reinforce.ReinforceLayer", list(inputs), ["loss"], eta=ETA)


def test_returns_by_hand() -> None:
    found = returns(np.array([[1.0], [10.0], [100.0]]), 0.5)
    np.testing.assert_allclose(found[:, 0], [1 + 5 + 25, 10 + 50, 100])


def test_the_gradient_is_that_of_the_log_of_the_chosen(rng: np.random.Generator) -> None:
    policy, centres = rng.dirichlet(np.ones(5), (STEPS, 2)), rng.integers(5, size=(STEPS, 2))
    advantage = rng.normal(size=(STEPS, 2))
    found = reinforce_gradient(advantage, policy, centres, ETA)
    for t, face, landmark in np.ndindex(found.shape):
        chosen = landmark == centres[t, face]
        by_hand = ETA**t * advantage[t, face] / policy[t, face, landmark] / 2 if chosen else 0
        assert found[t, face, landmark] == pytest.approx(by_hand)


def test_the_loss_and_its_gradient(inputs: dict[str, Array]) -> None:
    """Without a baseline yet: minus the return. Only the policies learn."""
    net = forward(layer(inputs), inputs)
    reward = rewards(stacked(inputs, "s_hat", 4), inputs["shape"], stacked(inputs, "gamma", 3))
    assert float(net.blobs["loss"].data) == pytest.approx(-sum(ETA**t * reward[t].mean() for t in range(3)), rel=1e-4)
    net.blobs["loss"].diff[...] = 2
    net.backward()
    centres = stacked(inputs, "centre", 3)[..., 0].astype(int)
    wanted = -2 * reinforce_gradient(returns(reward, ETA), stacked(inputs, "policy", 3), centres, ETA)
    for t in range(STEPS):
        np.testing.assert_allclose(net.blobs[f"policy_{t}"].diff, wanted[t], rtol=1e-4, atol=1e-6)
    assert not [name for name in inputs if not name.startswith("policy") and net.blobs[name].diff.any()]


def test_the_baseline_learns_what_a_state_is_worth(rng: np.random.Generator, five_points: Array) -> None:
    """Faces whose steps take away a third of the error, big or small: soon nothing is left to explain."""
    names = ["shape", *(f"s_hat_{t}" for t in range(4))]
    names += [f"{name}_{t}" for name in ("gamma", "policy", "centre") for t in range(STEPS)]
    sizes = {"gamma": (2, 5), "policy": (2, 5), "centre": (2, 1)}
    empty = {name: np.zeros(sizes.get(name.rpartition("_")[0], (2, 5, 2)), np.float32) for name in names}
    net = layer_net(layer(empty), empty, caffe.TRAIN)
    for t in range(STEPS):
        net.blobs[f"gamma_{t}"].data[...] = net.blobs[f"policy_{t}"].data[...] = 0.2
    lengths = []
    for _ in range(30):
        error = rng.normal(scale=rng.uniform(0.5, 3), size=(2, 5, 2))
        net.blobs["shape"].data[...] = five_points
        for t in range(STEPS + 1):
            net.blobs[f"s_hat_{t}"].data[...] = five_points + error * (2 / 3) ** t
        net.forward()
        net.blobs["loss"].diff[...] = 1
        net.backward()
        lengths.append(np.linalg.norm([net.blobs[f"policy_{t}"].diff for t in range(STEPS)]) / (error**2).sum())
    assert max(lengths[1:]) < 0.01 * lengths[0]


def test_in_testing_nothing_is_learnt(inputs: dict[str, Array]) -> None:
    net = forward(layer(inputs), inputs, caffe.TEST)
    assert not net.params["layer"][0].data.any()
