"""The "history of selections" that Sect. 3.3 gives A-LSTM beside the features."""

from __future__ import annotations

from typing import Any

import numpy as np

from layers.base import RarLayer


class CentreHistoryLayer(RarLayer):
    """How often each landmark has been the centre so far.

    bottoms: history_t (1, N, L), 0 before the first step; centre_t (N, 1).  top: history_{t+1} (1, N, L).
    No gradient.
    """

    bottoms = ("history", "centre")

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [tuple(bottom[0].shape)]

    def forward(self, bottom: Any, top: Any) -> None:
        top[0].data[...] = bottom[0].data
        top[0].data[0, np.arange(bottom[1].shape[0]), bottom[1].data[:, 0].astype(int)] += 1
