"""The mean shift of conv8 round each landmark: its formula, and what it is good for."""

from __future__ import annotations

import numpy as np
import pytest

from layers.common import heatmaps
from layers.common.errors import RarError
from tests.layers.conftest import Array, forward, python_layer
from tests.layers.test_heatmap import SIZE, drawn_maps

KIND, READS = "mean_shift.MeanShiftLayer", ["conv8", "log_partition", "s_hat"]


def one_by_one(scores: Array, s_hat: Array, radius: int) -> Array:
    """The sum of the docstring, place by place."""
    p = np.exp(scores - scores.max())
    p /= p.sum()
    shift = np.zeros(2)
    centre_x, centre_y = np.rint(s_hat)
    for y, x in np.ndindex(p.shape):
        if abs(x - centre_x) <= radius and abs(y - centre_y) <= radius:
            shift += p[y, x] * (np.array([x, y]) - s_hat)
    return shift


@pytest.mark.parametrize("in_place", [False, True])
def test_the_layer_equals_its_formula(in_place: bool, rng: np.random.Generator) -> None:
    scores = 3 * rng.normal(size=(2, 4, 9, 11)).astype(np.float32)
    s_hat = rng.uniform(-2, 12, size=(2, 4, 2)).astype(np.float32)
    inputs = {"conv8": scores, "log_partition": heatmaps.log_partition(scores), "s_hat": s_hat}
    net = forward(python_layer(KIND, READS, ["conv8", "u"] if in_place else ["u"], radius=2), inputs)
    for face, landmark in np.ndindex(2, 4):
        wanted = one_by_one(scores[face, landmark].astype(np.float64), s_hat[face, landmark].astype(np.float64), 2)
        np.testing.assert_allclose(net.blobs["u"].data[face, landmark], wanted, atol=1e-5)
    np.testing.assert_array_equal(net.blobs["conv8"].data, scores)


def test_it_points_to_the_peak_and_vanishes_there_and_far_away() -> None:
    peak = np.array([20.3, 17.8])
    scores = drawn_maps(peak[None], height=50)

    def shift(away: tuple[float, float]) -> Array:
        found, _ = heatmaps.mean_shift(scores, heatmaps.log_partition(scores), (peak + away)[None, None], 6)
        return np.asarray(found[0, 0])

    np.testing.assert_allclose(shift((0, 0)), 0, atol=0.02)
    np.testing.assert_allclose(shift((1.5, -1.0)), (-1.5, 1.0), atol=0.05)
    np.testing.assert_allclose(shift((14, 14)), 0, atol=1e-3)


def test_landmarks_far_off_the_map_have_none() -> None:
    scores = drawn_maps(np.array([[20.0, 20.0]]))
    s_hat = np.array([[[1e9, -1e9]]])
    found, mass = heatmaps.mean_shift(scores, heatmaps.log_partition(scores), s_hat, 3)
    assert not found.any() and not mass.any()
    assert scores.shape == (1, 1, SIZE, SIZE)


def test_a_window_of_nothing_is_an_error() -> None:
    inputs = {"conv8": np.zeros((1, 1, 4, 4)), "log_partition": np.zeros((1, 1)), "s_hat": np.zeros((1, 1, 2))}
    with pytest.raises(RarError, match="MeanShiftLayer: the radius is at least 1 px"):
        forward(python_layer(KIND, READS, ["u"], radius=0), inputs)
