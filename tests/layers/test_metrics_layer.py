"""The scalars that `caffe test` averages are those of layers.common.shapes."""

from __future__ import annotations

import numpy as np
import pytest

from layers.common.errors import RarError
from layers.common.schemes import SCHEME_68
from layers.common.shapes import corner_distance, normalised_mean_error, pupil_distance
from tests.layers.conftest import Array, forward, python_layer

TOPS = ["nme_pupil", "fr10", "nme_corner"]


@pytest.fixture
def shapes(rng: np.random.Generator) -> tuple[Array, Array]:
    """Three 68-point shapes found, their truths; errors of about 5, 9 and 20 %."""
    truth = rng.uniform(0, 64, (3, 68, 2))
    d = pupil_distance(truth, SCHEME_68)[:, None, None]
    found = truth + d * np.array([0.05, 0.09, 0.2])[:, None, None] * np.array([0.6, 0.8])
    return found.astype(np.float32), truth.astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_scalars_are_means_over_the_batch(shapes: tuple[Array, Array], count: int) -> None:
    found, truth = shapes
    layer = python_layer("metrics.MetricsLayer", ["s_hat", "shape"], TOPS[:count])
    net = forward(layer, {"s_hat": found, "shape": truth})
    expected = {
        "nme_pupil": 100 * normalised_mean_error(found, truth, pupil_distance(truth, SCHEME_68)).mean(),
        "fr10": 100 / 3,
        "nme_corner": 100 * normalised_mean_error(found, truth, corner_distance(truth, SCHEME_68)).mean(),
    }
    assert expected["nme_pupil"] == pytest.approx((5 + 9 + 20) / 3, rel=1e-3)
    for name in TOPS[:count]:
        assert tuple(net.blobs[name].shape) == ()
        assert float(net.blobs[name].data) == pytest.approx(expected[name], rel=1e-5)


def test_an_unknown_scheme_is_refused(shapes: tuple[Array, Array]) -> None:
    with pytest.raises(RarError):
        layer = python_layer("metrics.MetricsLayer", ["s_hat", "shape"], TOPS[:1], scheme="69")
        forward(layer, dict(zip(("s_hat", "shape"), shapes, strict=True)))
