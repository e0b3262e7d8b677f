"""Eq. (16)."""

from __future__ import annotations

import numpy as np

from tests.layers.conftest import Array, forward, python_layer


def reweighted(phi: Array, gamma: Array, **parameters: float) -> Array:
    layer = python_layer("reweight.ReweightLayer", ["phi", "gamma"], ["r_phi"], **parameters)
    return np.asarray(forward(layer, {"phi": phi, "gamma": gamma}).blobs["r_phi"].data)


def test_each_landmarks_features_times_its_weight(rng: np.random.Generator) -> None:
    phi, gamma = (rng.normal(size=size).astype(np.float32) for size in ((2, 5, 3), (2, 5)))
    out = reweighted(phi, gamma)
    assert out.shape == (1, 2, 15)
    for face in range(2):
        by_hand = np.concatenate([gamma[face, landmark] * phi[face, landmark] for landmark in range(5)])
        np.testing.assert_allclose(out[0, face], by_hand, rtol=1e-6)
    np.testing.assert_allclose(reweighted(phi, gamma, scale=3.0), 3 * out, rtol=1e-6)


def test_uniform_weights_divide_by_the_number_of_landmarks(rng: np.random.Generator) -> None:
    phi = rng.normal(size=(1, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(reweighted(phi, np.full((1, 5), 0.2, np.float32)).reshape(5, 4), phi[0] / 5, rtol=1e-6)
