"""Snapshots that are complete or absent, whenever training is killed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from layers.common.errors import RarError
from layers.common.files import file_entry, mismatch, sync
from tools.model.run_record import RunRecord
from tools.model.weights import drop_repeats, owners

KEEP = 2


class Snapshot(NamedTuple):
    """A resumable state of the solver."""

    iteration: int
    state: Path
    weights: Path


class Snapshots:
    """The snapshots of one phase of a run, and the weights that it ends with.

    Caffe writes weights and state one after the other; a kill between or within leaves half a snapshot. The run's
    record names those known to be complete, with their checksums, and is replaced in one step after both are written.
    """

    def __init__(self, record: RunRecord, phase: str) -> None:
        self.record, self.folder, self.phase = record, record.folder, phase
        self.result = self.folder / f"{phase}.caffemodel"

    @property
    def prefix(self) -> str:
        """snapshot_prefix of the solver."""
        return str(self.folder / self.phase)

    def _at(self, iteration: int) -> Snapshot:
        stem = f"{self.phase}_iter_{iteration}"
        return Snapshot(iteration, self.folder / f"{stem}.solverstate", self.folder / f"{stem}.caffemodel")

    def _listed(self) -> list[dict[str, Any]]:
        """The entries of the record, the newest last."""
        return sorted(self.record.snapshots.get(self.phase, []), key=lambda entry: int(entry["iteration"]))

    def latest(self) -> Snapshot | None:
        """The newest snapshot whose files are those that were written; a line on stderr for one whose are not."""
        for entry in reversed(self._listed()):
            bad = [(self.folder / name, mismatch(self.folder / name, file)) for name, file in entry["files"].items()]
            words = [f"{path}: {why}" for path, why in bad if why]
            if not words:
                return self._at(entry["iteration"])
            print(f"{words[0]}: taking the snapshot before it, if there is one", file=sys.stderr)
        return None

    def take(self, solver: Any) -> Snapshot:
        """Write a snapshot of the solver, record it as complete and delete all but the newest KEEP."""
        self._check_space(solver)
        self._check_finite(solver)
        snapshot = self._at(solver.iter)
        solver.snapshot()
        drop_repeats(snapshot.weights, solver.net)
        for path in (snapshot.state, self.folder):
            sync(path)
        files = {path.name: file_entry(path) for path in (snapshot.weights, snapshot.state)}
        others = [entry for entry in self._listed() if entry["iteration"] < snapshot.iteration]
        for entry in others[: 1 - KEEP]:  # first, or a kill would leave what no record names
            self._remove(entry["iteration"])
        self._keep([*others[1 - KEEP :], {"iteration": snapshot.iteration, "files": files}])
        return snapshot

    def finish(self, last: Snapshot) -> None:
        """The weights of the last snapshot become the phase's. Whenever it is killed, `finished` ends it."""
        self.record.finished[self.result.name] = file_entry(last.weights)
        self.record.save()
        self._end(last)

    def finished(self) -> bool:
        """Whether the phase has ended and its weights are those it ended with; a line on stderr when they are not.

        A file in their place that is not of this training is moved aside.
        """
        entry = self.record.finished.get(self.result.name)
        words = mismatch(self.result, entry) if entry else "not a file of this training" if self.result.exists() else ""
        if not words:
            there = [listed for listed in self._listed() if self._at(listed["iteration"]).weights.is_file()]
            if entry and there != self._listed():
                self._keep(there)
            return entry is not None
        last = next(reversed(self._listed()), None)
        if entry and last and not mismatch(self._at(last["iteration"]).weights, entry):
            self._end(self._at(last["iteration"]))
            return True
        print(f"{self.result}: {words}: the phase goes on from its last snapshot, or anew", file=sys.stderr)
        if self.result.exists():
            aside = self.result.with_name(f"{self.result.name}.set_aside")
            self.result.replace(aside)
            print(f"what was there is {aside} now", file=sys.stderr)
        if entry:
            del self.record.finished[self.result.name]
            self.record.save()
        return False

    def _end(self, last: Snapshot) -> None:
        last.state.unlink(missing_ok=True)
        last.weights.replace(self.result)
        sync(self.folder)
        self._keep([entry for entry in self._listed() if entry["iteration"] != last.iteration])

    def _keep(self, entries: list[dict[str, Any]]) -> None:
        self.record.snapshots[self.phase] = entries
        self.record.save()

    def _remove(self, iteration: int) -> None:
        old = self._at(iteration)
        old.state.unlink(missing_ok=True)
        old.weights.unlink(missing_ok=True)

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
