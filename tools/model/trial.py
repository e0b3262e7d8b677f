"""Trying a net or solver file in a process of its own, because Caffe ends its process where sizes do not fit.

As a program, `python3 -m tools.model.trial net FILE PHASE` or `solver FILE`: makes it, runs it, says nothing.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

LONGEST = 120  # s
SHARE = 0.9  # of the memory that is free
MADE = "Network initialization done"  # in Caffe's log
UNWELL = 3  # the status for what raises an exception
FATAL, LAYER = re.compile(r"^F\d{4,8} .*?\] (.*)$", re.MULTILINE), re.compile(r"\] Creating Layer (.*)$", re.MULTILINE)


def try_net(path: Path, phase: int) -> str | None:
    """Why Caffe cannot make the net of a file and run it on zeros, in one line; None when it can."""
    return _tried("net", str(path), str(phase))


def try_solver(path: Path) -> str | None:
    """Why Caffe cannot make the solver of a file and its nets and take a step, in one line; None when it can."""
    return _tried("solver", str(path))


def _tried(*words: str) -> str | None:
    command = [sys.executable, "-P", "-m", "tools.model.trial", *words]
    ours = {"PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path)}  # noqa: PTH100 ("" is here)
    env = {**os.environ, **ours, "GLOG_minloglevel": "0", "GLOG_logtostderr": "1", "CUDA_VISIBLE_DEVICES": ""}
    try:
        done = subprocess.run(command, env=env, capture_output=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        return f"it takes more than {LONGEST} s"
    return _why(done.returncode, done.stderr.decode(errors="backslashreplace")) if done.returncode else None


def _why(status: int, said: str) -> str:
    """Caffe's own words, or the exception's, with the layer that it was at."""
    layers, fatal = LAYER.findall(said), FATAL.search(said)
    if fatal:
        words = fatal[1]
    elif status == UNWELL:
        words = said.strip().splitlines()[-1]
    else:
        words = f"it ends with {signal.Signals(-status).name if status < 0 else f'status {status}'}"
    words = " ".join(words.split())
    return words if MADE in said or not layers else f"layer {layers[-1]!r}: {words}"


def _limit_memory() -> None:
    """A size in a file may be any; what is asked for beyond the free memory is refused, not given and killed for."""
    (free,) = re.findall(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = [limit for limit in (soft, hard, int(SHARE * int(free) * 1024)) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(most), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _run(net: Any) -> None:
    """One pass as it is, and one of two images, for a detector sets the number that it needs."""
    _pass(net)
    for name in net.inputs:
        net.blobs[name].reshape(2, *net.blobs[name].shape[1:])
    net.reshape()
    _pass(net)


def _pass(net: Any) -> None:
    """Layer by layer: one that raises an exception, as those do that need trained weights, ends nobody's process."""
    for number in range(len(net.layers)):
        with suppress(Exception):
            net._forward(number, number)


def main(kind: str, path: str, phase: str = "0") -> None:
    """Make it; the status tells how that ended."""
    from layers.common.errors import reason
    from layers.quiet import caffe

    _limit_memory()
    try:
        if kind == "solver":
            solver = caffe.SGDSolver(path)
            with suppress(Exception):
                solver.step(1)  # where it looks at its learning rate
        else:
            _run(caffe.Net(path, int(phase)))
    except Exception as error:
        print(f"\n{reason(error)}", file=sys.stderr, flush=True)
        os._exit(UNWELL)
    os._exit(0)  # without what nets and their helpers do in the end


if __name__ == "__main__":
    main(*sys.argv[1:])
