"""The paper's Table 4: how often each landmark is the attention centre, against the error of its region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layers.common.errors import RarError
from layers.common.gamma import GammaReading, gamma_for_every_centre
from layers.common.metrics import normaliser
from layers.common.schemes import Scheme, scheme
from layers.common.shapes import FloatArray, point_errors
from tools.draw import style
from tools.evaluate.results import Results
from tools.model.presets import preset

PARTS, SHOWN, LARGEST = 3, 10, 900.0  # groups of steps; landmarks drawn as circles; area of all choices, pt^2
LABELLED = 0.04  # smallest share that gets its number written
LABEL_WIDTH = 5  # landmarks


class Region(NamedTuple):
    """For the steps `first` ... `last` (from 1): per landmark, the share of choices and the regional error (L,)."""

    first: int
    last: int
    frequency: FloatArray
    error: FloatArray


def regions(results: Results) -> list[Region]:
    """Thirds of the steps, and the error of the region round each landmark.

    The regional error of landmark c is sum_l gamma^l |s_hat^l - s*^l| / D with Gamma round c, as wide as the model's
    and with a sum of 1, over the shapes that those steps start from. It is a mean over all faces, a fraction of the
    inter-pupil distance.
    """
    kind, reading = scheme(results.scheme), GammaReading(width=_width(results.model.name))
    truth = np.stack([face.ground_truth for face in results.faces])
    stages = np.stack([face.stages for face in results.faces])
    centres = np.stack([face.centres for face in results.faces])
    distance = normaliser(truth, kind, "pupil")[:, None]
    found = []
    for steps in np.array_split(np.arange(results.steps), min(PARTS, results.steps)):
        errors = [_regional(stages[:, t], truth, distance, kind, reading) for t in steps]
        counts = np.bincount(centres[:, steps].ravel(), minlength=kind.landmarks)
        found.append(Region(steps[0] + 1, steps[-1] + 1, counts / counts.sum(), np.mean(errors, axis=0)))
    return found


def _width(model: str) -> float:
    """Gamma's width of a model that is a preset of ours or a variant of one; of any other the paper's."""
    try:
        return preset(model).gamma_width
    except RarError:
        return GammaReading.width


def _regional(
    shape: FloatArray, truth: FloatArray, distance: FloatArray, kind: Scheme, reading: GammaReading
) -> FloatArray:
    relative = point_errors(shape, truth) / distance
    return np.asarray((gamma_for_every_centre(shape, kind, reading) @ relative[..., None])[..., 0].mean(axis=0))


def _panel(axes: Axes, region: Region, kind: Scheme, limits: tuple[float, float]) -> None:
    """Landmarks from left to right by number, facial parts as bands, the most frequent centres as circles."""
    for i, (name, landmarks) in enumerate(kind.groups.items()):
        if i % 2 == 0:
            axes.axvspan(min(landmarks) + 0.5, max(landmarks) + 1.5, color=style.RULE, alpha=0.35, linewidth=0)
        axes.text(np.mean(landmarks) + 1, limits[0], name, fontsize=8.5, color=style.SOFT, ha="center", va="bottom")
    numbers = np.arange(1, kind.landmarks + 1)
    axes.plot(numbers, 100 * region.error, color=style.SOFT, linewidth=0.8, marker=".", markersize=3)
    order = np.argsort(-region.frequency, kind="stable")[:SHOWN]
    chosen = order[region.frequency[order] > 0]
    sizes, heights = LARGEST * region.frequency[chosen], 100 * region.error[chosen]
    axes.scatter(numbers[chosen], heights, s=sizes, color=style.LINES[1], alpha=0.75, edgecolors="white", zorder=3)
    labels: dict[int, tuple[float, int]] = {}  # landmark: the height its label is above, by how many lines
    for landmark, height in zip(chosen[:3], heights[:3], strict=True):
        if region.frequency[landmark] >= LABELLED:
            beside = [label for other, label in labels.items() if abs(landmark - other) < LABEL_WIDTH]
            base = max([height, *(above for above, _ in beside)])
            line = max([0, *(lines + 1 for _, lines in beside)])
            labels[int(landmark)] = base, line
            share = f"{numbers[landmark]}: {100 * region.frequency[landmark]:.0f} %"
            place, lift = (numbers[landmark], base), (0, 15 + 12 * line)
            axes.annotate(share, place, lift, textcoords="offset points", ha="center", fontsize=8.5, color=style.INK)
    style.chart(axes, f"steps {region.first} to {region.last}", "landmark (from 1)", "regional error, %")
    axes.set_xlim(0, kind.landmarks + 1)
    axes.set_ylim(*limits)


def centre_frequency(results: Results, note: str, width: int = 1000, height: int = 250) -> Figure:
    """One diagram per third of the steps, width x height px each. The results need T >= 1."""
    found: Sequence[Region] = regions(results)
    kind = scheme(results.scheme)
    tall = len(found) * height + 60
    made = style.figure(width, tall)
    errors = 100 * np.stack([region.error for region in found])
    room = max(0.5, 0.3 * np.ptp(errors))
    limits = errors.min() - room, errors.max() + 3 * room  # above for three lines of labels, below for the parts' names
    for axes, region in zip(made.subplots(len(found), 1, squeeze=False)[:, 0], found, strict=True):
        _panel(axes, region, kind, limits)
    title = f"{results.model.name}: attention centres; a circle's area is the landmark's share of all choices"
    made.text(14 / width, 1 - 12 / tall, title, fontsize=12, fontweight="bold", color=style.INK, va="top")
    made.tight_layout(rect=(0, 24 / tall, 1, 1 - 32 / tall))
    style.caption(made, note)
    return made
