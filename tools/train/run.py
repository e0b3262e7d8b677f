"""A whole training: the warm-up, then RAR end to end, each where it was left."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from data_prep.manifest import read_manifest
from layers.common.errors import RarError
from layers.common.files import alone, clear_parts
from layers.quiet import caffe
from tools.common.gpu import check_gpu, use_gpu
from tools.common.stopping import stop_requests
from tools.model.about import write_about
from tools.model.presets import COMMITTED, Phase, preset
from tools.model.prototxt import folder_of, unchanged
from tools.model.vgg19.weights import default_weights
from tools.train.data import check_data
from tools.train.identity import identity, with_lengths
from tools.train.opening import opened
from tools.train.phase import PhaseTrainer, Stopped
from tools.train.processes import run_ranks
from tools.train.ranks import Leader, Single, follow, join
from tools.train.wanted import Training

CNN, STEPS = ("conv", "reduction", "deconv"), ("a_lstm", "r_lstm")


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


def check(wanted: Training) -> None:
    """RarError for what would end the training hours later. Tells the nets where the data are."""
    read_manifest(wanted.data)  # it may describe the preset's landmark scheme
    check_data(wanted.data, preset(wanted.name))
    os.environ |= {"DATA": str(wanted.data), "TEST_SET": "val"}


def both_phases(wanted: Training, ranks: Single) -> None:
    """Train, and print the final weights; ends with status 130 when the user stops it."""
    with alone(wanted.out):
        clear_parts(wanted.out)
        print(final_weights(wanted, ranks))


def final_weights(wanted: Training, ranks: Single) -> Path:
    """The weights that the training ends with, from wherever it is now."""
    manifest = read_manifest(wanted.data)
    chosen = with_lengths(preset(wanted.name), wanted)
    record = opened(wanted.out, identity(wanted, chosen, manifest, ranks.count))
    folder = folder_of(chosen, wanted.out)

    def trainer(phase_name: str, suffix: str, phase: Phase) -> PhaseTrainer:
        names = [f"{kind}{suffix}.prototxt" for kind in ("solver", "train_val")]
        edited = chosen.name in COMMITTED and any(
            (folder / name).read_bytes() != unchanged(preset(wanted.name), name).encode() for name in names
        )
        solver = folder / names[0]
        return PhaseTrainer(phase_name, solver, edited, phase, record, wanted.seed, wanted.data, ranks)

    warm_up = None if wanted.warm_up else trainer("warm_up", "_warm_up", chosen.warm_up)
    rar = trainer("rar", "", chosen.end_to_end)
    start = wanted.warm_up
    try:
        with stop_requests() as stop:
            if warm_up and not (rar.done or rar.snapshot):
                start = warm_up.run(wanted.vgg19, tuple(f"{stage.name}_" for stage in chosen.stages), stop=stop)
            final = rar.run(start, CNN, STEPS if wanted.new_steps else (), stop)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(130)
    write_about(final, chosen, manifest)
    return final
