"""A whole training: the warm-up, then RAR end to end, each where it was left."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from data_prep.manifest import FILE, read_manifest
from layers.common.errors import RarError
from layers.quiet import caffe
from tools.common.gpu import check_gpu, use_gpu
from tools.model.about import write_about
from tools.model.presets import Phase, Preset, preset
from tools.model.prototxt import folder_of
from tools.model.vgg19.weights import default_weights
from tools.train.phase import PhaseTrainer, Stopped, shortened
from tools.train.processes import run_ranks
from tools.train.ranks import Leader, Single, follow, join

CNN, STEPS = ("conv", "reduction", "deconv"), ("a_lstm", "r_lstm")


@dataclass(frozen=True)
class Training:
    """What to train on what: the options of the command.

    new_steps: the LSTMs start anew, though the weights of `warm_up` have some.
    """

    name: str
    data: Path
    out: Path
    seed: int
    vgg19: Path | None
    warm_up: Path | None
    warm_up_iterations: int | None
    iterations: int | None
    new_steps: bool = False


def train(wanted: Training, gpus: tuple[int, ...]) -> None:
    """Train on the CPU, on one GPU, or on several in a process each; RarError when the options do not do."""
    check(wanted)
    wanted = with_start(wanted)
    print(f"preset {wanted.name}, data {wanted.data}, seed {wanted.seed}, run {wanted.out}", file=sys.stderr)
    if len(gpus) > 1:
        for number in gpus:
            check_gpu(number)
        if not caffe.has_nccl():
            raise RarError("this Caffe was built without NCCL: make caffe CUDA=1 NCCL=1, or give one GPU")
        count = len(gpus)
        print(f"GPUs {gpus}: {count} mini-batches an iteration, their gradients averaged", file=sys.stderr)
        run_ranks(count, partial(lead, wanted, gpus), partial(follow_on, gpus))
    if gpus:
        use_gpu(gpus[0])
    both_phases(wanted, Single())


def lead(wanted: Training, gpus: tuple[int, ...], followers: list[Connection]) -> None:
    """Rank 0 of several."""
    join(gpus[0], 0, len(gpus))
    both_phases(wanted, Leader(followers))


def follow_on(gpus: tuple[int, ...], rank: int, orders: Connection) -> None:
    """Another rank."""
    join(gpus[rank], rank, len(gpus))
    follow(orders)


def with_start(wanted: Training) -> Training:
    """Where the preset starts from VGG-19 and no weights are given: with the default ones, fetched now if need be."""
    if preset(wanted.name).pretrained and not (wanted.vgg19 or wanted.warm_up):
        return replace(wanted, vgg19=default_weights())
    return wanted


def preset_of(wanted: Training) -> Preset:
    """The preset, which may be for a landmark scheme that the data describe."""
    if (wanted.data / FILE).is_file():
        read_manifest(wanted.data)
    return preset(wanted.name)


def check(wanted: Training) -> None:
    """RarError for what would end the training at once. Tells the nets where the data are."""
    preset_of(wanted)
    os.environ |= {"DATA": str(wanted.data), "TEST_SET": "val"}


def both_phases(wanted: Training, ranks: Single) -> None:
    """Train, and print the final weights; ends with status 130 when the user stops it."""
    chosen = preset_of(wanted)
    folder = folder_of(chosen, wanted.out)

    def trainer(phase_name: str, suffix: str, phase: Phase) -> PhaseTrainer:
        solver = folder / f"solver{suffix}.prototxt"
        return PhaseTrainer(phase_name, solver, phase, wanted.out, wanted.seed, wanted.data, ranks)

    pretrained = tuple(f"{stage.name}_" for stage in chosen.stages)
    try:
        warm = wanted.warm_up
        if warm is None:
            phase = shortened(chosen.warm_up, wanted.warm_up_iterations)
            warm = trainer("warm_up", "_warm_up", phase).run(wanted.vgg19, pretrained)
        leave = STEPS if wanted.new_steps else ()
        final = trainer("rar", "", shortened(chosen.end_to_end, wanted.iterations)).run(warm, CNN, leave)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(130)
    if (wanted.data / FILE).is_file():
        write_about(final, chosen, read_manifest(wanted.data))
    print(final)
