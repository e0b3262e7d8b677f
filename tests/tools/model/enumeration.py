"""A policy's exact value on a small problem: every sequence of centres, each as often as the policy draws it.

One face, float64, on the plain numpy of reference.py. What is differentiated is the policy: A-LSTM's weights, or a
shift of each step's confidences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tests.tools.model.reference import Array, Lstm, Recurrence, reward, softmax

PARTS = ("input", "forget", "output", "candidate")
STEP = 1e-5
Sequence = tuple[float, tuple[int, ...], list[Array], list[Array]]


@dataclass(frozen=True)
class Problem:
    """A face and its steps. even: the weight inside an un-weighted reward."""

    steps: Recurrence
    s_hat_0: Array
    shape: Array
    a_lstm: Lstm
    r_lstm: Lstm
    temperature: float
    eta: float
    even: float

    def sequences(self, shift: Array | None = None) -> Iterator[Sequence]:
        """Probability, centres, shapes s_hat_0 ... s_hat_T and weights Gamma_0 ... of every sequence.

        shift (T, L): added to the confidences.
        """
        offsets = np.zeros((self.steps.steps, len(self.shape))) if shift is None else shift

        def deeper(
            t: int, p: float, centres: tuple[int, ...], stages: list[Array], gammas: list[Array], a: Lstm, r: Lstm
        ) -> Iterator[Sequence]:
            if t == self.steps.steps:
                yield p, centres, stages, gammas
                return
            phi = self.steps.phi(stages[-1])
            a = self.steps.look(a, phi)
            for centre, share in enumerate(softmax((a.h + offsets[t]) / self.temperature)):
                weights = self.steps.gamma(stages[-1], centre)
                after_r, _, after = self.steps.move(r, phi, stages[-1], weights)
                yield from deeper(
                    t + 1, p * share, (*centres, centre), [*stages, after], [*gammas, weights], a, after_r
                )

        yield from deeper(0, 1.0, (), [self.s_hat_0], [], self.a_lstm, self.r_lstm)

    def values(self, shift: Array | None = None) -> Array:
        """Means over all sequences: the discounted rewards of each step, weighted and un-weighted, (2 T,), then minus
        the squared error of the last shape, in the units of the un-weighted reward."""
        T, even = self.steps.steps, np.full(len(self.shape), self.even)
        total = np.zeros(2 * T + 1)
        for p, _, stages, gammas in self.sequences(shift):
            for t in range(T):
                for row, weights in enumerate((gammas[t], even)):
                    total[row * T + t] += p * self.eta**t * reward(stages[t], stages[t + 1], self.shape, weights)
            total[-1] -= p * np.sum((even[:, None] * (self.shape - stages[-1])) ** 2)
        return total

    def gradient(self) -> Array:
        """d values / d A-LSTM's weights, by central differences: (2 T + 1, weights), W and b of PARTS in turn."""
        flat = np.concatenate([array.ravel() for part in PARTS for array in self.a_lstm.weights[part]])
        columns = []
        for i in range(len(flat)):
            step = np.zeros_like(flat)
            step[i] = STEP
            above, below = (self._with(flat + sign * step).values() for sign in (1, -1))
            columns.append((above - below) / (2 * STEP))
        return np.stack(columns, axis=1)

    def gradient_by_confidence(self) -> Array:
        """d values / d shift of the confidences, (2 T + 1, T, L)."""
        T, landmarks = self.steps.steps, len(self.shape)
        found = np.empty((2 * T + 1, T, landmarks))
        for t, landmark in np.ndindex(T, landmarks):
            step = np.zeros((T, landmarks))
            step[t, landmark] = STEP
            found[:, t, landmark] = (self.values(step) - self.values(-step)) / (2 * STEP)
        return found

    def _with(self, flat: Array) -> Problem:
        weights, first = {}, 0
        for part in PARTS:
            pair = []
            for array in self.a_lstm.weights[part]:
                pair.append(flat[first : first + array.size].reshape(array.shape))
                first += array.size
            weights[part] = (pair[0], pair[1])
        return replace(self, a_lstm=replace(self.a_lstm, weights=weights))

    def straight_through(self, centres: tuple[int, ...], unweighted: bool) -> Array:
        """The gradient (T, L) by the confidences of a run with these centres, were each step's weights the mean of all
        centres' by the policy: of the run's reward, its weights inside (14) and every centre's Gamma held."""
        T, landmarks = self.steps.steps, len(self.shape)
        held: list[tuple[Array, Array]] = []  # Gamma of every centre and p of the run itself, by step

        def reward_of(shift: Array) -> float:
            a, r, s_hat, total = self.a_lstm, self.r_lstm, self.s_hat_0, 0.0
            for t, centre in enumerate(centres):
                phi = self.steps.phi(s_hat)
                a = self.steps.look(a, phi)
                p = softmax((a.h + shift[t]) / self.temperature)
                if len(held) == t:
                    held.append((np.stack([self.steps.gamma(s_hat, other) for other in range(landmarks)]), p))
                every, before = held[t]
                r, _, after = self.steps.move(r, phi, s_hat, every[centre] + (p - before) @ every)
                inside = np.full(landmarks, self.even) if unweighted else every[centre]
                total += self.eta**t * reward(s_hat, after, self.shape, inside)
                s_hat = after
            return total

        reward_of(np.zeros((T, landmarks)))
        found = np.empty((T, landmarks))
        for t, landmark in np.ndindex(T, landmarks):
            step = np.zeros((T, landmarks))
            step[t, landmark] = STEP
            found[t, landmark] = (reward_of(step) - reward_of(-step)) / (2 * STEP)
        return found
