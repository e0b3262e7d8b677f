"""Eqs. (17) and (19) by hand; their gradients are in test_gradients.py."""

from __future__ import annotations

import numpy as np
import pytest

from layers.refinement import refinement_loss
from tests.layers.conftest import Array, forward, python_layer

ALPHA = 128.0


def update(h: Array, gamma: Array, s_hat: Array, **parameters: object) -> tuple[Array, Array]:
    layer = python_layer(
        "refinement.ShapeUpdateLayer", ["h", "gamma", "s_hat"], ["delta", "next"], alpha=ALPHA, **parameters
    )
    net = forward(layer, {"h": h, "gamma": gamma, "s_hat": s_hat})
    return net.blobs["delta"].data, net.blobs["next"].data


@pytest.fixture
def h(rng: np.random.Generator) -> Array:
    return rng.uniform(-1, 1, (1, 2, 10)).astype(np.float32)


@pytest.fixture
def gamma(rng: np.random.Generator) -> Array:
    return rng.dirichlet(np.ones(5), 2).astype(np.float32)


def test_update_by_hand(h: Array, gamma: Array, five_points: Array) -> None:
    """h holds x and y of landmark 0, then of landmark 1, ...; alpha is in px."""
    delta, after = update(h, gamma, five_points)
    for face, landmark in np.ndindex(2, 5):
        step = ALPHA * gamma[face, landmark] * h[0, face, 2 * landmark : 2 * landmark + 2]
        np.testing.assert_allclose(delta[face, landmark], step, rtol=1e-5)
        np.testing.assert_allclose(after[face, landmark], five_points[face, landmark] + step, rtol=1e-5)


def test_gamma_twice_is_eq_19_to_the_letter(h: Array, gamma: Array, five_points: Array) -> None:
    delta, after = update(h, gamma, five_points, gamma_twice=True)
    np.testing.assert_allclose(delta, update(h, gamma, five_points)[0])
    np.testing.assert_allclose(after, five_points + gamma[..., None] * delta, rtol=1e-5)


def test_once_and_twice_differ_as_the_readings_say() -> None:
    """68 landmarks, uniform weights, h = 1: a step of alpha/68 = 1.9 px, and of alpha/68^2 = 0.03 px (0.06 at most)."""
    h, gamma = np.ones((1, 1, 136), np.float32), np.full((1, 68), 1 / 68, np.float32)
    s_hat = np.zeros((1, 68, 2), np.float32)
    assert update(h, gamma, s_hat)[1].max() == pytest.approx(1.88, abs=0.01)
    assert update(h, gamma, s_hat, gamma_twice=True)[1].max() == pytest.approx(0.028, abs=0.001)


def test_loss_by_hand(rng: np.random.Generator, gamma: Array, five_points: Array) -> None:
    delta = rng.normal(size=(2, 5, 2)).astype(np.float32)
    s_hat = five_points + rng.normal(size=(2, 5, 2)).astype(np.float32)
    by_hand = 0.0
    for face, landmark in np.ndindex(2, 5):
        wanted = five_points[face, landmark] - s_hat[face, landmark]
        by_hand += gamma[face, landmark] ** 2 * np.sum((delta[face, landmark] - wanted) ** 2) / 2
    names = ["delta", "s_hat", "shape", "gamma"]
    inputs = dict(zip(names, (delta, s_hat, five_points, gamma), strict=True))
    loss = forward(python_layer("refinement.RefinementLossLayer", names, ["loss"]), inputs).blobs["loss"].data
    assert float(loss) == pytest.approx(by_hand, rel=1e-5)


def test_a_step_onto_the_truth_costs_nothing(gamma: Array, five_points: Array) -> None:
    s_hat = five_points + np.float32(3)
    assert refinement_loss(five_points - s_hat, s_hat, five_points, gamma) == pytest.approx(0, abs=1e-9)
    assert refinement_loss(np.zeros_like(s_hat), s_hat, five_points, gamma) > 0.1
