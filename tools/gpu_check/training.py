"""Trainings that fill the time that is left: their rates fall to 0 in time, weights are handed over on the way."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from layers.common.errors import RarError
from tools.gpu_check import summary
from tools.gpu_check.handover import PIECES, hand_over, newest
from tools.gpu_check.stages import KILLED, Check, Outcome, end, lines_of, start

PROBE = 100  # iterations, from which the time of one is known
END = 45  # s for the last validation, snapshot and hand-over
EVERY = 60  # s between hand-overs
USED = 0.95  # of the time for a phase that its iterations are to take; validation and trainings beside it vary
PATIENCE = 20  # s in which a training that was asked to stop must have saved its state
TAIL = 4  # lines of a training's output that the summary shows
PHASES = {"warm_up": ("warm_up",), "rar": ("rar",), "both": ("warm_up", "rar")}


@dataclass(frozen=True)
class Wanted:
    """A training.

    phases: warm_up, rar, or both, the second from the first's weights. share: of the time that is for the first of two.
    start: weights to begin with. gpus: as of tools.train, "" for none. most: iterations of a phase.
    """

    preset: str
    phases: tuple[str, ...]
    data: Path
    start: Path | None
    gpus: str
    share: float = 0.6
    most: int = sys.maxsize

    @property
    def name(self) -> str:
        """The preset's or variant's, as a file's name."""
        return re.sub(r"[^\w.-]+", "_", self.preset)

    def words(self, phase: str, weights: Path | None, run: Path, iterations: int) -> tuple[str, ...]:
        """The command line after `rar-caffe`."""
        words = ["train", "--preset", self.preset, "--data", str(self.data), "--out", str(run)]
        words += ["--gpus", self.gpus] if self.gpus else []
        if phase == "warm_up":
            words += ["--vgg19", str(weights)] if weights else []
            return (*words, "--warm-up-iterations", str(iterations), "--iterations", "1")
        return (*words, *(["--warm-up", str(weights)] if weights else []), "--iterations", str(iterations))


