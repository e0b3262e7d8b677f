"""What the choice of attention centres could be worth, what A-LSTM makes of it, and whether it avoids what is hidden.

The same weights with centres chosen by: A-LSTM; chance; a fixed order; the truth, greedily, so that the next shape has
the least error or the step the largest reward (14); and the truth again for the worst next shape. "even weights" are no
attention at all. On the test faces as they are and under the disc of tools.test.occlusion.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.figure import Figure

from layers.common.errors import RarError, run_command
from layers.common.files import finished_file
from layers.common.prepared import PreparedSet
from layers.common.shapes import FloatArray
from tools.common.version import commit
from tools.draw import style
from tools.evaluate.statistics import mean_interval
from tools.evaluate.table import Cell, Row, Table, as_markdown, as_text
from tools.model.crop_detector import CropDetector
from tools.model.options import data_option, in_run, model_options_for
from tools.model.presets import Preset, preset
from tools.test.centre_policies import BEST_ERROR, BEST_REWARD, EVEN, LEARNT, RANDOM, Outcome, measure

THIRDS = 3  # of the steps, in which a table counts hidden centres


def columns(steps: Sequence[int], total: int) -> tuple[str, ...]:
    """Headings of the table: NME at `steps`, the return, the commonest choice, hidden centres by thirds of T."""
    names = [f"T = {t}" for t in steps]
    thirds = [f"hidden {part[0] + 1}-{part[-1] + 1}" for part in np.array_split(np.arange(total), min(THIRDS, total))]
    return (*names, "return", "commonest", *thirds)


def table(found: dict[str, Outcome], chosen: Preset, size: float, steps: Sequence[int], title: str) -> Table:
    """A row a policy."""
    rows = []
    for name, one in found.items():
        errors = 100 * one.errors.mean(0)
        looked = [part.mean() for part in np.array_split(one.looked_at_hidden(), min(THIRDS, chosen.steps))]
        if name == EVEN:
            looked = [np.nan] * len(looked)
        cells = [Cell(float(errors[t]), decimals=3) for t in steps]
        cells.append(Cell(float(one.returned(chosen.eta).mean()), decimals=3))
        cells.append(Cell(None if name in (EVEN, RANDOM) else 100 * one.commonest(), decimals=0))
        cells += [Cell(None if np.isnan(share) else float(100 * share), decimals=1) for share in looked]
        rows.append(Row(name, tuple(cells)))
    return Table(
        f"oracle_{size:g}", title, "centres by", columns(steps, chosen.steps), tuple(rows), notes(found, chosen)
    )


def notes(found: dict[str, Outcome], chosen: Preset) -> tuple[str, ...]:
    """The shares of what could be gained, with the interval of A-LSTM's part."""
    shares = gains(found, chosen.eta)
    low, high = shares["learnt_less_random"][1:]
    lines = [
        f"A-LSTM less random: {shares['learnt_less_random'][0]:+.3f} [{low:+.3f}, {high:+.3f}] per cent of the "
        f"inter-pupil distance at T = {chosen.steps}, {shares['faces']} faces, 95 % interval over faces",
        f"what the greedy oracle gains over random: {shares['error_gain']:.3f} by error; A-LSTM's share of it: "
        f"{100 * shares['error_share']:.0f} %; of the return that the oracle by reward gains: "
        f"{100 * shares['return_share']:.0f} %",
        "return: (13), rewards by the model's own Gamma, in squares of one per cent of the inter-pupil distance",
        "commonest: per cent of the choices that are the step's commonest landmark; 100 is one order for all faces",
    ]
    hidden = next(iter(found.values())).hidden
    if hidden.any():
        some = hidden.any(-1)
        lines.append(
            f"hidden: per cent of hidden centres at those steps, on the {int(some.sum())} faces that have hidden "
            f"landmarks; {100 * hidden[some].mean():.1f} by chance"
        )
    return tuple(lines)


def gains(found: dict[str, Outcome], eta: float) -> dict[str, Any]:
    """What A-LSTM gains over random centres, by error (per cent) and by return, and its share of what can be gained."""
    last = {name: 100 * one.errors[:, -1] for name, one in found.items()}
    returned = {name: float(one.returned(eta).mean()) for name, one in found.items()}
    gain = float((last[RANDOM] - last[BEST_ERROR]).mean())
    more = returned[BEST_REWARD] - returned[RANDOM]
    return {
        "faces": len(last[LEARNT]),
        "learnt_less_random": list(mean_interval((last[LEARNT] - last[RANDOM])[None])),
        "error_gain": gain,
        "error_share": float((last[RANDOM] - last[LEARNT]).mean() / gain) if gain else 0.0,
        "return_gain": more,
        "return_share": (returned[LEARNT] - returned[RANDOM]) / more if more else 0.0,
    }


