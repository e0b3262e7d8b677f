"""Diagrams: losses and errors while training, error by stage, cumulative error distribution."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layers.common.errors import RarError
from layers.common.metrics import area_under_curve, cumulative_distribution, failure_rate, stage_errors
from layers.common.paper import FAILURE_THRESHOLD
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray
from tools.draw import style
from tools.evaluate.results import Results

_NOT_PLOTTED = ("phase", "iteration", "seconds", "learning_rate")
_REFINEMENT = "loss_refinement_"
_ERROR = "nme_pupil_"
SHOWN_SHARE = (0.5, 99.5)  # per cent of the values: a single spike would flatten all others
_LOSS_TITLES = {
    "loss_conv8": ("conv8: softmax regression loss", "loss, nats"),
    "loss_reward": ("attention: minus the reward", "loss, px² of the crop"),
}


class Log:
    """A training log: iteration counted on over the phases, and every column as numbers with NaN where empty."""

    def __init__(self, path: Path) -> None:
        rows = self._rows(path)
        try:
            steps = np.array([int(row["iteration"]) for row in rows])
            names = [name for name in rows[0] if name and name not in _NOT_PLOTTED]
            self.columns = {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}
        except (KeyError, TypeError, ValueError) as error:
            raise RarError(f"{path} is no training log ({error}): give the log.csv that training wrote") from None
        phases = [row.get("phase") or "" for row in rows]
        self.phases = list(dict.fromkeys(phases))
        self.iteration, self.begins, offset = np.zeros(len(rows)), {}, 0
        for phase in self.phases:
            members = np.array([name == phase for name in phases])
            self.begins[phase] = offset
            self.iteration[members] = steps[members] + offset
            offset += int(steps[members].max())

    @staticmethod
    def _rows(path: Path) -> list[dict[str, str]]:
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except OSError as error:
            raise RarError(f"cannot read {path} ({error.strerror}): give the log.csv that training wrote") from None
        except (csv.Error, UnicodeDecodeError) as error:
            raise RarError(f"{path} is no CSV ({error}): give the log.csv that training wrote") from None
        if not rows:
            raise RarError(f"{path} has no rows yet: train first")
        return rows

    def curve(self, name: str) -> tuple[FloatArray, FloatArray]:
        """Iterations and values where the column has any."""
        there = np.isfinite(self.columns[name])
        return self.iteration[there], self.columns[name][there]


def _smooth(values: FloatArray) -> FloatArray:
    """Running mean over a fiftieth of the curve, at least 3 points, shorter at the ends."""
    half = max(1, len(values) // 100)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    place = np.arange(len(values))
    low, high = np.maximum(place - half, 0), np.minimum(place + half + 1, len(values))
    return np.asarray((sums[high] - sums[low]) / (high - low))


def _plot(axes: Axes, log: Log, names: dict[str, str]) -> None:
    """Columns as curves: the values faint, their running mean strong; validation dashed in the colour of training."""
    for colour, (name, label) in zip(style.LINES * 3, names.items(), strict=False):
        x, y = log.curve(name)
        axes.plot(x, y, color=colour, alpha=0.22, linewidth=0.8)
        axes.plot(x, _smooth(y), color=colour, linewidth=1.8, label=label)
        check = f"val_{name}"
        if check in log.columns and np.isfinite(log.columns[check]).any():
            axes.plot(*log.curve(check), color=colour, linewidth=1.4, linestyle=(0, (3, 2)), marker="o", markersize=3,
                      label="validation" if label == "training" else None)  # fmt: skip


def _phases(axes: Axes, log: Log) -> None:
    """A dotted line with the phase's name where each phase begins."""
    if len(log.phases) < 2:
        return
    shown = axes.get_xlim()[0]
    for phase, begin in log.begins.items():
        if begin < shown:
            continue
        axes.axvline(begin, color=style.SOFT, linewidth=0.9, linestyle=":")
        axes.annotate(phase.replace("_", " "), (begin, 1), (4, 3), xycoords=("data", "axes fraction"),
                      textcoords="offset points", fontsize=8, color=style.SOFT)  # fmt: skip


