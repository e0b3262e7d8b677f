"""The recurrence of a trained net with its attention centres chosen by A-LSTM, by chance, by rule, or by the truth."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from layers.common import metrics
from layers.common.prepared import PreparedSet
from layers.common.schemes import Scheme
from layers.common.shapes import FloatArray
from layers.reward import rewards
from tools.model.crop_detector import CropDetector
from tools.model.guided import Choice, GuidedSteps
from tools.model.network import fixed_order
from tools.test.occlusion import disc

LEARNT, RANDOM, FIXED, EVEN = "A-LSTM", "random", "fixed order", "even weights"
BEST_ERROR, BEST_REWARD, WORST = "least next error", "largest reward", "largest next error"
POLICIES = (LEARNT, RANDOM, FIXED, EVEN, BEST_ERROR, BEST_REWARD, WORST)
BATCH = 10


class Faces(NamedTuple):
    """A batch: crops (N, S, S, 3); truth (N, L, 2), px of the crop; hidden (N, L); names."""

    crops: np.ndarray
    truth: FloatArray
    hidden: np.ndarray
    names: list[str]


@dataclass(frozen=True)
class Outcome:
    """One policy on all faces of one size.

    errors: NME (faces, T+1), fractions. reward: R_t (faces, T) of (14), in squares of one per cent of the inter-pupil
    distance. centres (draws, faces, T). hidden: which landmarks are (faces, L).
    Of random centres errors and rewards are means over the draws.
    """

    errors: FloatArray
    reward: FloatArray
    centres: np.ndarray
    hidden: np.ndarray

    def returned(self, eta: float) -> FloatArray:
        """The long-term reward (13) of every face."""
        return np.asarray((self.reward * eta ** np.arange(self.reward.shape[1])).sum(-1))

    def looked_at_hidden(self) -> FloatArray:
        """The share of hidden centres at each step (T,), on the faces that have hidden landmarks; NaN without any."""
        some = self.hidden.any(-1)
        if not some.any():
            return np.full(self.centres.shape[-1], np.nan)
        rows = np.flatnonzero(some)
        return np.asarray(np.mean([self.hidden[rows[:, None], draw[rows]] for draw in self.centres], axis=(0, 1)))

    def commonest(self) -> float:
        """The share of choices that are the step's commonest landmark: 1 for one order on every face."""
        counts = [np.bincount(self.centres[0, :, t]).max() for t in range(self.centres.shape[-1])]
        return float(np.sum(counts) / self.centres[0].size)


def choosers(guided: GuidedSteps, given: Faces, kind: Scheme) -> dict[str, Callable[[Choice], np.ndarray]]:
    """How each policy with the truth at hand chooses."""
    normaliser = metrics.normaliser(given.truth, kind, "pupil")

    def next_errors(t: int) -> FloatArray:
        after = guided.every_next_shape(t)
        distance = np.linalg.norm(after - given.truth[:, None], axis=-1)
        return np.asarray(distance.mean(-1) / normaliser[:, None])

    def next_rewards(now: Choice) -> FloatArray:
        before = ((given.truth - now.s_hat) ** 2).sum(-1)
        after = ((given.truth[:, None] - guided.every_next_shape(now.t)) ** 2).sum(-1)
        return np.asarray((guided.every_gamma(now.t) ** 2 * (before[:, None] - after)).sum(-1))

    return {
        BEST_ERROR: lambda now: next_errors(now.t).argmin(-1),
        BEST_REWARD: lambda now: next_rewards(now).argmax(-1),
        WORST: lambda now: next_errors(now.t).argmax(-1),
    }


def random_centres(names: Sequence[str], landmarks: int, steps: int, seed: int) -> np.ndarray:
    """Centres (faces, T): a function of the seed and the face's name, and not the draws that place its disc."""
    keys = ([seed, zlib.crc32(name.encode()), steps] for name in names)
    return np.stack([np.random.default_rng(key).integers(landmarks, size=steps) for key in keys])


def run_all(guided: GuidedSteps, given: Faces, kind: Scheme, draws: int) -> dict[str, list[tuple[FloatArray, ...]]]:
    """Shapes (T+1, N, L, 2), centres (T, N) and weights Gamma (T, N, L) of every policy; of chance for each draw."""
    steps, landmarks = guided.preset.steps, guided.preset.landmarks
    order = fixed_order(guided.preset)
    guided.begin()
    found: dict[str, list[tuple[FloatArray, ...]]] = {LEARNT: [guided.run()]}
    found[RANDOM] = []
    for seed in range(draws):
        drawn = random_centres(given.names, landmarks, steps, seed)
        found[RANDOM].append(guided.run(lambda now, drawn=drawn: drawn[:, now.t]))  # type: ignore[misc]
    found[FIXED] = [guided.run(lambda now: np.full(len(given.names), order[now.t]))]
    found[EVEN] = [guided.run(even=True)]
    return found | {name: [guided.run(choose)] for name, choose in choosers(guided, given, kind).items()}


def measure(
    detector: CropDetector, faces: PreparedSet, size: float, draws: int, limit: int | None, batch: int = BATCH
) -> dict[str, Outcome]:
    """Every policy on the plain crops of a set (its first `limit`) under a disc of `size`, seed 0."""
    guided = GuidedSteps(detector.net, detector.preset)
    rows = np.flatnonzero(faces.copy == 0)[:limit]
    parts: dict[str, list[Outcome]] = {name: [] for name in POLICIES}
    for first in tqdm(range(0, len(rows), batch), desc=f"{detector.preset.name}, size {size:g}", unit="batch"):
        given = batch_of(faces, rows[first : first + batch].tolist(), size)
        detector.feed(given.crops)
        for name, runs in run_all(guided, given, faces.scheme, draws).items():
            parts[name].append(outcome(runs, given, faces.scheme))
    return {name: joined(outcomes) for name, outcomes in parts.items()}


def batch_of(faces: PreparedSet, rows: Sequence[int], size: float) -> Faces:
    """The faces of these rows under their discs; hidden is what lies under them, or is occluded anyway."""
    covers = [disc(faces.shape[row], str(faces.name[row]), faces.crop_size, 0) for row in rows]
    crops = [cover.over(faces.image(row), size) for cover, row in zip(covers, rows, strict=True)]
    under = [cover.hides(faces.shape[row], size) for cover, row in zip(covers, rows, strict=True)]
    hidden = np.stack(under) | faces.occluded[rows].astype(bool)
    return Faces(np.stack(crops), faces.shape[rows].astype(np.float64), hidden, [str(faces.name[row]) for row in rows])


def outcome(runs: Sequence[tuple[FloatArray, ...]], given: Faces, kind: Scheme) -> Outcome:
    """One policy on one batch."""
    scale = (100 / metrics.normaliser(given.truth, kind, "pupil")) ** 2
    errors = [metrics.stage_errors(stages.swapaxes(0, 1), given.truth, kind, "pupil") for stages, _, _ in runs]
    reward = [rewards(stages, given.truth, gamma).T * scale[:, None] for stages, _, gamma in runs]
    centres = np.stack([centre.T for _, centre, _ in runs]).astype(int)
    return Outcome(np.mean(errors, axis=0), np.mean(reward, axis=0), centres, given.hidden)


def joined(parts: Sequence[Outcome]) -> Outcome:
    """The batches of one policy as one."""
    errors, reward, hidden = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("errors", "reward", "hidden")
    )
    return Outcome(errors, reward, np.concatenate([part.centres for part in parts], axis=1), hidden)
