"""A net's steps run one at a time, with attention centres that are chosen from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from layers.common.gamma import gamma_for_centre, gamma_for_every_centre
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray
from layers.counterfactual import PARTS, RefinementState, every_next_shape, every_output
from tools.model.presets import Preset


class Choice(NamedTuple):
    """What is known when the centre of step t is to be chosen.

    t; s_hat (N, L, 2), px; confidence (N, L), A-LSTM's; centre (N,), the one that the net itself has chosen.
    """

    t: int
    s_hat: FloatArray
    confidence: FloatArray
    centre: np.ndarray


Chooser = Callable[[Choice], np.ndarray]


class GuidedSteps:
    """The recurrence of a deploy net or a training net of `preset`, whose weights are loaded.

    `begin` runs the CNN and the start; `run` may follow it any number of times.
    """

    def __init__(self, net: Any, preset: Preset) -> None:
        self.net, self.preset, self._scheme = net, preset, scheme(preset.scheme)
        producers: dict[str, int] = {}
        for i, name in enumerate(net._layer_names):
            for top in net.top_names[name]:
                producers.setdefault(top, i)
        self._made = producers

    def begin(self) -> None:
        """Everything before the first step, for what the net's inputs hold."""
        self.net._forward(0, self._before(0))

    def run(self, choose: Chooser | None = None, *, even: bool = False) -> tuple[FloatArray, np.ndarray, FloatArray]:
        """All steps, with choose(Choice) (N,) as the centres, or the net's own; even: all landmarks weigh alike.

        Returns s_hat_0 ... s_hat_T (T+1, N, L, 2), the centres (T, N) and Gamma_0 ... Gamma_{T-1} (T, N, L).
        """
        stages, centres, weights = [self._data("s_hat_0").copy()], [], []
        for t in range(self.preset.steps):
            self.net._forward(self._before(t) + 1, self._made[f"centre_{t}"])
            own = self._data(f"centre_{t}")[:, 0].astype(int)
            now = Choice(t, self._data(f"s_hat_{t}"), self._data(f"a_lstm_h_{t + 1}")[0], own)
            centre = choose(now) if choose else now.centre
            self._data(f"centre_{t}")[:, 0] = centre
            if even:
                self._data(f"gamma_{t}")[...] = self.preset.reading.even(self.preset.landmarks)
            elif choose and self.preset.weighting == "gaussian":
                self._data(f"gamma_{t}")[...] = gamma_for_centre(now.s_hat, centre, self._scheme, self.preset.reading)
            self.net._forward(self._made[f"centre_{t}"] + 1, self._before(t + 1))
            stages.append(self._data(f"s_hat_{t + 1}").copy())
            centres.append(np.array(centre))
            weights.append(self._data(f"gamma_{t}").copy())
        return np.stack(stages), np.stack(centres), np.stack(weights)

    def every_next_shape(self, t: int) -> FloatArray:
        """s_hat_{t+1} of every landmark as the centre of step t (N, centres, L, 2), px; for a Chooser to call."""
        gamma, s_hat = self.every_gamma(t), self._data(f"s_hat_{t}")
        phi = self._data(self.net.bottom_names[f"r_phi_{t}"][0]).reshape(*s_hat.shape[:2], -1)
        state = RefinementState(phi, *(self._data(f"r_lstm_{part}_{t}")[0] for part in "ch"))
        lstm = [blob.data for part in PARTS for blob in self.net.params[f"r_lstm_{part}_0"]]
        h = every_output(state, lstm, self.preset.feature_scale * gamma)
        return every_next_shape(h, s_hat, gamma, self.preset.alpha, twice=self.preset.reading.twice)

    def every_gamma(self, t: int) -> FloatArray:
        """Gamma_t of every centre, (N, centres, L)."""
        return gamma_for_every_centre(self._data(f"s_hat_{t}"), self._scheme, self.preset.reading)

    def _before(self, t: int) -> int:
        """The last layer before step t; before step T the last of all, so that a training net's losses are run."""
        return self._made[f"pooled_{t}"] - 1 if t < self.preset.steps else len(self.net._layer_names) - 1

    def _data(self, name: str) -> Any:
        return self.net.blobs[name].data