def train_all(check: Check, trainings: Sequence[Wanted]) -> None:
    """All trainings side by side, each within the time that is left. One that fails does not stop the others."""
    if len(trainings) > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // len(trainings))))
    with ThreadPoolExecutor(len(trainings)) as pool:
        chains = [Chain(check, wanted, PIECES // len(trainings)) for wanted in trainings]
        futures = [pool.submit(chain.run) for chain in chains]
        try:
            for future in futures:
                future.result()
        except BaseException:
            check.seconds = 0  # no time is left: the others end now, their states saved
            raise


class Chain:
    """The phases of one training, one after the other. pieces: files that its weights may take."""

    def __init__(self, check: Check, wanted: Wanted, pieces: int) -> None:
        self.check, self.wanted, self.pieces = check, wanted, pieces
        self.folder = check.work / wanted.name
        self.folder.mkdir()
        self.handed: Path | None = None

    def run(self) -> None:
        """Each phase from the weights before it. A phase that leaves none ends the chain."""
        weights, phases = self.wanted.start, self.wanted.phases
        for number, phase in enumerate(phases):
            last = number == len(phases) - 1
            keep = END if last else (1 - self.wanted.share) * (self.check.left() - END) + END
            try:
                found = self.phase(phase, weights, keep)
            except Exception as error:  # whatever it is, the trainings beside it go on
                self.check.record(Outcome(f"{phase} of {self.wanted.preset}", 1, 0, (repr(error),)))
                return
            if not found:
                return
            weights = found

    def phase(self, phase: str, weights: Path | None, keep: float) -> Path | None:
        """Time a few iterations, then train as many as fit, until `keep` seconds are left; the newest weights."""
        wanted, check, run = self.wanted, self.check, self.folder / phase
        each = self.probe(phase, weights, keep)
        if each is None:
            return None
        fitting = int(USED * (check.left() - keep) / each) // 20 * 20
        iterations = max(20, min(wanted.most, fitting))
        check.note(f"{phase} of {wanted.preset}: {1000 * each:.1f} ms an iteration, {iterations} iterations")
        begun = time.monotonic()
        status, output = self.train(phase, wanted.words(phase, weights, run, iterations), run, keep - END / 2, True)
        self.give(phase, run)
        found = newest(run, phase)
        told = f"{1000 * each:.1f} ms an iteration; {found.name if found else 'no weights'}"
        tail = (told, *last_row(run / "log.csv"), *(output[-TAIL:] if status else ()))
        check.record(Outcome(f"{phase} of {wanted.preset}", status, time.monotonic() - begun, tail))
        return found

    def probe(self, phase: str, weights: Path | None, keep: float) -> float | None:
        """Seconds an iteration takes, of a few; None, recorded, where the training fails."""
        run, begun = self.folder / "probe", time.monotonic()
        count = min(PROBE, self.wanted.most)
        status, output = self.train(phase, self.wanted.words(phase, weights, run, count), run, keep, False)
        name, took = f"speed of {phase} of {self.wanted.preset}", time.monotonic() - begun
        each = None
        if not status:
            each = seconds_an_iteration(run / "log.csv", phase)
            output = (f"{1000 * each:.1f} ms an iteration",)
        self.check.record(Outcome(name, status, took, output[-TAIL:]))
        shutil.rmtree(run, ignore_errors=True)
        return each

    def train(
        self, phase: str, words: tuple[str, ...], run: Path, keep: float, handing: bool
    ) -> tuple[int, tuple[str, ...]]:
        """Train until the phase is done, the training has ended by itself or `keep` seconds are left.

        It is then stopped as Ctrl-C does. The status, 0 when the phase is done, KILLED when time ran out; the output.
        handing: hand its newest weights over now and then.
        """
        self.check.note(f"{self.wanted.name}: rar-caffe {' '.join(words)}")
        output = self.folder / f"{run.name}.txt"
        final, next_time = run / f"{phase}.caffemodel", time.monotonic() + EVERY
        process = start(words, output)
        try:
            while process.poll() is None and self.check.left() > keep and not final.is_file():
                time.sleep(0.2)
                if handing and time.monotonic() > next_time:
                    self.give(phase, run)
                    next_time = time.monotonic() + EVERY
            in_time = self.check.left() > keep
            if process.poll() is None and not finishing(process, final, in_time):
                os.killpg(process.pid, signal.SIGINT)
                wait(process)
        finally:
            status = end(process)
        lines = lines_of(output)
        self.check.append("\n".join(lines[-10 * TAIL :]))
        if final.is_file():
            return 0, lines
        return (status or 1 if in_time else KILLED), lines

    def give(self, phase: str, run: Path) -> None:
        """Hand over the newest weights where they are newer than those handed over before, and what was logged."""
        try:
            summary.write(self.check)
            weights = newest(run, phase)
            if weights is None or weights == self.handed:
                return
            pieces = hand_over(weights, self.check.out, self.folder, self.wanted.name, self.pieces)
        except Exception as error:  # a training must not end for it
            self.check.note(f"not handed over: {error}")
            return
        self.handed = weights
        self.check.note(f"handed over {self.wanted.name}, {weights.name}: {len(pieces)} files")


def finishing(process: subprocess.Popen[bytes], final: Path, in_time: bool) -> bool:
    """Whether a training whose last phase is done ends by itself, as it does at once."""
    return in_time and final.name == "rar.caffemodel" and wait(process)


def wait(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process ends within PATIENCE."""
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        return False
    return True


def seconds_an_iteration(log: Path, phase: str) -> float:
    """From the rows of a phase, without the first, which holds the start; RarError when there are too few."""
    with log.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["phase"] == phase and row["iteration"].isdecimal()]
    if len(rows) < 3:
        raise RarError(f"{log}: too few rows of {phase} to time an iteration")
    first, last = rows[0], rows[-1]
    return (float(last["seconds"]) - float(first["seconds"])) / (int(last["iteration"]) - int(first["iteration"]))


def last_row(log: Path) -> tuple[str, ...]:
    """The newest row of a log that has a validation figure, as name=value."""
    if not log.is_file():
        return ()
    with log.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("val_nme_s_d") or row.get("val_nme_s_hat_15")]
    return (", ".join(f"{name}={value}" for name, value in rows[-1].items() if value),) if rows else ()
