"""Mutants of a kind's samples, read by child processes, and what became of them."""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import PROJECT
from tests.fuzz.kinds import KINDS
from tools.build.environment import caffe_environment

OUTCOMES = ("line", "read", "traceback", "abort", "wrong", "hang", "lost")
HEADINGS = ("one clear line", "read", "traceback", "abort", "silently wrong", "hang", "lost")
BAD = OUTCOMES[2:]
PATIENCE = 60  # s for one file, on a machine with other work


@dataclass
class Tally:
    """How often each outcome was seen, and of each bad one the file and the words."""

    counts: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)

    def add(self, outcome: str, mutant: str, said: str) -> None:
        self.counts[outcome] += 1
        if outcome in BAD:
            self.bad.append(f"{outcome}: {mutant}: {said}")


class Reader:
    """A child process for one kind."""

    def __init__(self, kind: str, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.fuzz.child", kind, str(folder)]
        self.noise = (folder / "stderr").open("ab")
        self._process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **caffe_environment(), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.noise,
        )

    def ask(self, mutant: Path) -> tuple[str, str]:
        """The outcome and the words for it; after an abort or a hang it is of no more use."""
        process = self._process
        assert process.stdin and process.stdout
        try:
            process.stdin.write(json.dumps(str(mutant)).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            return "abort", f"status {process.wait()} before it was asked"
        if not select.select([process.stdout], [], [], PATIENCE)[0]:
            return "hang", f"more than {PATIENCE} s"
        line = process.stdout.readline()
        if not line:
            return "abort", f"status {process.wait()}"
        answer = json.loads(line)
        return answer["outcome"], answer["said"]

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
        self.noise.close()


def fuzz(kind: str, folder: Path, count: int, seed: int) -> Tally:
    """Read `count` mutants of the samples in `folder`, which the kind has made; the mutants of bad outcomes stay."""
    one, tally, rng = KINDS[kind], Tally(), random.Random(zlib.crc32(f"{kind} {seed}".encode()))
    samples = one.samples(folder)
    reader: Reader | None = Reader(kind, folder)
    try:
        for sample in samples:
            whole = folder / f"whole{sample.suffix}"
            whole.write_bytes(sample.read_bytes())
            assert reader and reader.ask(whole) == ("read", ""), f"{kind}: a sound file is refused"
        for number in range(count):
            sample, mutate = samples[number % len(samples)], rng.choice(one.mutators)
            mutant = folder / f"{number}_{mutate.__name__}{sample.suffix}"
            mutant.write_bytes(mutate(sample.read_bytes(), rng))
            reader = reader or Reader(kind, folder)
            outcome, said = reader.ask(mutant)
            tally.add(outcome, str(mutant), said)
            if outcome in ("abort", "hang"):
                reader.end()
                reader = None
            if outcome not in BAD:
                mutant.unlink()
    finally:
        if reader:
            reader.end()
    return tally


def table(tallies: dict[str, Tally]) -> str:
    """A line for each kind."""
    lines = [f"{'kind':<16}{'tried':>7}" + "".join(f"{heading:>16}" for heading in HEADINGS)]
    for kind, tally in tallies.items():
        numbers = "".join(f"{tally.counts[outcome]:>16}" for outcome in OUTCOMES)
        lines.append(f"{kind:<16}{tally.counts.total():>7}{numbers}")
    return "\n".join(lines)
