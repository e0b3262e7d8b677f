"""RAR's recurrence in plain numpy, written from the paper's equations (3)-(8), (12), (15)-(17) and (19) alone.

One face, loops over landmarks and centres, float64: slow and obvious on purpose. It shares no code with layers/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray
LEFT_EYE, RIGHT_EYE = range(36, 42), range(42, 48)
FLOOR = 0.25


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


@dataclass
class Lstm:
    """Eqs. (3)-(8); weights[name] = (W, b) for "input", "forget", "output", "candidate"."""

    weights: Mapping[str, tuple[Array, Array]]
    c: Array
    h: Array

    def step(self, phi: Array) -> Array:
        def affine(name: str, x: Array) -> Array:
            w, b = self.weights[name]
            return w @ x + b

        gates = np.concatenate([self.c, self.h, phi])
        f = sigmoid(affine("forget", gates))
        i = sigmoid(affine("input", gates))
        o = sigmoid(affine("output", gates))
        candidate = np.tanh(affine("candidate", np.concatenate([self.h, phi])))
        self.c = f * self.c + i * candidate
        self.h = o * np.tanh(self.c)
        return self.h


def gamma(s_hat: Array, centre: int) -> Array:
    """Eq. (15)."""
    d = np.linalg.norm(s_hat[list(RIGHT_EYE)].mean(0) - s_hat[list(LEFT_EYE)].mean(0))
    weights = np.array([np.exp(-np.sum((point - s_hat[centre]) ** 2) / (2 * d) ** 2) for point in s_hat])
    return weights / weights.sum()


def features(deconv7: Array, s_hat: Array, window: int, mean: Array, variance: Array) -> Array:
    """phi^l (L, C): the maximum over the window round each landmark, clamped to the map; standardised."""
    channels, height, width = deconv7.shape
    reach = (window - 1) // 2
    phi = np.empty((len(s_hat), channels))
    for landmark, (x, y) in enumerate(np.rint(s_hat).astype(int)):
        columns = np.clip(np.arange(x - reach, x - reach + window), 0, width - 1)
        rows = np.clip(np.arange(y - reach, y - reach + window), 0, height - 1)
        phi[landmark] = deconv7[:, rows][:, :, columns].max(axis=(1, 2))
    return (phi - mean) / np.sqrt(variance + FLOOR)


def mean_shift(conv8: Array, s_hat: Array, radius: int) -> Array:
    """u^l (L, 2): the sum of p (place - landmark) over the places of the map within `radius` of the landmark's own."""
    shift = np.zeros(s_hat.shape)
    for landmark, scores in enumerate(conv8):
        p = np.exp(scores - scores.max())
        p /= p.sum()
        column, row = np.rint(s_hat[landmark])
        for y, x in np.ndindex(p.shape):
            if abs(x - column) <= radius and abs(y - row) <= radius:
                shift[landmark] += p[y, x] * (np.array([x, y]) - s_hat[landmark])
    return shift


@dataclass
class Trajectory:
    """Everything the recurrence did, a list entry per step."""

    s_hat: list[Array]
    confidence: list[Array] = field(default_factory=list)
    centre: list[int] = field(default_factory=list)
    gamma: list[Array] = field(default_factory=list)
    delta: list[Array] = field(default_factory=list)


def recurrence(
    deconv7: Array,
    s_hat_0: Array,
    a_lstm: Lstm,
    r_lstm: Lstm,
    *,
    steps: int,
    alpha: float,
    window: int,
    scale: float,
    mean: Array,
    variance: Array,
    conv8: Array,
    shift_radius: int,
    shift_scale: float,
) -> Trajectory:
    """s_hat_0 to s_hat_T. mean, variance (L, C): of the features, which the LSTMs see standardised.

    shift_radius: of the window of the mean shift, which with radius 0 is no feature.
    """
    run = Trajectory([s_hat_0])
    for _ in range(steps):
        s_hat = run.s_hat[-1]
        phi = scale * features(deconv7, s_hat, window, mean, variance)
        if shift_radius:
            phi = np.hstack([phi, scale * shift_scale * mean_shift(conv8, s_hat, shift_radius)])
        confidence = a_lstm.step(phi.ravel() / len(s_hat))
        centre = int(np.argmax(confidence))  # (12)
        weights = gamma(s_hat, centre)  # (15)
        h = r_lstm.step((weights[:, None] * phi).ravel())  # (16)
        delta = alpha * weights[:, None] * h.reshape(-1, 2)  # (17)
        run.confidence.append(confidence)
        run.centre.append(centre)
        run.gamma.append(weights)
        run.delta.append(delta)
        run.s_hat.append(s_hat + delta)  # (19)
    return run


def losses(run: Trajectory, shape: Array, eta: float, temperature: float) -> tuple[float, float]:
    """Eq. (18) for one face: the refinement losses (17) summed, and minus the expected attention reward (13), (14)."""
    refinement, reward = 0.0, 0.0
    for t, delta in enumerate(run.delta):
        before, after = shape - run.s_hat[t], shape - run.s_hat[t + 1]
        refinement += np.sum((run.gamma[t][:, None] * (delta - before)) ** 2)
        p = np.exp(run.confidence[t] / temperature)
        p /= p.sum()
        for centre in range(len(shape)):
            weights = gamma(run.s_hat[t], centre)[:, None]
            reward += eta**t * p[centre] * (np.sum((weights * before) ** 2) - np.sum((weights * after) ** 2))
    return refinement, -reward
