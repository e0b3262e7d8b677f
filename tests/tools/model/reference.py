"""RAR's recurrence in plain numpy, written from the paper's equations (3)-(8), (12)-(17) and (19) alone.

One face, loops over landmarks and centres, float64: slow and obvious on purpose. It shares no code with layers/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

Array = np.ndarray
EYES = {5: ([0], [1]), 68: (list(range(36, 42)), list(range(42, 48)))}  # by the number of landmarks
FLOOR = 0.25


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Array:
    p = np.exp(x - x.max())
    return np.asarray(p / p.sum())


@dataclass
class Lstm:
    """Eqs. (3)-(8); weights[name] = (W, b) for "input", "forget", "output", "candidate"."""

    weights: Mapping[str, tuple[Array, Array]]
    c: Array
    h: Array

    def step(self, phi: Array) -> Lstm:
        """The LSTM after one more input; this one stays."""

        def affine(name: str, x: Array) -> Array:
            w, b = self.weights[name]
            return w @ x + b

        gates = np.concatenate([self.c, self.h, phi])
        f = sigmoid(affine("forget", gates))
        i = sigmoid(affine("input", gates))
        o = sigmoid(affine("output", gates))
        candidate = np.tanh(affine("candidate", np.concatenate([self.h, phi])))
        c = f * self.c + i * candidate
        return replace(self, c=c, h=o * np.tanh(c))


def gamma(s_hat: Array, centre: int, kappa: str, width: float) -> Array:
    """Eq. (15), kappa as `sum` or `peak` read it."""
    left, right = EYES[len(s_hat)]
    d = np.linalg.norm(s_hat[right].mean(0) - s_hat[left].mean(0))
    weights = np.array([np.exp(-np.sum((point - s_hat[centre]) ** 2) / (width * d) ** 2) for point in s_hat])
    return weights if kappa == "peak" else weights / weights.sum()


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


def over_places(conv8: Array) -> Array:
    """The softmax over places of every map (L, H, W)."""
    return np.stack([softmax(scores.ravel()).reshape(scores.shape) for scores in conv8])


def mean_shift(probabilities: Array, s_hat: Array, radius: int) -> Array:
    """u^l (L, 2): the sum of p (place - landmark) over the places of the map within `radius` of the landmark's own."""
    shift = np.zeros(s_hat.shape)
    height, width = probabilities.shape[1:]
    for landmark, p in enumerate(probabilities):
        column, row = np.rint(s_hat[landmark]).astype(int)
        for y in range(max(row - radius, 0), min(row + radius + 1, height)):
            for x in range(max(column - radius, 0), min(column + radius + 1, width)):
                shift[landmark] += p[y, x] * (np.array([x, y]) - s_hat[landmark])
    return shift


@dataclass(frozen=True)
class Recurrence:
    """One face's maps and the settings of the steps.

    probabilities (L, H, W): of conv8's maps, over_places. mean, variance (L, C): of the features, which the LSTMs see
    standardised. shift_radius: of the window of the mean shift, which with radius 0 is no feature. kappa, width: of
    Gamma; with "peak" it is applied twice.
    """

    deconv7: Array
    probabilities: Array
    steps: int
    alpha: float
    window: int
    scale: float
    attention_scale: float
    mean: Array
    variance: Array
    shift_radius: int
    shift_scale: float
    kappa: str = "sum"
    width: float = 2.0

    def phi(self, s_hat: Array) -> Array:
        """(L, F), not weighted."""
        found = features(self.deconv7, s_hat, self.window, self.mean, self.variance)
        if not self.shift_radius:
            return found
        return np.hstack([found, self.shift_scale * mean_shift(self.probabilities, s_hat, self.shift_radius)])

    def look(self, a_lstm: Lstm, phi: Array) -> Lstm:
        """A-LSTM's step; its h are the confidences of (12)."""
        return a_lstm.step(self.attention_scale * phi.ravel() / len(phi))

    def move(self, r_lstm: Lstm, phi: Array, s_hat: Array, weights: Array) -> tuple[Lstm, Array, Array]:
        """R-LSTM's step, (16), (17) and (19): the LSTM after it, Delta_R and s_hat_{t+1}."""
        after = r_lstm.step((self.scale * weights[:, None] * phi).ravel())
        delta = self.alpha * weights[:, None] * after.h.reshape(-1, 2)
        return after, delta, s_hat + (weights[:, None] * delta if self.kappa == "peak" else delta)

    def gamma(self, s_hat: Array, centre: int) -> Array:
        return gamma(s_hat, centre, self.kappa, self.width)


@dataclass
class Trajectory:
    """Everything the recurrence did, a list entry per step."""

    s_hat: list[Array]
    confidence: list[Array] = field(default_factory=list)
    centre: list[int] = field(default_factory=list)
    gamma: list[Array] = field(default_factory=list)
    delta: list[Array] = field(default_factory=list)


def recurrence(given: Recurrence, s_hat_0: Array, a_lstm: Lstm, r_lstm: Lstm) -> Trajectory:
    """s_hat_0 to s_hat_T with the centres of (12)."""
    run = Trajectory([s_hat_0])
    for _ in range(given.steps):
        s_hat = run.s_hat[-1]
        phi = given.phi(s_hat)
        a_lstm = given.look(a_lstm, phi)
        centre = int(np.argmax(a_lstm.h))  # (12)
        weights = given.gamma(s_hat, centre)
        r_lstm, delta, after = given.move(r_lstm, phi, s_hat, weights)
        run.confidence.append(a_lstm.h)
        run.centre.append(centre)
        run.gamma.append(weights)
        run.delta.append(delta)
        run.s_hat.append(after)
    return run


def reward(before: Array, after: Array, shape: Array, weights: Array) -> float:
    """Eq. (14)."""
    return float(np.sum((weights[:, None] * (shape - before)) ** 2) - np.sum((weights[:, None] * (shape - after)) ** 2))


def losses(run: Trajectory, shape: Array, eta: float) -> tuple[float, float]:
    """Eq. (18) for one face: the refinement losses (17) summed, and minus the attention reward (13), (14)."""
    refinement, earned = 0.0, 0.0
    for t, delta in enumerate(run.delta):
        before = shape - run.s_hat[t]
        refinement += np.sum((run.gamma[t][:, None] * (delta - before)) ** 2)
        earned += eta**t * reward(run.s_hat[t], run.s_hat[t + 1], shape, run.gamma[t])
    return refinement, -earned
