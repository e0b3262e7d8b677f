"""Eqs. (12) and (15): the centre and the weights around it."""

from __future__ import annotations

from typing import Any

import caffe
import numpy as np
import pytest

from layers.attention import draw, softmax
from layers.common.errors import RarError
from layers.common.gamma import GammaReading, gamma_for_centre, gamma_for_every_centre
from layers.common.schemes import SCHEME_5
from layers.common.shapes import affine_apply, pupil_distance
from tests.layers.conftest import Array, forward, python_layer


def run(
    confidence: Array, s_hat: Array, phase: int = caffe.TRAIN, others: dict[str, Array] | None = None, **parameters: Any
) -> tuple[Array, Array]:
    """Centres (N,) and Gamma (N, L) of the layer. others: bottoms beside the two that it always has."""
    inputs = {"confidence": confidence, "s_hat": s_hat, **(others or {})}
    layer = python_layer("attention.AttentionCentreLayer", list(inputs), ["centre", "gamma"], scheme="5", **parameters)
    net = forward(layer, inputs, phase)
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


@pytest.mark.parametrize("width", [2.0, 0.5])
def test_gamma_read_as_peak_is_1_at_its_centre(five_points: Array, width: float) -> None:
    reading = GammaReading("peak", width)
    every = gamma_for_every_centre(five_points.astype(np.float64), SCHEME_5, reading)
    np.testing.assert_array_equal(np.diagonal(every, axis1=1, axis2=2), 1)
    summed = gamma_for_every_centre(five_points.astype(np.float64), SCHEME_5, GammaReading("sum", width))
    np.testing.assert_allclose(every / every.sum(-1, keepdims=True), summed)
    one = gamma_for_centre(five_points, np.array([1, 4]), SCHEME_5, reading)
    np.testing.assert_allclose(one, every[[0, 1], [1, 4]], rtol=1e-5)
    d = pupil_distance(five_points.astype(np.float64), SCHEME_5)[0]
    distance = np.linalg.norm(five_points[0, 3] - five_points[0, 1])
    assert every[0, 1, 3] == pytest.approx(np.exp(-((distance / (width * d)) ** 2)), rel=1e-4)


@pytest.mark.parametrize("reading", ["sum", "peak"])
def test_even_weights_are_the_attentionless_ones(reading: str) -> None:
    assert GammaReading(reading).even(68) == {"sum": 1 / 68, "peak": 1}[reading]


@pytest.mark.parametrize("wrong", [("max", 2.0), ("sum", 0.0), ("peak", -1.0), ("sum", float("nan"))])
def test_a_reading_that_is_none_is_refused(wrong: tuple[str, float]) -> None:
    with pytest.raises(RarError, match="Gamma"):
        GammaReading(*wrong)


def test_the_layer_reads_gamma_as_it_is_told(confidence: Array, five_points: Array) -> None:
    centre, gamma = run(confidence, five_points, kappa="peak", width=0.8)
    wanted = gamma_for_centre(five_points, centre, SCHEME_5, GammaReading("peak", 0.8))
    np.testing.assert_allclose(gamma, wanted, rtol=1e-6)


def faces(numbers: Array) -> dict[str, Array]:
    """The bottom `face`."""
    return {"face": np.asarray(numbers, np.float32)[:, None]}


def test_draws_follow_the_probabilities() -> None:
    p = softmax(np.array([0.3, -0.2, 0.1, 0.25, -0.9]) / 0.2)
    drawn = draw(np.tile(p, (4000, 1)), [[0, i] for i in range(4000)])
    np.testing.assert_allclose(np.bincount(drawn, minlength=5) / 4000, p, atol=0.03)
    never = draw(np.tile([0.0, 0.5, 0.0, 0.5, 0.0], (400, 1)), [[1, i] for i in range(400)])
    assert set(never) == {1, 3}


def test_a_draw_is_its_faces_own(rng: np.random.Generator, five_points: Array) -> None:
    """By seed, face and step: the others of the batch do not matter, nor in testing what A-LSTM thinks."""
    shapes, confidence = np.repeat(five_points, 20, axis=0), rng.uniform(-1, 1, (1, 40, 5)).astype(np.float32)
    options: dict[str, Any] = {"policy": "random", "seed": 3, "step": 2}
    numbers = rng.integers(1 << 24, size=40)
    drawn, _ = run(confidence, shapes, caffe.TEST, faces(numbers), **options)
    order = rng.permutation(40)[:11]
    some, _ = run(confidence[:, order] / 2, shapes[order], caffe.TEST, faces(numbers[order]), **options)
    np.testing.assert_array_equal(some, drawn[order])
    for change in ({"seed": 4}, {"step": 3}):
        other, _ = run(confidence, shapes, caffe.TEST, faces(numbers), **{**options, **change})
        assert (other != drawn).any()
    twice, _ = run(confidence, shapes, caffe.TEST, faces(np.full(40, 7)), **options)
    assert len(set(twice)) == 1


