"""The results of a benchmark as a table for people and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.draw.style import INK, LINES, chart, figure, save

TASKS = {
    "cnn_forward": "CNN forward, 1 face",
    "detector": "whole detector, 1 face",
    "cnn_training": "CNN forward + backward, 2 faces",
    "training": "training iteration, 2 faces",
}
WHO = {
    "ours": "this Caffe",
    "bf16": "this Caffe, bf16",
    "stock": "stock Caffe",
    "torch": "PyTorch",
    "torch_bf16": "PyTorch, bf16 autocast",
}


def best_torch(medians: dict[str, float], task: str, who: str = "torch") -> float | None:
    """PyTorch's time with the better of its memory layouts; None when it was not measured."""
    found = [value for name, value in medians.items() if name.startswith(f"{task} {who} ")]
    return min(found, default=None)


def rows(speed: dict[str, Any]) -> list[tuple[str, dict[str, float | None]]]:
    """Per task, the medians by contestant, ms."""
    medians = speed["medians_ms"]
    return [
        (
            task,
            {
                "ours": medians[f"{task} ours"],
                "bf16": medians.get(f"{task} bf16"),
                "stock": medians.get(f"{task} stock"),
                "torch": best_torch(medians, task),
                "torch_bf16": best_torch(medians, task, "torch_bf16"),
            },
        )
        for task in TASKS
    ]


def differences(speed: dict[str, Any]) -> dict[str, float]:
    """The largest difference of conv8 by contestant, over tasks and layouts."""
    found: dict[str, float] = {}
    for name, value in speed["differences"].items():
        who = name.split()[1]
        found[who] = max(value, found.get(who, 0))
    return found


def recurrence_share(speed: dict[str, Any]) -> tuple[float, float]:
    """What all that is not conv1 ... conv8 adds to it, in percent: forward, and forward + backward."""
    medians = speed["medians_ms"]
    forward = medians["detector ours"] / medians["cnn_forward ours"] - 1
    training = medians["training ours"] / medians["cnn_training ours"] - 1
    return 100 * forward, 100 * training


def shown(value: float | None, unit: str = "") -> str:
    """A measured number as the table shows it, "-" for none."""
    return "-" if value is None else f"{value:,.0f}{unit}" if value >= 100 else f"{value:.1f}{unit}"


def ratio(ours: float | None, other: float | None) -> str:
    """ours / other as the table shows it."""
    return "-" if ours is None or other is None else f"{ours / other:.2f}"


def table(results: dict[str, Any]) -> str:
    """All of it as Markdown."""
    machine = results["machine"]
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores{', ' + machine['gpu'] if machine['gpu'] else ''}; "
        f"medians of {results['repeats']} rounds, ms; commit {results['commit']}",
        "",
        f"| preset | task | {' | '.join(WHO.values())} | ours / stock | ours / PyTorch | bf16: ours / our fp32 | "
        "bf16: ours / PyTorch | peak MiB | bf16: peak MiB |",
        "|---|---" + "|---" * (len(WHO) + 6) + "|",
    ]
    for preset, speed in results["speed"].items():
        for task, found in rows(speed):
            pairs = (("ours", "stock"), ("ours", "torch"), ("bf16", "ours"), ("bf16", "torch_bf16"))
            peaks = (speed["peak_mib"].get(f"{task} {who}") for who in ("ours", "bf16"))
            cells = [
                *(shown(value) for value in found.values()),
                *(ratio(found[one], found[other]) for one, other in pairs),
                *("-" if peak is None else f"{peak:,.0f}" for peak in peaks),
            ]
            lines.append(f"| {preset} | {TASKS[task]} | {' | '.join(cells)} |")
    lines.append("")
    for preset, speed in results["speed"].items():
        forward, training = recurrence_share(speed)
        lines.append(
            f"{preset}: all that is not conv1-conv8 adds {forward:.1f} % forward, {training:.1f} % in training."
        )
        if speed["differences"]:
            line = ", ".join(f"{WHO[who]} {found:.1e}" for who, found in differences(speed).items())
            version = f" (PyTorch {speed['torch_version']})" if speed["torch_version"] else ""
            what = "largest difference of conv8 from this Caffe's, of its largest value"
            lines.append(f"{preset}: {what}: {line}{version}.")
    lines += sharing_table(results.get("sharing", {}))
    for axis, points in results.get("growth", {}).items():
        line = ", ".join(f"{n}: {found['ms']:.0f} ms {found['mib']:,.0f} MiB" for n, found in points.items())
        lines.append(f"{results['growth_preset']} detector over {axis}: {line}.")
    if "memory_over_images" in results:
        line = ", ".join(f"{count} images: {held:,.0f} MiB" for count, held in results["memory_over_images"].items())
        lines.append(f"Memory held after {line}.")
    if "data_preparation" in results:
        lines.append(
            "Data preparation: {crops_per_second:.0f} crops of 256 px a second.".format(**results["data_preparation"])
        )
    return "\n".join(lines) + "\n"


def sharing_table(sharing: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Two programs at once against one, and the CNN's forward pass beside eight busy programs of others."""
    if not sharing:
        return []
    lines = ["", "| preset | the machine shared | alone | shared | shared / alone |", "|---|---|---|---|---|"]
    for preset, found in sharing.items():
        for task in ("detector", "training"):
            one, two = found[task]["one"], found[task]["two"]
            row = f"two at once, {TASKS[task]}: a second | {one:.2f} | {two:.2f} | {two / one:.2f}"
            lines.append(f"| {preset} | {row} |")
        alone, beside, one_thread = (found["beside"][name] for name in ("alone", "beside", "one_thread"))
        row = f"{TASKS['cnn_forward']}, beside eight busy programs ({shown(one_thread)} with one thread): ms"
        lines.append(f"| {preset} | {row} | {shown(alone)} | {shown(beside)} | {beside / alone:.1f} |")
    return [*lines, ""]


def plot(results: dict[str, Any], path: Path) -> Path:
    """Bars: every task of every preset, by contestant, as a multiple of our time."""
    made = figure(1000, 120 + 330 * len(results["speed"]))
    panels = made.subplots(len(results["speed"]), 1, squeeze=False)[:, 0]
    for axes, (preset, speed) in zip(panels, results["speed"].items(), strict=True):
        height = 0.78 / len(WHO)
        for i, (_, found) in enumerate(rows(speed)):
            for j, (who, value) in enumerate(found.items()):
                if value is None:
                    continue
                y = i + (j - (len(WHO) - 1) / 2) * height
                axes.barh(y, value, height * 0.9, color=LINES[j], label=WHO[who] if i == 0 else None)
                axes.text(value, y, f" {shown(value)}", va="center", fontsize=8.5, color=INK)
        chart(axes, f"{preset}: medians of {results['repeats']} rounds", "ms", "")
        axes.set_yticks(range(len(TASKS)), list(TASKS.values()))
        axes.invert_yaxis()
        axes.set_xlim(0, axes.get_xlim()[1] * 1.06)
        axes.legend(frameon=False, fontsize=9, loc="best")
    made.tight_layout()
    return save(made, path)
