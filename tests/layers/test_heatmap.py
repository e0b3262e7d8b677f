"""conv8's target blobs and the decoding of its maps to S_d."""

from __future__ import annotations

import numpy as np
import pytest

from layers.common import heatmaps
from layers.common.errors import RarError
from tests.layers.conftest import Array, forward, python_layer

SIZE = 40  # px of the drawn maps
SIGMA = 1.5


def drawn_maps(points: Array, sigma: float = SIGMA, height: float = 12.0) -> Array:
    """Scores (1, L, H, W) whose softmax is a Gaussian blob at each point on a floor of e^-height."""
    y, x = np.mgrid[:SIZE, :SIZE]
    squared = (x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2
    return np.maximum(-squared / (2 * sigma**2), -height)[None].astype(np.float32)


def test_decoding_is_accurate_below_a_pixel(rng: np.random.Generator) -> None:
    points = rng.uniform(6, SIZE - 7, (200, 2))
    s_d, peak, _ = heatmaps.decode(drawn_maps(points), radius=round(2 * SIGMA))
    error = np.linalg.norm(s_d[0] - points, axis=-1)
    assert error.max() < 0.12  # the maximum alone is off by 0.38 px in the mean
    assert error.mean() < 0.05
    assert (peak > 0.9).all()


def test_a_blob_at_the_border_is_decoded_inside_the_map() -> None:
    points = np.array([[0.0, 0.0], [SIZE - 1.0, 3.4], [17.0, SIZE - 1.0]])
    s_d, *_ = heatmaps.decode(drawn_maps(points), radius=3)
    assert (s_d >= 0).all() and (s_d <= SIZE - 1).all()
    assert np.abs(s_d[0] - points).max() < 1.2  # half a blob has its centroid inside


def test_confidence_tells_a_sharp_peak_from_a_flat_or_doubtful_map() -> None:
    sharp = drawn_maps(np.array([[20.0, 20.0]]), sigma=0.8, height=50)
    flat = np.zeros_like(sharp)
    two = np.maximum(drawn_maps(np.array([[8.0, 8.0]]), 0.8, 50), drawn_maps(np.array([[30.0, 30.0]]), 0.8, 50))
    _, peak, _ = heatmaps.decode(np.concatenate([sharp, flat, two]), radius=3)
    assert peak[0, 0] > 0.99
    assert peak[1, 0] < 2 * 7**2 / SIZE**2
    assert peak[2, 0] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("scale", [1e3, 1e5])
def test_maps_of_huge_scores_do_not_overflow(scale: float) -> None:
    maps = scale * drawn_maps(np.array([[11.0, 25.0]]))
    for shift in (0.0, 1e4, -1e4):
        s_d, peak, _ = heatmaps.decode((maps + shift).astype(np.float32), radius=3)
        np.testing.assert_allclose(s_d[0, 0], (11, 25), atol=1e-3)
        assert peak[0, 0] == pytest.approx(1)


def test_target_blobs_are_distributions_centred_on_the_landmark(five_points: Array) -> None:
    places, blob = heatmaps.target_blobs(five_points.astype(np.float64) * 2, SIGMA, SIZE, SIZE)
    maps = np.arange(places.shape[0] * places.shape[1]).reshape(*places.shape[:2], 1)
    np.testing.assert_array_equal(places // SIZE**2, np.broadcast_to(maps, places.shape))
    places = places % SIZE**2
    np.testing.assert_allclose(blob.sum(-1), 1)
    centroid = np.stack([(blob * (places % SIZE)).sum(-1), (blob * (places // SIZE)).sum(-1)], -1)
    np.testing.assert_allclose(centroid, five_points * 2, atol=0.05)


def test_a_landmark_outside_the_crop_has_no_target(five_points: Array) -> None:
    five_points[0, 0] = (-0.6, 5)
    five_points[0, 1] = (-0.4, 5)
    five_points[0, 2] = (3, 15.6)
    five_points[0, 3] = (1e30, 3)
    _, blob = heatmaps.target_blobs(five_points, 1.0, 16, 16)
    np.testing.assert_allclose(blob[0].sum(-1), (0, 1, 0, 0, 1), rtol=1e-6)


def test_decode_layer_equals_its_formula_and_leaves_conv8_alone(rng: np.random.Generator) -> None:
    scores = (4 * rng.normal(size=(2, 5, 16, 16))).astype(np.float32)
    s_d, peak, partition = heatmaps.decode(scores, radius=2)
    np.testing.assert_allclose(partition, np.log(np.exp(scores.astype(np.float64)).sum((2, 3))), rtol=1e-6)
    for tops in (["s_d", "peak"], ["conv8", "s_d", "peak"], ["conv8", "s_d", "peak", "log_partition"]):
        net = forward(python_layer("heatmap.HeatmapDecodeLayer", ["conv8"], tops, radius=2), {"conv8": scores})
        np.testing.assert_allclose(net.blobs["s_d"].data, s_d, rtol=1e-6)
        np.testing.assert_allclose(net.blobs["peak"].data, peak, rtol=1e-6)
        if len(tops) == 4:
            np.testing.assert_allclose(net.blobs["log_partition"].data, partition, rtol=1e-6)
        np.testing.assert_array_equal(net.blobs["conv8"].data, scores)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_an_error(bad: float) -> None:
    scores = np.zeros((1, 2, 8, 8), np.float32)
    scores[0, 1, 3, 4] = bad
    with pytest.raises(RarError, match="conv8 is not finite"):
        forward(python_layer("heatmap.HeatmapDecodeLayer", ["conv8"], ["s_d", "peak"], radius=2), {"conv8": scores})


def test_loss_of_a_perfect_map_is_the_entropy_of_the_blob(five_points: Array) -> None:
    places, blob = heatmaps.target_blobs(five_points, 1.0, 16, 16)
    q = np.zeros((2, 5, 256))
    np.put(q, places, blob)  # all windows lie inside the map, so no place is there twice
    scores = np.log(np.maximum(q, 1e-30)).reshape(2, 5, 16, 16).astype(np.float32)
    layer = python_layer("heatmap.SoftmaxRegressionLossLayer", ["conv8", "shape"], ["loss"], sigma=1.0)
    loss = float(forward(layer, {"conv8": scores, "shape": five_points}).blobs["loss"].data)
    entropy = -(q * np.log(np.maximum(q, 1e-30))).sum(-1).mean()
    assert loss == pytest.approx(entropy, rel=1e-4)
    flat = float(forward(layer, {"conv8": 0 * scores, "shape": five_points}).blobs["loss"].data)
    assert flat == pytest.approx(np.log(256), rel=1e-5)
