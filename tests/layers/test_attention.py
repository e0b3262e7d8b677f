"""Eqs. (12) and (15): the centre and the weights around it."""

from __future__ import annotations

from typing import Any

import caffe
import numpy as np
import pytest

from layers.attention import sample_centres, softmax
from layers.common.errors import RarError
from layers.common.gamma import gamma_for_centre, gamma_for_every_centre
from layers.common.schemes import SCHEME_5
from layers.common.shapes import affine_apply, pupil_distance
from tests.layers.conftest import Array, forward, python_layer


def run(confidence: Array, s_hat: Array, phase: int = caffe.TRAIN, **parameters: Any) -> tuple[Array, Array]:
    """Centres (N,) and Gamma (N, L) of the layer."""
    layer = python_layer(
        "attention.AttentionCentreLayer", ["confidence", "s_hat"], ["centre", "gamma"], scheme="5", **parameters
    )
    net = forward(layer, {"confidence": confidence, "s_hat": s_hat}, phase)
    return net.blobs["centre"].data[:, 0].astype(int), net.blobs["gamma"].data.copy()


@pytest.fixture
def confidence(rng: np.random.Generator) -> Array:
    return rng.uniform(-1, 1, (1, 2, 5)).astype(np.float32)


def test_centre_is_the_most_confident_landmark(confidence: Array, five_points: Array) -> None:
    confidence[0, 0, 3] = confidence[0, 1, 1] = 1.5
    for phase in (caffe.TRAIN, caffe.TEST):
        centre, gamma = run(confidence, five_points, phase)
        np.testing.assert_array_equal(centre, (3, 1))
        np.testing.assert_array_equal(gamma.argmax(-1), centre)


def test_gamma_by_hand(five_points: Array) -> None:
    d = pupil_distance(five_points.astype(np.float64), SCHEME_5)
    gamma = gamma_for_centre(five_points, np.array([2, 4]), SCHEME_5)
    for face, centre in enumerate((2, 4)):
        distance = np.linalg.norm(five_points[face] - five_points[face, centre], axis=-1)
        weights = np.exp(-((distance / (2 * d[face])) ** 2))
        np.testing.assert_allclose(gamma[face], weights / weights.sum(), rtol=1e-5)


def test_gamma_sums_to_one_and_is_largest_at_its_centre(five_points: Array) -> None:
    every = gamma_for_every_centre(five_points, SCHEME_5)
    np.testing.assert_allclose(every.sum(-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(every.argmax(-1), np.broadcast_to(np.arange(5), (2, 5)))
    for centre in range(5):
        one = gamma_for_centre(five_points, np.full(2, centre), SCHEME_5)
        np.testing.assert_allclose(one, every[:, centre], rtol=1e-6)


def test_gamma_does_not_depend_on_the_size_of_the_face(five_points: Array) -> None:
    turned = affine_apply(np.array([[3.0, -2.0, 9.0], [2.0, 3.0, -7.0]]), five_points)
    np.testing.assert_allclose(
        gamma_for_every_centre(turned, SCHEME_5), gamma_for_every_centre(five_points, SCHEME_5), rtol=1e-4
    )


def test_gamma_of_a_collapsed_shape_is_finite() -> None:
    np.testing.assert_allclose(gamma_for_every_centre(np.full((1, 5, 2), 7.0), SCHEME_5), 0.2)


@pytest.mark.parametrize(("weighting", "value"), [("ones", 1.0), ("uniform", 0.2)])
def test_weights_without_attention(confidence: Array, five_points: Array, weighting: str, value: float) -> None:
    _, gamma = run(confidence, five_points, weighting=weighting)
    np.testing.assert_allclose(gamma, value)


def test_sampling_follows_the_policy(rng: np.random.Generator) -> None:
    scores = np.array([0.3, -0.2, 0.1, 0.25, -0.9])
    expected = softmax(scores / 0.2)
    # A draw depends on the confidences, so many draws want many slightly different ones.
    many = scores + rng.normal(scale=1e-6, size=(4000, 5))
    drawn = np.bincount(sample_centres(many.astype(np.float32), 0.2, seed=0), minlength=5) / 4000
    np.testing.assert_allclose(drawn, expected, atol=0.03)


def test_sampling_repeats_itself(confidence: Array) -> None:
    many = np.repeat(confidence[0], 50, axis=0)
    first = sample_centres(many, 1.0, seed=4)
    np.testing.assert_array_equal(first, sample_centres(many.copy(), 1.0, seed=4))
    assert (first != sample_centres(many, 1.0, seed=5)).any()


def test_centres_are_sampled_in_training_only(rng: np.random.Generator, five_points: Array) -> None:
    shapes = np.repeat(five_points, 20, axis=0)
    confidence = rng.uniform(-1, 1, (1, 40, 5)).astype(np.float32)
    options: dict[str, Any] = {"policy": "sample", "temperature": 5.0, "seed": 2}
    sampled, gamma = run(confidence, shapes, **options)
    np.testing.assert_array_equal(sampled, sample_centres(confidence[0], 5.0, 2))
    np.testing.assert_allclose(gamma, gamma_for_centre(shapes, sampled, SCHEME_5), rtol=1e-6)
    tested, _ = run(confidence, shapes, caffe.TEST, **options)
    np.testing.assert_array_equal(tested, confidence[0].argmax(-1))
    assert (sampled != tested).any()


def test_a_random_centre_is_any_landmark_in_both_phases(rng: np.random.Generator, five_points: Array) -> None:
    shapes = np.repeat(five_points, 200, axis=0)
    confidence = rng.uniform(-1, 1, (1, 400, 5)).astype(np.float32)
    for phase in (caffe.TRAIN, caffe.TEST):
        drawn, gamma = run(confidence, shapes, phase, policy="random")
        np.testing.assert_allclose(np.bincount(drawn, minlength=5) / 400, 0.2, atol=0.07)
        np.testing.assert_array_equal(gamma.argmax(-1), drawn)
    again, _ = run(confidence, shapes, policy="random", seed=3)
    assert (again != drawn).any()


def test_a_fixed_centre_stays(confidence: Array, five_points: Array) -> None:
    for phase in (caffe.TRAIN, caffe.TEST):
        centre, _ = run(confidence, five_points, phase, policy="fixed", fixed_centre=3)
        np.testing.assert_array_equal(centre, 3)


@pytest.mark.parametrize("wrong", [{"weighting": "gausian"}, {"policy": "greedy"}])
def test_unknown_choices_are_refused(confidence: Array, five_points: Array, wrong: dict[str, Any]) -> None:
    with pytest.raises(RarError, match="weighting is one of"):
        run(confidence, five_points, **wrong)


def test_no_gradient_passes(confidence: Array, five_points: Array) -> None:
    layer = python_layer(
        "attention.AttentionCentreLayer", ["confidence", "s_hat"], ["centre", "gamma"], scheme="5"
    )
    net = forward(layer, {"confidence": confidence, "s_hat": five_points})
    for blob in net.blobs.values():
        blob.diff[...] = 3
    net.backward()
    assert not net.blobs["confidence"].diff.any()
    assert not net.blobs["s_hat"].diff.any()
