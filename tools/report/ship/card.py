"""The model card of shipped weights: what a reader must know before quoting or using them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.manifest import origin
from layers.common import metrics, paper
from layers.common.errors import RarError
from tools.build.source import PACKAGE, VERSION
from tools.model.presets import VGG19_STAGES, Preset
from tools.report.ship.protocols import Measured, protocol

LICENCE = (
    "Weights trained on 300-W or MTFL are for research only, as their pictures and annotations are. Those of VGG-19, "
    "from which the vgg19 presets start, have a licence of their own."
)
NORMALISERS = {
    "pupil": 'the inter-pupil distance ("pupil": what the paper calls inter-ocular)',
    "corner": 'the distance of the outer eye corners ("corner")',
}


@dataclass(frozen=True)
class Phase:
    """What the log says of a training phase."""

    name: str
    iterations: int
    hours: float


def phases(log: Path) -> list[Phase]:
    """The phases of a run, from its log.csv; RarError when it is none."""
    try:
        with log.open(newline="") as file:
            last = {row["phase"]: row for row in csv.DictReader(file)}
        found = [Phase(name, int(row["iteration"]), float(row["seconds"]) / 3600) for name, row in last.items()]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise RarError(f"{log} is no log of a training ({error}): give the folder of a finished run") from error
    if not found:
        raise RarError(f"{log} is no log of a training, it is empty: give the folder of a finished run")
    return found


def front_matter(preset: Preset, measured: Measured, manifest: dict[str, Any], trained: list[Phase]) -> str:
    """YAML for programs. `measured` are the shipped weights."""
    results, train, trained_on = measured.results, manifest["sets"]["train"], origin(manifest, "train")
    lines = {
        "name": preset.name,
        "weights": Path(results.model.weights).name,
        "sha256": results.model.sha256,
        "caffe": f"{PACKAGE} {VERSION} (Debian), tools/build/patches",
        "commit": results.model.commit,
        "licence": "research only",
        "scheme": f'"{preset.scheme}"',
        "crop_size": preset.crop_size,
        "raw": trained_on.raw,
        "boxes": trained_on.boxes,
        "margin": f"{trained_on.margin:g}",
        "training_faces": train["faces"],
        "training_crops": train["settings"].get("augment", train["rows"]),
        "seed": train["settings"]["seed"],
        **{f"{phase.name}_iterations": phase.iterations for phase in trained},
        "training_hours": round(sum(phase.hours for phase in trained), 2),
    }
    for subset, errors in measured.scores.items():
        lines[f"nme_pupil_{subset}"] = round(100 * float(errors["pupil"][:, -1].mean()), 2)
    return "\n".join(["---", *(f"{name}: {value}" for name, value in lines.items()), "---"])


def stage_table(measured: Measured) -> str:
    """Error by stage, subset and normaliser, Markdown."""
    columns = {
        f"{subset} ({len(errors)} faces), {way}": 100 * errors.mean(axis=0)
        for subset, ways in measured.scores.items()
        for way, errors in ways.items()
    }
    names = ["S_d", *(f"Ŝ_{t}" for t in range(measured.results.steps + 1))]
    rows = [["stage", *columns], ["---", *["---:"] * len(columns)]]
    for stage, name in enumerate(names):
        rows.append([name, *(f"{means[stage]:.2f}" for means in columns.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def normalisers(measured: Measured) -> str:
    """What the columns of the table are divided by."""
    used = dict.fromkeys(way for ways in measured.scores.values() for way in ways)
    return "Per cent of " + " and of ".join(NORMALISERS[way] for way in used) + "."


def failures(measured: Measured) -> str:
    """A line per subset."""
    lines = []
    for subset, errors in measured.scores.items():
        final = errors["pupil"][:, -1]
        rate, area = 100 * metrics.failure_rate(final), 100 * metrics.area_under_curve(final)
        lines.append(f"- {subset}: {rate:.1f} % of the faces over 10 % (inter-pupil), AUC10 {area:.1f}")
    return "\n".join(lines)


def differences(preset: Preset, manifest: dict[str, Any], trained: list[Phase]) -> str:
    """Where the model is not the paper's, one a line."""
    found = manifest["sets"]["train"]["faces"]
    lines = [f"Trained on {found:,} faces; {protocol(preset).paper_set}."]
    if preset.crop_size != paper.IMAGE_SIZE:
        lines.append(f"Crops of {preset.crop_size} px and α = {preset.alpha:g}; the paper: {paper.IMAGE_SIZE}, 128.")
    if preset.stages != VGG19_STAGES:
        lines.append("A small CNN from random weights; the paper's is VGG-19, trained on ImageNet.")
    if preset.shift_radius:
        lines.append("The LSTMs see the mean shift of conv8 beside deconv7's features, which is ours.")
    if preset.support:
        shapes = f"{preset.support} of {preset.basis_size} basis shapes"
        lines.append(f"The robust start combines {shapes}; the paper gives neither number.")
    if trained[0].name != "warm_up":
        lines.append("Its CNN is not of this run, but of the weights it started from.")
    counted = " and ".join(f"{phase.iterations:,} ({phase.name})" for phase in trained)
    lines.append(f"{counted} iterations; the paper gives no number, no learning rate and no warm-up.")
    lines.append("Γ is applied once, not twice; the other readings: docs/readings.md.")
    return "\n".join(f"- {line}" for line in lines)


def model_card(
    preset: Preset, measured: Measured, manifest: dict[str, Any], trained: list[Phase], rounding: str, commands: str
) -> str:
    """The whole card, Markdown. rounding: what half precision has changed; commands: what made the weights."""
    hours = ", ".join(f"{phase.name} {phase.hours:.1f} h" for phase in trained)
    origin = measured.origin.replace(str(measured.results.model.weights), "this file")
    return f"""{front_matter(preset, measured, manifest, trained)}

# {preset.name}

{LICENCE}

## Error by stage

{normalisers(measured)}
{origin}

{stage_table(measured)}

{failures(measured)}

![Error by stage](stages.png)

## How it was made

{commands}

Training took {hours}. SGD, momentum {paper.MOMENTUM}, weight decay {paper.WEIGHT_DECAY}, mini-batch
{preset.batch_size}, T = {preset.steps}; everything else: preset `{preset.name}` in `tools/model/presets.py` at that
commit.
{rounding}

![Training](loss.png)

In numbers: `log.csv.gz`.

## Differences from the paper

{differences(preset, manifest, trained)}
"""