def test_in_training_a_face_that_is_met_again_draws_anew(rng: np.random.Generator, five_points: Array) -> None:
    shapes, confidence = np.repeat(five_points, 20, axis=0), rng.uniform(-1, 1, (1, 40, 5)).astype(np.float32)
    drawn, _ = run(confidence, shapes, others=faces(np.full(40, 7)), policy="random")
    assert len(set(drawn)) == 5
    again, _ = run(confidence, shapes, others=faces(np.full(40, 7)), policy="random")
    np.testing.assert_array_equal(again, drawn)


def test_the_key_of_a_face_is_its_pixels_alone(rng: np.random.Generator) -> None:
    images = rng.normal(size=(4, 3, 8, 8)).astype(np.float32)

    def keys(data: Array) -> Array:
        layer = python_layer("attention.FaceKeyLayer", ["data"], ["face"])
        return np.asarray(forward(layer, {"data": data}).blobs["face"].data[:, 0])

    found = keys(images)
    assert len(set(found)) == 4 and found.max() < 1 << 24
    np.testing.assert_array_equal(keys(images[[2, 0]]), found[[2, 0]])
    np.testing.assert_array_equal(found, np.rint(found))


@pytest.mark.parametrize(("policy", "in_testing"), [("sample", False), ("stochastic", True)])
def test_centres_are_drawn_where_the_policy_says(
    rng: np.random.Generator, five_points: Array, policy: str, in_testing: bool
) -> None:
    shapes, confidence = np.repeat(five_points, 20, axis=0), rng.uniform(-1, 1, (1, 40, 5)).astype(np.float32)
    options: dict[str, Any] = {"policy": policy, "temperature": 5.0, "others": faces(np.arange(40))}
    best = confidence[0].argmax(-1)
    trained, gamma = run(confidence, shapes, **options)
    assert (trained != best).any()
    np.testing.assert_allclose(gamma, gamma_for_centre(shapes, trained, SCHEME_5), rtol=1e-6)
    tested, _ = run(confidence, shapes, caffe.TEST, **options)
    assert (tested != best).any() == in_testing


def test_a_random_centre_is_any_landmark_in_both_phases(rng: np.random.Generator, five_points: Array) -> None:
    shapes = np.repeat(five_points, 200, axis=0)
    confidence = rng.uniform(-1, 1, (1, 400, 5)).astype(np.float32)
    for phase in (caffe.TRAIN, caffe.TEST):
        drawn, gamma = run(confidence, shapes, phase, faces(np.arange(400)), policy="random")
        np.testing.assert_allclose(np.bincount(drawn, minlength=5) / 400, 0.2, atol=0.07)
        np.testing.assert_array_equal(gamma.argmax(-1), drawn)


@pytest.mark.parametrize("policy", ["argmax", "random", "stochastic"])
def test_no_centre_twice_running(rng: np.random.Generator, five_points: Array, policy: str) -> None:
    shapes, confidence = np.repeat(five_points, 20, axis=0), rng.uniform(-1, 1, (1, 40, 5)).astype(np.float32)
    best = confidence[0].argmax(-1)
    others = {**(faces(np.arange(40)) if policy != "argmax" else {}), "previous": best[:, None].astype(np.float32)}
    chosen, _ = run(confidence, shapes, others=others, policy=policy, no_repeat=True, temperature=1.0)
    assert (chosen != best).all()
    if policy == "argmax":
        np.testing.assert_array_equal(chosen, np.argsort(confidence[0])[:, -2])


def test_bottoms_that_do_not_fit_the_policy_are_refused(confidence: Array, five_points: Array) -> None:
    with pytest.raises(RarError, match="policy random takes the bottoms confidence, s_hat, face"):
        run(confidence, five_points, policy="random")
    with pytest.raises(RarError, match="policy argmax takes the bottoms confidence, s_hat, previous"):
        run(confidence, five_points, no_repeat=True)


def test_the_history_counts_choices(rng: np.random.Generator) -> None:
    before = rng.integers(3, size=(1, 2, 5)).astype(np.float32)
    layer = python_layer("history.CentreHistoryLayer", ["history", "centre"], ["next"])
    net = forward(layer, {"history": before, "centre": np.array([[4], [0]], np.float32)})
    change = net.blobs["next"].data - before
    np.testing.assert_array_equal(change[0], [[0, 0, 0, 0, 1], [1, 0, 0, 0, 0]])


def test_a_fixed_centre_stays(confidence: Array, five_points: Array) -> None:
    for phase in (caffe.TRAIN, caffe.TEST):
        centre, _ = run(confidence, five_points, phase, policy="fixed", fixed_centre=3)
        np.testing.assert_array_equal(centre, 3)


@pytest.mark.parametrize("wrong", [{"weighting": "gausian"}, {"policy": "greedy"}])
def test_unknown_choices_are_refused(confidence: Array, five_points: Array, wrong: dict[str, Any]) -> None:
    with pytest.raises(RarError, match="weighting is one of"):
        run(confidence, five_points, **wrong)


def test_no_gradient_passes(confidence: Array, five_points: Array) -> None:
    layer = python_layer("attention.AttentionCentreLayer", ["confidence", "s_hat"], ["centre", "gamma"], scheme="5")
    net = forward(layer, {"confidence": confidence, "s_hat": five_points})
    for blob in net.blobs.values():
        blob.diff[...] = 3
    net.backward()
    assert not net.blobs["confidence"].diff.any()
    assert not net.blobs["s_hat"].diff.any()