def as_json(found: dict[str, Outcome], chosen: Preset) -> dict[str, Any]:
    """One size: the figures of every policy by step, the last error of every face, and the gains."""
    hidden = next(iter(found.values())).hidden
    chance = float(hidden[hidden.any(-1)].mean()) if hidden.any() else None
    policies = {
        name: {
            "nme_by_step": rounded(100 * one.errors.mean(0)),
            "reward_by_step": rounded(one.reward.mean(0)),
            "return": round(float(one.returned(chosen.eta).mean()), 6),
            "commonest": round(one.commonest(), 4),
            "hidden_by_step": None if chance is None else rounded(one.looked_at_hidden()),
            "nme_by_face": rounded(100 * one.errors[:, -1]),
        }
        for name, one in found.items()
    }
    return {"hidden_by_chance": chance, "gains": gains(found, chosen.eta), "policies": policies}


def rounded(values: FloatArray) -> list[float]:
    """For JSON."""
    return [round(float(value), 5) for value in values]


def figure(found: dict[float, dict[str, Outcome]], title: str, width: int = 980, height: int = 330) -> Figure:
    """A row a size: error by step, and where there are hidden landmarks the share of hidden centres by step."""
    tall = height * len(found) + 40
    made = style.figure(width, tall)
    panels = made.subplots(len(found), 2, squeeze=False)
    for (left, right), (size, outcomes) in zip(panels, found.items(), strict=True):
        for colour, (name, one) in zip((*style.LINES, style.SOFT), outcomes.items(), strict=True):
            steps = np.arange(one.errors.shape[1])
            look = "-" if name in (LEARNT, RANDOM) else (0, (4, 2))
            left.plot(steps, 100 * one.errors.mean(0), color=colour, linestyle=look, linewidth=1.5, label=name)
            if name != EVEN and one.hidden.any():
                shares = 100 * one.looked_at_hidden()
                right.plot(steps[1:], shares, color=colour, linestyle=look, linewidth=1.5, label=name)
        where = f"under a disc of {size:g} of the face" if size else "as they are"
        style.chart(left, f"error, {where}", "step", "NME, %")
        style.legend(left)
        hidden = outcomes[LEARNT].hidden
        if hidden.any():
            style.chart(right, f"hidden centres, {where}", "step", "% of the choices")
            right.axhline(100 * hidden[hidden.any(-1)].mean(), color=style.INK, linewidth=1, linestyle=(0, (1, 2)))
            right.set_ylim(bottom=0)
        else:
            right.set_axis_off()
            right.text(0.5, 0.5, "no landmark is hidden", ha="center", color=style.SOFT, transform=right.transAxes)
    made.text(14 / width, 1 - 10 / tall, title, fontsize=12, fontweight="bold", color=style.INK, va="top")
    made.tight_layout(rect=(0, 0, 1, 1 - 30 / tall))
    return made


def shown_steps(text: str, total: int) -> list[int]:
    """The steps of the table's columns; RarError for what is no step."""
    try:
        steps = [int(word) for word in text.split(",")] if text else sorted({total // 5, total // 3, total} - {0})
    except ValueError:
        raise RarError(f"--steps takes numbers, as 3,5,15, not {text!r}") from None
    if not all(0 <= step <= total for step in steps):
        raise RarError(f"--steps {text}: the model has {total} steps")
    return steps


@click.command(help=__doc__)
@model_options_for("vgg19_128")
@data_option(subset="helen")
@in_run("--out", "", "folder for oracle.json, oracle.md and oracle.png")
@click.option("--sizes", default="0,0.2", show_default=True, help="of the disc over the face")
@click.option("--draws", default=5, show_default=True, type=click.IntRange(1), help="of random centres")
@click.option("--steps", default="", help="columns of the table, as 3,5,15")
@click.option("--faces", "limit", type=click.IntRange(1), help="the first so many")
def main(
    name: str, weights: Path, data: Path, out: Path, sizes: str, draws: int, steps: str, limit: int | None
) -> None:
    chosen, faces = preset(name), PreparedSet(data)
    if chosen.weighting != "gaussian":
        raise RarError(f"{name} has no attention to choose centres for: give a model with weighting=gaussian")
    shown = shown_steps(steps, chosen.steps)
    detector = CropDetector(chosen, weights)
    found = {size: measure(detector, faces, size, draws, limit) for size in map(float, sizes.split(","))}
    count = len(found[next(iter(found))][LEARNT].errors)
    source = (
        f"{name}: {weights} (sha256 {detector.sha256[:12]}), data {data}, {count} faces, normaliser inter-pupil, "
        f"random centres of {draws} draws, commit {commit()[:12]}"
    )
    tables = [
        table(one, chosen, size, shown, f"{name} on {data.name}, {count} faces, disc {size:g}: NME, per cent")
        for size, one in found.items()
    ]
    record = {
        "model": {"name": name, "weights": str(weights), "sha256": detector.sha256, "commit": commit()},
        "data": str(data), "faces": count, "draws": draws, "eta": chosen.eta,
        "sizes": {f"{size:g}": as_json(one, chosen) for size, one in found.items()},
    }  # fmt: skip
    with finished_file(out / "oracle.json") as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    with finished_file(out / "oracle.md") as part:
        part.write_text(as_markdown(tables) + f"\n{source}\n", encoding="utf-8")
    print(as_text(tables))
    print(source)
    print(style.save(figure(found, f"{name}: what the choice of centres is worth"), out / "oracle.png"))


if __name__ == "__main__":
    run_command(main)
