"""Eq. (15): the distance-based weights Gamma around an attention centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layers.common.arrays import AnyArray
from layers.common.errors import RarError
from layers.common.schemes import Scheme
from layers.common.shapes import FloatArray, pupil_distance

SMALLEST_DISTANCE = 1.0  # px; keeps D_t of a collapsed shape from dividing by zero
READINGS = ("sum", "peak")


@dataclass(frozen=True)
class GammaReading:
    """How eq. (15) is read: gamma^l = kappa exp(-|s^l - s^c|^2 / (width D)^2), D the inter-pupil distance of s_hat.

    kappa: "sum" is 1 / sum_l, as printed: the weights of a step sum to 1. With it (17) and (19) would apply Gamma twice
    and move nothing, so it is applied once. "peak" is 1: the centre weighs 1, and (17) and (19) are taken as printed.
    width: 2 in the paper. RarError for another word, or a width that is not above 0.
    """

    kappa: str = "sum"
    width: float = 2.0

    def __post_init__(self) -> None:
        if self.kappa not in READINGS:
            raise RarError(f"Gamma is read as one of {', '.join(READINGS)}, not {self.kappa!r}")
        if not self.width > 0:
            raise RarError(f"the width of Gamma is above 0 inter-pupil distances, not {self.width}")

    @property
    def twice(self) -> bool:
        """Whether (17) and (19) each apply Gamma."""
        return self.kappa == "peak"

    def even(self, landmarks: int) -> float:
        """The weight of every landmark when all weigh alike: Sect. 4.4's gamma = 1, or its share of a sum of 1."""
        return 1.0 if self.twice else 1 / landmarks

    def weights(self, squared: FloatArray, distance: FloatArray) -> FloatArray:
        """Gamma from squared distances (..., L) to the centre and D (...), px."""
        width = self.width * np.maximum(distance, SMALLEST_DISTANCE)
        weights = np.exp(-squared / (width**2)[..., None])
        return np.asarray(weights if self.twice else weights / weights.sum(-1, keepdims=True))


PRINTED = GammaReading()


def gamma_for_every_centre(s_hat: FloatArray, scheme: Scheme, reading: GammaReading = PRINTED) -> FloatArray:
    """Weights (..., L, L) of shapes (..., L, 2), px: row c holds gamma^l for attention centre c."""
    offsets = s_hat[..., :, None, :] - s_hat[..., None, :, :]
    return reading.weights((offsets**2).sum(-1), pupil_distance(s_hat, scheme)[..., None])


def gamma_for_centre(
    s_hat: FloatArray, centre: AnyArray, scheme: Scheme, reading: GammaReading = PRINTED
) -> FloatArray:
    """Weights (N, L) for one attention centre (N,) of each shape (N, L, 2)."""
    offsets = s_hat - s_hat[np.arange(len(s_hat)), centre][:, None]
    return reading.weights(np.einsum("nlk,nlk->nl", offsets, offsets), pupil_distance(s_hat, scheme))
