"""A training that fills the time that is left: its rate falls to 0 at the end, weights are handed over on the way."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from layers.common.errors import RarError
from tools.gpu_check.handover import hand_over, newest
from tools.gpu_check.stages import RAR, Check, Outcome, Stage, start

PROBE = 100  # iterations, from which the time of one is known
END = 45  # s for the last validation, snapshot and hand-over
EVERY = 60  # s between hand-overs


@dataclass(frozen=True)
class Wanted:
    """What to train.

    phase: warm_up or rar. start: weights to begin with. gpus: as of tools.train, "" for none. most: iterations.
    """

    preset: str
    phase: str
    data: Path
    start: Path | None
    gpus: str
    most: int | None = None

    def words(self, run: Path, iterations: int) -> tuple[str, ...]:
        """The command line after `rar-caffe`."""
        words = ["train", "--preset", self.preset, "--data", str(self.data), "--out", str(run)]
        words += ["--gpus", self.gpus] if self.gpus else []
        if self.phase == "warm_up":
            words += ["--vgg19", str(self.start)] if self.start else []
            return (*words, "--warm-up-iterations", str(iterations), "--iterations", "1")
        return (*words, *(["--warm-up", str(self.start)] if self.start else []), "--iterations", str(iterations))


def seconds_an_iteration(log: Path, phase: str) -> float:
    """From the rows of a phase, without the first, which holds the start; RarError when there are too few."""
    with log.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["phase"] == phase and row["iteration"].isdecimal()]
    if len(rows) < 3:
        raise RarError(f"{log}: too few rows of {phase} to time an iteration")
    first, last = rows[0], rows[-1]
    return (float(last["seconds"]) - float(first["seconds"])) / (int(last["iteration"]) - int(first["iteration"]))


def fill_time(check: Check, wanted: Wanted, work: Path) -> None:
    """Time a few iterations, then train as many as there is time for."""
    probe, run = work / "probe", work / "run"
    shutil.rmtree(probe, ignore_errors=True)
    timed = check.run(Stage("speed of training", wanted.words(probe, PROBE), 180, tail=1))
    if timed.status:
        return
    each = seconds_an_iteration(probe / "log.csv", wanted.phase)
    shutil.rmtree(probe)
    iterations = max(PROBE, min(wanted.most or sys.maxsize, int((check.left() - END) / each) // 20 * 20))
    check.note(f"{1000 * each:.1f} ms an iteration: {iterations} iterations, so that the rate falls to 0 in time")
    begun = time.monotonic()
    status = follow(check, wanted, run, iterations, work)
    done = newest(run, wanted.phase)
    told = f"{1000 * each:.1f} ms an iteration; {done.name if done else 'no weights'}"
    check.record(Outcome("training", status, time.monotonic() - begun, (told, *last_row(run / "log.csv"))))


def follow(check: Check, wanted: Wanted, run: Path, iterations: int, work: Path) -> int:
    """Start the training, hand its newest weights over now and then, and stop it in time as Ctrl-C does; its status."""
    with (work / "training.txt").open("w") as output:
        process = start([sys.executable, str(RAR), *wanted.words(run, iterations)], output=output)
        handed: Path | None = None
        next_time = time.monotonic() + EVERY
        while process.poll() is None and check.left() > END / 2 and not (run / f"{wanted.phase}.caffemodel").is_file():
            time.sleep(1)
            if time.monotonic() > next_time:
                handed, next_time = give(check, run, wanted.phase, work, handed), time.monotonic() + EVERY
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        status = process.wait()
    check.append((work / "training.txt").read_text(errors="replace").replace("\r", "\n")[-2000:])
    give(check, run, wanted.phase, work, handed)
    finished = (run / f"{wanted.phase}.caffemodel").is_file()
    return 0 if finished else status


def give(check: Check, run: Path, phase: str, work: Path, before: Path | None) -> Path | None:
    """Hand over the newest weights where they are newer than those handed over before, and the log; which they are."""
    if (run / "log.csv").is_file():
        shutil.copyfile(run / "log.csv", check.out / "log.csv")
    weights = newest(run, phase)
    if weights is None or weights == before:
        return before
    try:
        pieces = hand_over(weights, check.out, work)
    except RarError as error:
        check.note(f"not handed over: {error}")
        return before
    check.note(f"handed over {weights.name}: {len(pieces)} files")
    return weights


def last_row(log: Path) -> tuple[str, ...]:
    """The newest row of a log that has a validation figure, as name=value."""
    if not log.is_file():
        return ()
    with log.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("val_nme_s_d") or row.get("val_nme_s_hat_15")]
    return (", ".join(f"{name}={value}" for name, value in rows[-1].items() if value),) if rows else ()
