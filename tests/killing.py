"""A command that is killed at random moments and given again: the end must be as if nothing had been.

KILLS= in the environment: how often, instead of 20 times.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Hashable
from pathlib import Path

import numpy as np

from tools.build.environment import PROJECT, caffe_environment

KILLS = int(os.environ.get("KILLS", "20"))
IN_A_ROW = 4  # before it may go on to its end
EARLIEST = 0.2  # of the time that it takes alone
PATIENCE = 600  # s, on a machine that has other work
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # else the last digits are a matter of luck


def stamped(*files: Path) -> set[Hashable]:
    """Files as they are now: written again, even with the same content, they are others."""
    return {(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files}


class Killed:
    """The command, killed by SIGKILL and given again.

    begin: makes its place anew. finished: what it has done so far and may neither lose nor do again; None: all.
    """

    def __init__(
        self,
        command: list[str],
        begin: Callable[[], object],
        finished: Callable[[], set[Hashable] | None],
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
            before = self._finished()
            for _ in range(IN_A_ROW):
                if not self._killed_after(rng.uniform(EARLIEST, 1) * once):
                    ends += 1
                    break
                kills, now = kills + 1, self._finished()
                if now is None or before is None:
                    break
                lost, before = before - now, now
                assert not lost, f"{len(lost)} are lost, or done again"
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
