"""Table 5 and Sect. 4.4: variants of a preset, trained from one warm-up as long as the full model.

With several seeds every variant, the full model too, is trained that often; the first seed's results lie in the
variant's folder, the others' in seed_N/ under it, and the differences come with intervals over seeds and faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from layers.common.errors import RarError, run_command
from tools.cli.steps import step
from tools.draw.compare import main as compare
from tools.evaluate.__main__ import main as evaluate
from tools.model.options import PATH, data_option, preset_option, run_of, run_option
from tools.model.presets import preset

CHANGES = (
    "initialisation=direct", "initialisation=mean", "initialisation=random", "weighting=uniform", "weighting=ones"
)  # fmt: skip


@click.command(help=__doc__)
@preset_option("vgg19")
@run_option
@data_option()
@click.option("--change", "changes", multiple=True, default=CHANGES, show_default=True, help="any number of times")
@click.option("--warm-up", type=PATH, help="weights that all start from  [default: the run's warm_up.caffemodel]")
@click.option("--new-steps", is_flag=True, help="the LSTMs start anew, though the weights of --warm-up have some")
@click.option("--iterations", type=click.IntRange(1), help="of the end-to-end phase, instead of the preset's")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1), help="of each one's first")
@click.option(
    "--seeds", default=1, show_default=True, type=click.IntRange(1), help="trainings of each, the full model's too"
)
@click.pass_context
def main(
    context: click.Context,
    name: str,
    data: Path,
    changes: Sequence[str],
    warm_up: Path | None,
    new_steps: bool,
    iterations: int | None,
    seed: int,
    seeds: int,
) -> None:
    full = run_of(context)
    warm_up = warm_up or full / "warm_up.caffemodel"
    if not warm_up.is_file():
        raise RarError(f"no {warm_up}: train {name} first, or give --warm-up FILE")
    for change in changes:
        preset(f"{name}+{change}")  # refused now and not after hours
    variants = {full: name, **{full.with_name(f"{full.name}+{change}"): f"{name}+{change}" for change in changes}}
    training = [
        "--warm-up",
        warm_up,
        *["--new-steps"] * new_steps,
        *(["--iterations", iterations] if iterations else []),
    ]
    results = []
    for folder, variant in variants.items():
        for number in range(seed, seed + seeds):
            run = folder if number == seed else folder / f"seed_{number}"
            results.append(run / "results.json")
            if run == full and seeds == 1:
                continue  # the full model has been trained and tested already
            words = ["--preset", variant, "--data", data]
            step("train", *words, "--out", run, "--seed", number, *training)
            step("test", *words, "--run", run, *(["--trained-seed", number] if seeds > 1 else []))
    given = [str(path) for path in results]
    evaluate(["ablations", *(word for path in given for word in ("--results", path))], standalone_mode=False)
    evaluate(["compare", *given], standalone_mode=False)
    first = [str(folder / "results.json") for folder in variants]
    compare(["--data", str(data), "--out", str(full / "pictures" / "compare.png"), *first], standalone_mode=False)


if __name__ == "__main__":
    run_command(main)
