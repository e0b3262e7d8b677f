"""Eq. (15): the distance-based weights Gamma around an attention centre."""

from __future__ import annotations

import numpy as np

from layers.common.schemes import Scheme
from layers.common.shapes import FloatArray, pupil_distance

SMALLEST_DISTANCE = 1.0  # px; keeps D_t of a collapsed shape from dividing by zero


def gamma_for_every_centre(s_hat: FloatArray, scheme: Scheme) -> FloatArray:
    """Weights (..., L, L): row c holds gamma^l = kappa exp(-|s^l - s^c|^2 / (2 D)^2) for attention centre c.

    s_hat: shapes (..., L, 2), px. D is the inter-pupil distance of s_hat; kappa makes each row sum to 1.
    """
    width = 2 * np.maximum(pupil_distance(s_hat, scheme), SMALLEST_DISTANCE)
    offsets = s_hat[..., :, None, :] - s_hat[..., None, :, :]
    weights = np.exp(-(offsets**2).sum(-1) / (width**2)[..., None, None])
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def gamma_for_centre(s_hat: FloatArray, centre: np.ndarray, scheme: Scheme) -> FloatArray:
    """Weights (N, L) for one attention centre (N,) of each shape (N, L, 2)."""
    width = 2 * np.maximum(pupil_distance(s_hat, scheme), SMALLEST_DISTANCE)
    offsets = s_hat - s_hat[np.arange(len(s_hat)), centre][:, None]
    weights = np.exp(-np.einsum("nlk,nlk->nl", offsets, offsets) / (width**2)[:, None])
    return np.asarray(weights / weights.sum(-1, keepdims=True))
