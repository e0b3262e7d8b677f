"""What every landmark as the attention centre of a step would earn: the choices not taken, tried all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from layers.base import RarLayer, blobs
from layers.common.arrays import array_module, on_host
from layers.common.errors import RarError
from layers.common.gamma import GammaReading, gamma_for_every_centre
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray
from layers.reward import discounts

PARTS = ("input", "forget", "output", "candidate")  # of R-LSTM; the candidate sees no C


class RefinementState(NamedTuple):
    """What a step of R-LSTM starts from: phi (N, L, F), features that are not weighted yet; c, h (N, 2L)."""

    phi: FloatArray
    c: FloatArray
    h: FloatArray


def every_output(state: RefinementState, lstm: Sequence[FloatArray], weights: FloatArray) -> FloatArray:
    """h_{t+1} of R-LSTM, eqs. (3)-(8), for every centre: (N, centres, 2L).

    lstm: W and b of each of PARTS, in turn; weights (N, centres, L): what each centre's weights multiply phi^l by,
    eq. (16). W phi^l is worked out once for each landmark and mixed by the weights: all L centres cost about as much as
    one more product with W.
    """
    xp = array_module(state.phi)
    n, landmarks, features = state.phi.shape
    units = state.h.shape[-1]
    by_landmark = state.phi.transpose(1, 2, 0)  # (L, F, N)
    past = {False: xp.concatenate([state.c, state.h], -1), True: state.h}
    sums = []
    for part, (w, b) in zip(PARTS, zip(lstm[::2], lstm[1::2], strict=True), strict=True):
        before = past[part == "candidate"]
        width = before.shape[-1]
        share = w[:, width:].reshape(units, landmarks, features).transpose(1, 0, 2) @ by_landmark  # (L, units, N)
        sums.append(weights @ share.transpose(2, 0, 1) + (before @ w[:, :width].transpose() + b)[:, None])
    enter, forget, leave = (1 / (1 + xp.exp(-part)) for part in sums[:3])
    c = forget * state.c[:, None] + enter * xp.tanh(sums[3])
    h: FloatArray = leave * xp.tanh(c)
    return h


def every_next_shape(h: FloatArray, s_hat: FloatArray, gamma: FloatArray, alpha: float, *, twice: bool) -> FloatArray:
    """s_hat_{t+1} of every centre (N, centres, L, 2), eqs. (17) and (19), from h (N, centres, 2L).

    gamma: (N, centres, L); twice: (17) and (19) each apply it.
    """
    lever = alpha * (gamma**2 if twice else gamma)
    return np.asarray(s_hat[:, None] + lever[..., None] * h.reshape(*gamma.shape, 2))


class CounterfactualRewardLayer(RarLayer):
    """R_t(c), eq. (14), of every landmark c as the centre of step t, each with the shape that it would make.

    bottoms: phi_t (N, L, F) or flattened, not weighted; c_t, h_t of R-LSTM (1, N, 2L); s_hat_t (N, L, 2), px of the
    crop; shape S* (N, L, 2).  top: (N, L), px^2.
    Its eight blobs are R-LSTM's W and b of the input, forget and output gates and the candidate, shared by name.
    alpha, scale, kappa, width: as ShapeUpdateLayer, ReweightLayer and AttentionCentreLayer have them; even_weight as
    TrajectoryLayer. No gradient: ExpectedRewardLayer teaches the policy with it.
    """

    bottoms = ("phi", "c", "h", "s_hat", "shape")

    @dataclass(frozen=True)
    class Parameters:
        alpha: float
        scheme: str | dict[str, Any] = "68"
        scale: float = 1.0
        kappa: str = GammaReading.kappa
        width: float = GammaReading.width
        even_weight: float = 0.0

    def prepare(self, bottom: Any, top: Any) -> None:
        self.scheme = scheme(self.parameters.scheme)
        self.reading = GammaReading(self.parameters.kappa, self.parameters.width)
        n = bottom[0].shape[0]
        units, features = bottom[2].shape[2], bottom[0].count // n
        for part in PARTS:
            self.blobs.add_blob(units, features + (1 if part == "candidate" else 2) * units)
            self.blobs.add_blob(units)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [tuple(bottom[3].shape)[:2]]

    def forward(self, bottom: Any, top: Any) -> None:
        p, data, xp = self.parameters, self.memory.data, self.memory.xp
        s_hat, shape = bottom[3].data, bottom[4].data
        gamma = gamma_for_every_centre(s_hat, self.scheme, self.reading)
        phi = data(bottom[0]).reshape(*s_hat.shape[:2], -1)
        state = RefinementState(phi, data(bottom[1])[0], data(bottom[2])[0])
        h = on_host(every_output(state, [data(blob) for blob in blobs(self.blobs)], xp.asarray(p.scale * gamma)))
        after = every_next_shape(h, s_hat, gamma, p.alpha, twice=self.reading.twice)
        gain = ((shape - s_hat) ** 2).sum(-1)[:, None] - ((shape[:, None] - after) ** 2).sum(-1)
        top[0].data[...] = ((p.even_weight or gamma) ** 2 * gain).sum(-1)


class ExpectedRewardLayer(RarLayer):
    """-sum_t eta^t sum_c p_t(c) R_t(c), mean over the faces, px^2: the reward of (18) that each step's policy expects.

    bottoms: policy p_0 ... p_{T-1}, (N, L); reward R_0 ... R_{T-1} of CounterfactualRewardLayer, (N, L).
    top: the loss, a scalar. Gradient to the policies. What a choice does to later steps is not in it.
    """

    @dataclass(frozen=True)
    class Parameters:
        eta: float = 0.9

    def setup(self, bottom: Any, top: Any) -> None:
        """RarError for an odd number of bottoms."""
        self.steps, rest = divmod(len(bottom), 2)
        if rest or not self.steps:
            raise RarError("ExpectedRewardLayer takes T policies and T rewards")
        self.bottoms = (*("policy",) * self.steps, *("reward",) * self.steps)
        super().setup(bottom, top)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [()]

    def forward(self, bottom: Any, top: Any) -> None:
        policy, reward = (np.stack([blob.data for blob in half]) for half in self._halves(bottom))
        self.gradient = -discounts(self.steps, self.parameters.eta)[..., None] * reward / reward.shape[1]
        top[0].data[...] = (policy * self.gradient).sum()

    def _halves(self, bottom: Any) -> tuple[list[Any], list[Any]]:
        every = blobs(bottom)
        return every[: self.steps], every[self.steps :]

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        super().backward(top, propagate_down, bottom)
        for t in range(self.steps):
            if propagate_down[t]:
                bottom[t].diff[...] = float(top[0].diff) * self.gradient[t]
