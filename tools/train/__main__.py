"""Train RAR: conv8 first (the warm-up), then everything end to end. Run again to go on where it stopped."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "2")  # before caffe is imported: its log is thousands of lines a net

import click

from layers.common.errors import RarError, run_command
from tools.make_nets import folder_of
from tools.presets import Phase, preset
from tools.train.phase import PhaseTrainer, Stopped, shortened

PROTOTXT = Path("prototxt")
PATH = click.Path(path_type=Path)
CNN = ("conv", "reduction", "deconv")


@click.command(help=__doc__)
@click.option("--preset", "name", default="vgg19", show_default=True, help="or a variant, as vgg19+weighting=ones")
@click.option("--data", type=PATH, required=True, help="prepared data, with train/ and shape_pool.h5")
@click.option("--out", type=PATH, required=True, help="folder of the run: snapshots, weights, log.csv")
@click.option("--seed", default=0, show_default=True)
@click.option("--vgg19", type=PATH, help="initial weights of conv1-conv5 (python3 -m tools.vgg19)")
@click.option("--warm-up", type=PATH, help="weights of a finished warm-up to start from, instead of an own one")
@click.option("--warm-up-iterations", type=int, help="instead of the preset's")
@click.option("--iterations", type=int, help="of the end-to-end phase, instead of the preset's")
def main(
    name: str,
    data: Path,
    out: Path,
    seed: int,
    vgg19: Path | None,
    warm_up: Path | None,
    warm_up_iterations: int | None,
    iterations: int | None,
) -> None:
    chosen = preset(name)
    if chosen.pretrained and not (vgg19 or warm_up):
        raise RarError(f"preset {name} starts from VGG-19: give --vgg19 FILE (python3 -m tools.vgg19 --out FILE)")
    if not PROTOTXT.is_dir():
        raise RarError(f"no {PROTOTXT}/ here: run from the project's root")
    validate = (data / "val").is_dir()
    os.environ |= {"DATA": str(data), "TEST_SET": "val"}
    folder = folder_of(chosen, out)

    def trainer(phase_name: str, suffix: str, phase: Phase) -> PhaseTrainer:
        return PhaseTrainer(phase_name, folder / f"solver{suffix}.prototxt", phase, out, seed, validate)

    pretrained = tuple(f"{stage.name}_" for stage in chosen.stages)
    print(f"preset {name}, data {data}, seed {seed}, run {out}", file=sys.stderr)
    try:
        warm = warm_up
        if warm is None:
            phase = shortened(chosen.warm_up, warm_up_iterations)
            warm = trainer("warm_up", "_warm_up", phase).run(vgg19, pretrained)
        final = trainer("rar", "", shortened(chosen.end_to_end, iterations)).run(warm, CNN)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(130)
    print(final)


if __name__ == "__main__":
    run_command(main)
