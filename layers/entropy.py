"""An entropy bonus for A-LSTM's policy: ours, against its collapse onto one landmark."""

from __future__ import annotations

from typing import Any

import numpy as np

from layers.base import RarLayer, blobs


class PolicyEntropyLayer(RarLayer):
    """-sum_t H(p_t) = sum_t sum_c p_t(c) log p_t(c), mean over the faces, nats: as a loss it keeps choices open.

    bottoms: policy p_0 ... p_{T-1}, each (N, L).  top: a scalar. Gradient to the policies.
    """

    def setup(self, bottom: Any, top: Any) -> None:
        """Any number of steps."""
        self.bottoms = ("policy",) * len(bottom)
        super().setup(bottom, top)

    def top_shapes(self, bottom: Any, top: Any) -> list[tuple[int, ...]]:
        return [()]

    def forward(self, bottom: Any, top: Any) -> None:
        policy = np.stack([blob.data for blob in blobs(bottom)])
        self.log = np.log(np.maximum(policy, np.finfo(policy.dtype).tiny))
        top[0].data[...] = (policy * self.log).sum() / policy.shape[1]

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        for t, (blob, wanted) in enumerate(zip(blobs(bottom), propagate_down, strict=True)):
            if wanted:
                blob.diff[...] = float(top[0].diff) * (1 + self.log[t]) / blob.shape[0]
