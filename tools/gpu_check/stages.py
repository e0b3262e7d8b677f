"""The stages of a check: commands of this project, each with a time limit. One that fails does not stop the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

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
    """The time that is left, the folders for results and for all else, and what has been done; threads may share it.

    what: names of the presets. started: of time.monotonic().
    """

    out: Path
    work: Path
    seconds: float
    what: str
    say: Callable[[str], None] = print
    started: float = field(default_factory=time.monotonic)
    outcomes: list[Outcome] = field(default_factory=list)
    writing: threading.RLock = field(default_factory=threading.RLock)

    def left(self) -> float:
        """Seconds until all has to be over."""
        return self.seconds - (time.monotonic() - self.started)

    def run(self, stage: Stage, environment: Mapping[str, str] | None = None) -> Outcome:
        """Run a stage within its limit and the time that is left; its output goes to log.txt as it comes."""
        limit, begun = min(stage.seconds, max(1.0, self.left())), time.monotonic()
        self.note(f"{stage.name}: rar-caffe {' '.join(stage.words)}")
        output = self.work / "stage.txt"
        process = start(stage.words, output, environment)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = KILLED
        finally:
            end(process)
        lines = lines_of(output)
        self.append("\n".join(lines))
        return self.record(Outcome(stage.name, status, time.monotonic() - begun, lines[-stage.tail :]))

    def record(self, outcome: Outcome) -> Outcome:
        """Keep how a stage ended."""
        with self.writing:
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
        with self.writing, self.log.open("a", encoding="utf-8") as log:
            log.write(text + "\n")

    @property
    def log(self) -> Path:
        """What all stages printed."""
        return self.work / "log.txt"


def start(words: Sequence[str], output: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """`rar-caffe WORDS` in a process group of its own, its output and complaints together in a file.

    A file, and no pipe: what a command leaves running would hold a pipe open after the command itself has died.
    """
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, str(RAR), *words],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes]) -> int:
    """Kill a command, where it still runs, and all that it left running; its status."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def lines_of(output: Path) -> tuple[str, ...]:
    """What a command printed, without empty lines; of a progress bar each state."""
    text = output.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
    return tuple(line for line in text.splitlines() if line.strip())
