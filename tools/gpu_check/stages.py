"""The stages of a check: commands of this project, each with a time limit. One that fails does not stop the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tools import PROJECT

RAR = PROJECT / "rar-caffe"
KILLED = 124  # the status of a stage that ran past its limit, as timeout(1) has it


@dataclass(frozen=True)
class Stage:
    """A command line after `rar-caffe`, the most seconds it may take, and what to find its result by in the output."""

    name: str
    words: tuple[str, ...]
    seconds: float
    tail: int = 4  # lines of its output that the summary shows


@dataclass(frozen=True)
class Outcome:
    """How a stage ended. output: the last lines of it."""

    name: str
    status: int
    seconds: float
    output: tuple[str, ...]

    @property
    def verdict(self) -> str:
        return {0: "passed", KILLED: "ran out of time"}.get(self.status, f"failed with status {self.status}")


@dataclass
class Check:
    """The time that is left, the folder for results, and what has been done. started: of time.monotonic()."""

    out: Path
    seconds: float
    say: Callable[[str], None] = print
    started: float = field(default_factory=time.monotonic)
    outcomes: list[Outcome] = field(default_factory=list)

    def left(self) -> float:
        """Seconds until all has to be over."""
        return self.seconds - (time.monotonic() - self.started)

    def run(self, stage: Stage, environment: Mapping[str, str] | None = None) -> Outcome:
        """Run a stage within its limit and the time that is left; its output goes to log.txt as it comes."""
        limit, begun = min(stage.seconds, max(1.0, self.left())), time.monotonic()
        self.note(f"{stage.name}: rar-caffe {' '.join(stage.words)}")
        status, text = run_within([sys.executable, str(RAR), *stage.words], limit, environment)
        lines = tuple(line for line in text.replace("\r", "\n").splitlines() if line.strip())
        self.append("\n".join(lines))
        return self.record(Outcome(stage.name, status, time.monotonic() - begun, lines[-stage.tail :]))

    def record(self, outcome: Outcome) -> Outcome:
        """Keep how a stage ended."""
        self.outcomes.append(outcome)
        self.note(f"{outcome.name}: {outcome.verdict} after {outcome.seconds:.0f} s")
        return outcome

    def note(self, text: str) -> None:
        """A line with the time, on the screen and in log.txt."""
        line = f"== {self.seconds - self.left():.0f} s: {text}"
        self.say(line)
        self.append(line)

    def append(self, text: str) -> None:
        """Add to log.txt."""
        with (self.out / "log.txt").open("a", encoding="utf-8") as log:
            log.write(text + "\n")


def start(
    command: Sequence[str], environment: Mapping[str, str] | None = None, output: int | IO[str] = subprocess.PIPE
) -> subprocess.Popen[str]:
    """A process in a group of its own, with its output and complaints together."""
    return subprocess.Popen(
        command,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def run_within(command: Sequence[str], limit: float, environment: Mapping[str, str] | None) -> tuple[int, str]:
    """Status and output of a command; KILLED, with all that it started, when it takes longer than `limit` seconds."""
    process = start(command, environment)
    try:
        text, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        return KILLED, text
    return process.returncode, text
