"""A command that is killed at random moments and given again: the end must be as if nothing had been."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Hashable
from pathlib import Path

import numpy as np

from tools.build.environment import PROJECT, caffe_environment

KILLS = 20
IN_A_ROW = 4  # before it may go on to its end
EARLIEST = 0.2  # of the time that it takes alone
PATIENCE = 600  # s, on a machine that has other work
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # else the last digits are a matter of luck


def stamped(*files: Path) -> set[Hashable]:
    """Files as they are now: written again, even with the same content, they are others."""
    return {(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files}


class Killed:
    """The command, killed by SIGKILL and given again.

    begin: makes its place anew. finished: what it has done so far and may neither lose nor do again.
    """

    def __init__(
        self,
        command: list[str],
        begin: Callable[[], object],
        finished: Callable[[], set[Hashable]],
        cwd: Path = PROJECT,
        **variables: str,
    ) -> None:
        self._command, self._begin, self._finished, self._cwd = command, begin, finished, cwd
        self._env = {**os.environ, **caffe_environment(), **ONE_THREAD, "GLOG_minloglevel": "2", **variables}

    def often(self, seed: int, check: Callable[[], object]) -> None:
        """Kill it KILLS times at moments drawn by the seed; check: is called whenever it has come to its end."""
        rng, kills, ends = np.random.default_rng(seed), 0, 0
        self._begin()
        started = time.monotonic()
        self._to_its_end()
        once = time.monotonic() - started
        check()
        while kills < KILLS:
            self._begin()
            done = self._finished()
            for _ in range(IN_A_ROW):
                killed = self._killed_after(rng.uniform(EARLIEST, 1) * once)
                kills, ends, before = kills + killed, ends + (not killed), done
                done = self._finished() if killed else before
                assert before <= done, f"lost, or done again: {before - done}"
                if not killed:
                    break
            self._to_its_end()
            check()
        print(f"killed {kills} times, at its end before that {ends} times; one run takes {once:.1f} s")

    def _killed_after(self, seconds: float) -> bool:
        """False when it has ended before."""
        with subprocess.Popen(self._command, cwd=self._cwd, env=self._env, stdout=-3, stderr=-3) as process:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                return True
        assert process.returncode == 0
        return False

    def _to_its_end(self) -> None:
        done = subprocess.run(
            self._command, cwd=self._cwd, env=self._env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert "Traceback" not in done.stderr
