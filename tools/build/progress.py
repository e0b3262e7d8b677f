"""A few lines on the screen while Caffe is built, everything else in a log file."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from tools.build.errors import BuildError

Command = Sequence[str | Path]

_PERCENT = re.compile(r"^\[ *(\d+)%\]")
_CAUSES = (
    ("No space left on device", "the disk is full: free 2 GB or point RAR_CACHE at a larger disk"),
    ("Killed signal terminated program", "memory ran out: try again with CAFFE_JOBS=1"),
    ("Temporary failure resolving", "no archive can be reached: check the network, or use CAFFE_TARBALL or CAFFE_SRC"),
    ("NO_PUBKEY", "the archive's key is not known here: install debian-archive-keyring, or use CAFFE_TARBALL"),
)


class Progress:
    """Prints the phases of a build on stderr and keeps their full output in `log`."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._start = time.monotonic()
        self._fresh = True

    def say(self, text: str) -> None:
        """Print one line, with the time since the start in minutes and seconds."""
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        print(f"caffe {minutes:d}:{seconds:02d}  {text}", file=sys.stderr, flush=True)

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Announce a phase, and head its output in the log."""
        self.say(title)
        with self._open_log() as log:
            log.write(f"\n=== {title}\n")
        yield

    def run(
        self,
        command: Command,
        what: str,
        remedy: str = "the log has the details",
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Run a command with its output in the log; show make's percentage at each quarter.

        Raises BuildError, named by `what`, when the command is missing or fails.
        """
        started: list[subprocess.Popen[str]] = []
        with self._open_log() as log:
            log.write("$ " + " ".join(map(str, command)) + "\n")
            log.flush()
            try:
                with _signals_held_back():
                    process = subprocess.Popen(
                        [str(part) for part in command],
                        cwd=cwd,
                        env=env,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        text=True,
                        errors="replace",
                        start_new_session=True,
                    )
                    started.append(process)
                self._follow(process, log.write)
            except FileNotFoundError:
                raise BuildError(f"{what} failed: {command[0]} is not installed", remedy, self.log) from None
            except BaseException:
                for process in started:
                    _stop(process)
                raise
        if process.wait() != 0:
            raise BuildError(f"{what} failed", likely_remedy(self.log.read_text(errors="replace"), remedy), self.log)

    def _open_log(self) -> TextIO:
        """The log to append to; the first use clears what an earlier build wrote."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self._fresh:
            self.log.write_text("")
            self._fresh = False
        return self.log.open("a", buffering=1)  # by lines: a person may be watching it

    def _follow(self, process: "subprocess.Popen[str]", write: Callable[[str], int]) -> None:
        shown = 0
        assert process.stdout is not None
        for line in process.stdout:
            write(line)
            found = _PERCENT.match(line)
            if found and int(found[1]) // 25 > shown:
                shown = int(found[1]) // 25
                self.say(f"  {25 * shown} %")
        process.stdout.close()


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM act at the end of the block: one inside Popen would leave a process nobody knows of."""
    arrived: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _: arrived.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for held in arrived:
        signal.raise_signal(held)


def _stop(process: "subprocess.Popen[str]") -> None:
    """End a command and all that it started, and wait until none of them can write to the build folder any more."""
    with suppress(ProcessLookupError, PermissionError):  # it has ended; it is apt under sudo, which ends by itself
        os.killpg(process.pid, signal.SIGTERM)
    if process.stdout and not process.stdout.closed:
        process.stdout.read()
        process.stdout.close()
    process.wait()


def likely_remedy(output: str, otherwise: str) -> str:
    """The remedy for the first well-known cause named in `output`, else `otherwise`."""
    return next((remedy for sign, remedy in _CAUSES if sign in output), otherwise)
