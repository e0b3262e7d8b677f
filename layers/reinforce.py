"""REINFORCE: the reward of sampled centres teaches A-LSTM by how likely they were, and nothing else."""

from __future__ import annotations

from typing import Any

import caffe
import numpy as np

from layers.common.arrays import AnyArray
from layers.common.shapes import FloatArray
from layers.reward import TrajectoryLayer, discounts, long_term_reward, rewards

MEMORY = 0.99  # of the baseline, by iteration


def returns(reward: FloatArray, eta: float) -> FloatArray:
    """What is earned from each step on, sum_{k >= t} eta^(k-t) R_k, (T, N), from the rewards (T, N)."""
    found = np.empty_like(reward)
    later = np.zeros_like(reward[0])
    for t in reversed(range(len(reward))):
        found[t] = later = reward[t] + eta * later
    return found


def reinforce_gradient(advantage: FloatArray, policy: FloatArray, centres: AnyArray, eta: float) -> FloatArray:
    """An estimate of d R_a / d p (T, N, L), mean over the faces: advantage_t eta^t d log p_t(c_t) / d p.

    advantage (T, N): the return from step t on, less a baseline that does not depend on the choice of step t; policy p
    (T, N, L); centres (T, N), drawn from p.
    """
    taken = np.take_along_axis(policy, centres[..., None], -1)
    share = discounts(len(policy), eta) * advantage / policy.shape[1]
    gradient = np.zeros_like(policy)
    by_p = share[..., None] / np.maximum(taken, np.finfo(taken.dtype).tiny)
    np.put_along_axis(gradient, centres[..., None], by_p, -1)
    return gradient


class ReinforceLayer(TrajectoryLayer):
    """-R_a of the centres drawn, eqs. (13), (14) and (18); mean over the faces, px^2.

    bottoms: shape S* (N, L, 2); s_hat_0 ... s_hat_T, (N, L, 2); gamma_0 ... gamma_{T-1}, (N, L); policy p_0 ...
    p_{T-1}, (N, L), from which the centres centre_0 ... centre_{T-1}, (N, 1), were drawn.  top: the loss -R_a.
    The estimate goes to the policies alone: R-LSTM has its own loss (17). A choice is credited with the return from its
    step on, less beta_t |S* - s_hat_t|^2: known before the choice, so that no bias comes of it. beta_t is the running
    regression of the return on it. Its sums are the layer's blob (2, T), kept in snapshots.
    """

    each = ("gamma", "policy", "centre")

    def prepare(self, bottom: Any, top: Any) -> None:
        self.blobs.add_blob(2, self.steps)
        self.blobs[0].data[...] = 0

    def forward(self, bottom: Any, top: Any) -> None:
        s_hat, shape, eta = self.shapes(bottom), bottom[0].data, self.parameters.eta
        reward = rewards(s_hat, shape, self.weights(bottom))
        top[0].data[...] = -long_term_reward(reward, eta)
        if self.phase != caffe.TRAIN:
            return
        earned, before = returns(reward, eta), ((shape - s_hat[:-1]) ** 2).sum((-1, -2))
        product, square = self.blobs[0].data
        beta = product / np.maximum(square, np.finfo(np.float32).tiny)
        centres = self.stacked(bottom, "centre")[..., 0].astype(int)
        advantage = earned - beta[:, None] * before
        self.gradient = reinforce_gradient(advantage, self.stacked(bottom, "policy"), centres, eta)
        sums = np.stack([(earned * before).mean(-1), (before**2).mean(-1)])
        self.blobs[0].data[...] = MEMORY * self.blobs[0].data + (1 - MEMORY) * sums

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        super().backward(top, propagate_down, bottom)
        first = self.place("policy").start
        for t in range(self.steps):
            if propagate_down[first + t]:
                bottom[first + t].diff[...] = -float(top[0].diff) * self.gradient[t]
