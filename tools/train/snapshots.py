"""Snapshots that are complete or absent, whenever training is killed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from layers.common.errors import RarError
from layers.common.files import finished_file
from tools.model.weights import drop_repeats, owners

KEEP = 2


class Snapshot(NamedTuple):
    """A resumable state of the solver."""

    iteration: int
    state: Path
    weights: Path


class Snapshots:
    """The snapshots of one phase in a run's folder.

    Caffe writes weights and state one after the other; a kill between or within leaves half a snapshot. `<phase>.json`
    names the snapshots known to be complete and is replaced in one step after both files are written.
    """

    def __init__(self, folder: Path, phase: str) -> None:
        self.folder, self.phase = folder, phase
        self.index = folder / f"{phase}.json"

    @property
    def prefix(self) -> str:
        """snapshot_prefix of the solver."""
        return str(self.folder / self.phase)

    def _at(self, iteration: int) -> Snapshot:
        stem = f"{self.phase}_iter_{iteration}"
        return Snapshot(iteration, self.folder / f"{stem}.solverstate", self.folder / f"{stem}.caffemodel")

    def _complete(self) -> list[int]:
        try:
            return list(json.loads(self.index.read_text())["complete"])
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            raise RarError(f"{self.index} is damaged ({error}): delete it to start the phase again") from error

    def latest(self) -> Snapshot | None:
        """The newest complete snapshot whose files are still there."""
        for iteration in sorted(self._complete(), reverse=True):
            snapshot = self._at(iteration)
            if snapshot.state.is_file() and snapshot.weights.is_file():
                return snapshot
        return None

    def take(self, solver: Any) -> Snapshot:
        """Write a snapshot of the solver, record it as complete and delete all but the newest KEEP."""
        self._check_space(solver)
        self._check_finite(solver)
        snapshot = self._at(solver.iter)
        solver.snapshot()
        drop_repeats(snapshot.weights, solver.net)
        complete = sorted({*self._complete(), snapshot.iteration})
        with finished_file(self.index) as part:
            part.write_text(json.dumps({"complete": complete[-KEEP:]}))
        for iteration in complete[:-KEEP]:
            old = self._at(iteration)
            old.state.unlink(missing_ok=True)
            old.weights.unlink(missing_ok=True)
        return snapshot

    def _check_finite(self, solver: Any) -> None:
        """The losses are those before the last update, which may have been the one too large."""
        for name, blobs in owners(solver.net):
            if not all(np.isfinite(blob.data).all() for blob in blobs):
                raise RarError(
                    f"the weights of {name} are not finite at iteration {solver.iter}: lower base_lr in "
                    f"tools/model/presets.py; the last snapshot in {self.folder} is from before"
                )

    def _check_space(self, solver: Any) -> None:
        """Caffe aborts without a useful word when the disk is full."""
        needed = 4 * sum(blob.count for blobs in solver.net.params.values() for blob in blobs) * 2
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise RarError(
                f"{self.folder}: {free / 2**20:.0f} MiB free, a snapshot wants {needed / 2**20:.0f}: make room and run "
                "the same command again; training goes on from the last snapshot"
            )