def _refinement_names(log: Log) -> dict[str, str]:
    """First, middle and last of the refinement losses: fifteen curves on top of each other show nothing."""
    known = [n for n, values in log.columns.items() if np.isfinite(values).any()]  # none in a phase of few iterations
    steps = sorted(int(n.removeprefix(_REFINEMENT)) for n in known if n.removeprefix(_REFINEMENT).isdigit())
    chosen = sorted({steps[0], steps[len(steps) // 2], steps[-1]}) if steps else []
    return {f"{_REFINEMENT}{step}": f"step {step + 1}" for step in chosen}


def _panels(log: Log) -> list[tuple[str, str, dict[str, str]]]:
    """Title, unit and columns of each diagram that the log has data for."""
    trained = [name for name in log.columns if not name.startswith("val_") and np.isfinite(log.columns[name]).any()]
    errors = {n: _nme_label(n) for n in trained if n.startswith(_ERROR)}
    others = [n for n in trained if n.startswith("loss") and not n.startswith(_REFINEMENT)]
    panels = [(*_LOSS_TITLES.get(n, (n.replace("_", " "), "loss")), {n: "training"}) for n in others]
    if refinement := _refinement_names(log):
        panels.append(("refinement loss", "loss, px² of the crop", refinement))
    if errors:
        panels.append(("error on the training faces (validation dashed)", "inter-pupil NME, %", errors))
    return panels


def _nme_label(name: str) -> str:
    """nme_pupil_s_hat_15 -> S_hat_15."""
    shape = name.removeprefix(_ERROR)
    return "$S_d$" if shape == "s_d" else rf"$\hat{{S}}_{{{shape.removeprefix('s_hat_')}}}$"


def _limits(axes: Axes, log: Log, names: Iterable[str]) -> None:
    """The iterations that the curves have; a logarithmic scale where values fall far, and no room for single spikes."""
    curves = [log.curve(name) for name in names]
    first = min(float(x.min()) for x, _ in curves)
    axes.set_xlim(max((begin for begin in log.begins.values() if begin < first), default=0), log.iteration.max())
    values = np.concatenate([y for _, y in curves])
    if values.min() > 0 and any(y.max() > 6 * np.median(y) for _, y in curves):
        axes.set_yscale("log")
    elif (low := np.percentile(values, SHOWN_SHARE[0])) < (high := np.percentile(values, SHOWN_SHARE[1])):
        axes.set_ylim(low - 0.1 * (high - low), high + 0.25 * (high - low))


def loss_curves(path: Path, note: str, width: int = 1000, height: int = 340) -> Figure:
    """Losses and errors by iteration from a training log, two diagrams a row of width x height px.

    RarError when the file is no such log.
    """
    log = Log(path)
    panels = _panels(log)
    if not panels:
        raise RarError(f"{path} has no column loss... or nme_pupil_...: give the log.csv that training wrote")
    rows = (len(panels) + 1) // 2
    made = style.figure(width, rows * height + 24)
    for place, (title, unit, names) in enumerate(panels):
        axes = made.add_subplot(rows, 2 if len(panels) > 1 else 1, place + 1)
        _plot(axes, log, names)
        style.chart(axes, title, "iteration", unit, pad=18 if len(log.phases) > 1 else 10)
        _limits(axes, log, names)
        _phases(axes, log)
        if len(names) > 1 or f"val_{next(iter(names))}" in log.columns:
            style.legend(axes)
    made.tight_layout(rect=(0, 24 / (rows * height + 24), 1, 1), w_pad=2.5, h_pad=2)
    style.caption(made, note)
    return made


def _subset_errors(results: Results) -> dict[str, FloatArray]:
    """Per subset the NME (n, T+2), inter-pupil, of S_d, S_hat_0 ... S_hat_T; in the order of the file."""
    truth = np.stack([face.ground_truth for face in results.faces])
    shapes = np.stack([np.concatenate([face.s_d[None], face.stages]) for face in results.faces])
    errors = stage_errors(shapes, truth, scheme(results.scheme), "pupil")
    names = np.array([face.subset for face in results.faces])
    groups = {name: errors[names == name] for name in dict.fromkeys(names.tolist())}
    return groups if len(groups) == 1 else {**groups, "all": errors}


def error_by_stage(results: Results, note: str, width: int = 860, height: int = 480) -> Figure:
    """Mean NME of S_d and of every stage, a curve per subset, width x height px."""
    made = style.figure(width, height)
    axes = made.add_subplot()
    for colour, (subset, errors) in zip(style.LINES * 3, _subset_errors(results).items(), strict=False):
        means = 100 * errors.mean(axis=0)
        steps = np.arange(len(means) - 1)
        strong = 2.6 if subset == "all" else 1.8
        axes.plot(steps, means[1:], color=colour, linewidth=strong, marker="o", markersize=4.5,
                  label=f"{subset}, {len(errors)} faces: {means[-1]:.2f} %")  # fmt: skip
        axes.plot([-1], means[:1], color=colour, marker="D", markersize=6.5, linestyle="none")
    title = f"{results.model.name} on {style.faces_from(results.data.raw)}: error by stage"
    style.chart(axes, title, "stage", "mean error, % of the inter-pupil distance")
    ticks = np.arange(-1, results.steps + 1)
    axes.set_xticks(ticks, ["$S_d$", *(rf"$\hat{{S}}_{{{t}}}$" for t in ticks[1:])])
    axes.set_ylim(0, 1.08 * max(line.get_ydata().max() for line in axes.lines))  # S_d's mark whole
    axes.axvline(-0.5, color=style.RULE, linewidth=1)
    style.legend(axes)
    made.tight_layout(rect=(0, 24 / height, 1, 1))
    style.caption(made, note)
    return made


def cumulative_errors(results: Results, note: str, width: int = 860, height: int = 480) -> Figure:
    """CED of S_d, the initial and the final shape over all faces, with AUC and failure rate, width x height px."""
    made = style.figure(width, height)
    axes = made.add_subplot()
    errors = _subset_errors(results)
    every = errors.get("all", next(iter(errors.values())))
    limits = np.linspace(0, 1.5 * FAILURE_THRESHOLD, 301)
    curves = {"$S_d$": (every[:, 0], style.LINES[4]), r"$\hat{S}_0$": (every[:, 1], style.LINES[2])}
    if results.steps:
        curves[rf"$\hat{{S}}_{{{results.steps}}}$"] = (every[:, -1], style.LINES[0])
    for symbol, (values, colour) in curves.items():
        label = f"{symbol}   AUC {area_under_curve(values):.3f}, failures {100 * failure_rate(values):.1f} %"
        axes.plot(100 * limits, 100 * cumulative_distribution(values, limits), color=colour, linewidth=2.2, label=label)
    axes.axvline(100 * FAILURE_THRESHOLD, color=style.SOFT, linewidth=1, linestyle=":")
    axes.annotate("failure", (100 * FAILURE_THRESHOLD, 3), (4, 8), textcoords="offset points", fontsize=8.5,
                  color=style.SOFT, va="top")  # fmt: skip
    title = f"{results.model.name} on {len(every)} {style.faces_from(results.data.raw)}: cumulative error distribution"
    style.chart(axes, title, "error of a face, % of the inter-pupil distance", "faces with at most that error, %")
    axes.set_xlim(0, 100 * limits[-1])
    axes.set_ylim(0, 101)
    style.legend(axes)
    made.tight_layout(rect=(0, 24 / height, 1, 1))
    style.caption(made, note)
    return made
