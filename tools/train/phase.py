"""One run of Caffe's SGD solver over a phase of training."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from tqdm import tqdm

from data_prep.live.workers import end_workers
from layers.common.errors import RarError
from layers.quiet import caffe
from tools.model.caffe_net import forward
from tools.model.net_files import REMEDY, check_net, read_solver
from tools.model.presets import Phase
from tools.model.run_record import RunRecord
from tools.model.trial import try_solver
from tools.model.weight_file import read_weights
from tools.model.weights import load_weights, save_weights
from tools.train.feature_statistics import standardise_features
from tools.train.log import TrainingLog
from tools.train.ranks import Single
from tools.train.samples import net_of_run
from tools.train.snapshots import Snapshots
from tools.train.solver_state import ready_to_restore

LOG_EVERY = 20
MINUTES_BETWEEN_SNAPSHOTS = 10


class Stopped(Exception):
    """The user asked training to stop, and the state is saved."""


def write_solver(
    template: Path, phase: Phase, snapshots: Snapshots, seed: int, data: Path, solvers: int
) -> tuple[Path, int]:
    """The solver file of this run: the committed one with this run's seed, length and folder, snapshots left to us.

    Also the number of validation faces it asks for. data: folder of train/, and of val/ if there is one. solvers: how
    many train together.
    """
    validate = (data / "val").is_dir()
    solver = read_solver(template)
    committed = check_net(template.parent / Path(solver.net).name, caffe.TRAIN)  # wherever this is run
    solver.net = str(net_of_run(committed, data, snapshots.folder, snapshots.phase, seed))
    solver.max_iter, solver.random_seed = phase.iterations, seed
    solver.snapshot_prefix, solver.snapshot, solver.display = snapshots.prefix, 0, 0
    faces = solver.test_iter[0] if validate else 0
    if validate:
        solver.test_interval = phase.iterations + 1  # we test, so that the figures reach the log
    else:
        del solver.test_iter[:]
        solver.ClearField("test_interval")
    if solvers > 1:
        solver.layer_wise_reduce = False  # Caffe cannot, with weights that the steps share
    path = snapshots.folder / f"{snapshots.phase}_solver.prototxt"
    path.write_text(text_format.MessageToString(solver))
    return path, faces


class PhaseTrainer:
    """Trains one phase in `folder`, from `start` weights or from its last snapshot; this is rank 0 of `ranks`.

    template: its committed solver file; edited: whether a person has changed that or its net.
    """

    def __init__(
        self,
        name: str,
        template: Path,
        edited: bool,
        phase: Phase,
        record: RunRecord,
        seed: int,
        data: Path,
        ranks: Single,
    ) -> None:
        self.template, self.edited = template, edited
        self.name, self.phase, self.folder, self.ranks = name, phase, record.folder, ranks
        self.snapshots = Snapshots(record, name)
        self.solver_file, self.validation_faces = write_solver(
            template, phase, self.snapshots, seed, data, ranks.count
        )

        self.done, self.snapshot = self.snapshots.finished(), self.snapshots.latest()
        if self.done:
            print(f"{name}: done already, {self.snapshots.result}", file=sys.stderr)

    def run(
        self, start: Path | None, names: tuple[str, ...], leave: tuple[str, ...] = (), stop: Sequence[int] = ()
    ) -> Path:
        """Train to the end of the phase; returns its weights. Stopped when the user interrupts; RarError on a NaN.

        start: weights to begin with, where every layer whose name starts with one of `names` must be; of a layer whose
        name starts with one of `leave` they are not taken. stop: not empty when the user asks to stop.
        """
        if self.done:
            return self.snapshots.result
        if self.edited and (why := try_solver(self.solver_file)):
            raise RarError(f"{self.template}: Caffe cannot train this ({why}): {REMEDY}")
        solver = caffe.SGDSolver(str(self.solver_file))
        if stop:
            raise Stopped(f"stopped before {self.name}: run the same command to go on")
        if self.snapshot:
            print(f"{self.name}: going on from iteration {self.snapshot.iteration}", file=sys.stderr)
            with ready_to_restore(self.snapshot, solver.net) as state:
                solver.restore(str(state))
                self.ranks.begin(solver, self.solver_file, state)
        else:
            if start:
                self._start_from(solver.net, start, names, leave)
            self.ranks.begin(solver, self.solver_file, None)
        try:
            self._loop(solver, stop)
        finally:
            end_workers()
        self.ranks.rest()
        self.snapshots.finish(self.snapshots.take(solver))
        return self.snapshots.result

    def _start_from(self, net: Any, weights: Path, names: tuple[str, ...], leave: tuple[str, ...]) -> None:
        """Begin with the weights of an earlier phase; what the phase starts from is kept for `caffe train -weights`."""
        anew = load_weights(net, read_weights(weights), names, leave)
        if anew:
            print(f"{self.name}: not taken from {weights}, so these start anew: {', '.join(anew)}", file=sys.stderr)
        if "phi_0" in net.params:
            standardise_features(net)
        rewind_samples(net)
        save_weights(net, self.folder / f"{self.name}_start.caffemodel")

    def _loop(self, solver: Any, stop: Sequence[int]) -> None:
        scalars = [name for name in solver.net.outputs if solver.net.blobs[name].count == 1]
        validation = [f"val_{name}" for name in scalars] if self.validation_faces else []
        log = TrainingLog(self.folder / "log.csv", self.name, solver.iter, [*scalars, *validation])
        sums, summed, began, saved = np.zeros(len(scalars)), 0, time.monotonic(), time.monotonic()
        progress = tqdm(total=self.phase.iterations, initial=solver.iter, desc=self.name, unit="it", mininterval=5)
        with progress:
            while solver.iter < self.phase.iterations:
                self.ranks.step(solver)
                values = np.array([float(solver.net.blobs[name].data) for name in scalars])
                self._check_finite(solver, dict(zip(scalars, values, strict=True)))
                sums, summed = sums + values, summed + 1
                progress.update()
                if solver.iter % LOG_EVERY == 0:
                    means = dict(zip(scalars, sums / summed, strict=True))
                    if self.validation_faces and solver.iter % self.phase.test_interval == 0:
                        found = validation_means(solver, scalars, self.validation_faces)
                        means |= {f"val_{name}": value for name, value in found.items()}
                    log.write(solver.iter, time.monotonic() - began, solver.lr, means)
                    progress.set_postfix_str(summary(means))
                    sums, summed = np.zeros(len(scalars)), 0
                if stop:
                    self.ranks.rest()
                    self.snapshots.take(solver)
                    raise Stopped(f"stopped at iteration {solver.iter}: run the same command to go on")
                due = time.monotonic() - saved > 60 * MINUTES_BETWEEN_SNAPSHOTS
                if due or solver.iter % self.phase.snapshot == 0:
                    self.snapshots.take(solver)
                    saved = time.monotonic()

    def _check_finite(self, solver: Any, values: dict[str, float]) -> None:
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            raise RarError(
                f"{bad[0]} is not finite at iteration {solver.iter}: lower base_lr in {self.solver_file} or in "
                f"tools/model/presets.py; the last snapshot in {self.folder} is from before"
            )


def rewind_samples(net: Any) -> None:
    """Weights of an earlier phase carry its place in the data; a new phase reads from its first sample on."""
    for name, blobs in net.params.items():
        if name.endswith("_samples"):
            blobs[0].data[...] = 0


def validation_means(solver: Any, scalars: list[str], faces: int) -> dict[str, float]:
    """Mean of every scalar over the first `faces` validation faces."""
    net = solver.test_nets[0]
    net.share_with(solver.net)
    rewind_samples(net)
    sums = np.zeros(len(scalars))
    for _ in range(faces):
        forward(net)
        sums += [float(net.blobs[name].data) for name in scalars]
    return dict(zip(scalars, sums / faces, strict=True))


def summary(means: dict[str, float]) -> str:
    """A few figures for the progress bar."""
    shown = [(name, value) for name, value in means.items() if not name.startswith("loss_refinement_")]
    return " ".join(f"{name.replace('nme_pupil_', 'nme_')} {value:.3g}" for name, value in shown[-8:])
